"""Every story of a saga with so many faults, each world of it once, and every law on every turn."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from saga_coordinator.contracts import Message
from saga_coordinator.sagas.machine import Start, command_id, leaf, transition
from saga_coordinator.sagas.testing.explorer.cap_retries import cap_retries
from saga_coordinator.sagas.testing.explorer.moves import Move, apply, moves
from saga_coordinator.sagas.testing.explorer.order import AnySaga, leaves, order_of
from saga_coordinator.sagas.testing.explorer.samples import Samples, gather
from saga_coordinator.sagas.testing.explorer.turn import Turned, Violation
from saga_coordinator.sagas.testing.explorer.world import FORWARD, World
from saga_coordinator.sagas.testing.invariants.hearing import Probe, changed_by, i3_read_again_it_is_the_same, probes
from saga_coordinator.sagas.testing.invariants.laws import INVARIANTS

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
MAX_STATES = 200_000
"""So many worlds are looked at, unless more are asked for."""

PARENT = "00000000-0000-5000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A law that was broken: the start, and the moves that lead there (the fewest), the last of which breaks it."""

    law: str
    says: str
    claim: str
    start: Any
    moves: tuple[Move, ...]


@dataclass(slots=True)
class Exploration:
    """What was found of the `given` saga; `saga` is that one abridged.

    `worlds` are all that can be, in the order of how soon; `ways` which move leads where.

    `came` says for each world from which it was first reached, and how. `probed` counts what was tried and rightly
    ignored; `unfinished` how many worlds were left alone when the limit was reached.
    """

    given: AnySaga
    saga: AnySaga
    depth: int
    worlds: list[World] = field(default_factory=list)
    came: list[tuple[int, Move] | None] = field(default_factory=list)
    ways: list[tuple[int, Move, int]] = field(default_factory=list)
    violations: list[Counterexample] = field(default_factory=list)
    probed: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0

    @property
    def leaves(self) -> list[str]:
        """The steps and waits of the saga, in the order of the definition."""
        return list(leaves(self.saga.steps))

    @property
    def unreached(self) -> list[str]:
        """The leaves that no story has reached: its samples do not lead there."""
        reached = {leaf(name) for world in self.worlds for name in (*world.instance.steps, *world.instance.waits)}
        return [name for name in self.leaves if name not in reached]

    def path(self, number: int) -> tuple[Any, tuple[Move, ...]]:
        """Return the start and the moves that lead to a world first."""
        found: list[Move] = []
        while (step := self.came[number]) is not None:
            number, move = step
            found.append(move)
        return self.worlds[number].start, tuple(reversed(found))


def explore(
    saga: AnySaga, samples: Iterable[Message] = (), *, depth: int = 1, most: int = MAX_STATES, first_only: bool = False
) -> Exploration:
    """Go through all stories with up to `depth` faults on the way there, as many on the way back, and one more in all.

    `most` bounds the worlds; `first_only` ends with the first violation. Raises `ValueError` for samples that do not
    fit, or where a message cannot be made from its schema.
    """
    explorer = _Explorer(
        Exploration(saga, cap_retries(saga), depth), gather(saga, samples), most, first_only=first_only
    )
    explorer.run()
    return explorer.found


@dataclass(slots=True)
class _Explorer:
    """Breadth first, so that each world is reached by the fewest moves."""

    found: Exploration
    samples: Samples
    most: int
    first_only: bool
    numbers: dict[object, int] = field(default_factory=dict)
    laws_broken: set[tuple[str, str]] = field(default_factory=set)

    def run(self) -> None:
        for start in self.samples.starts:
            self._start(start)
        number = 0
        while number < len(self.found.worlds):
            if self.first_only and self.found.violations:
                return
            if number >= self.most:
                self.found.unfinished = len(self.found.worlds) - number
                return
            self._expand(number)
            number += 1

    def _start(self, start: Any) -> None:  # noqa: ANN401  an event or a command
        saga = self.found.saga
        asked = command_id(PARENT, "child", FORWARD, 1) if saga.is_child else None
        signal = Start(BEGINNING, start, asked)
        decision = transition(saga, None, signal)
        world = World(
            saga=saga,
            order=order_of(saga),
            instance=decision.instance,
            start=start,
            now=BEGINNING,
            faults=self.found.depth,
            undo_faults=self.found.depth,
            faults_in_all=self.found.depth and self.found.depth + 1,
            calls={},
            moods={},
            waits={},
            received={},
            overtaken={},
        )
        turned = Turned(None, Move(signal, BEGINNING), world, decision, world.after(decision))
        if not self._check(turned, start, ()):
            self._add(turned.after, None)

    def _expand(self, number: int) -> None:
        world = self.found.worlds[number]
        if self._probe(world, number):
            return
        stuck = world.instance.is_active
        for move in moves(world, self.samples):
            stuck = stuck and bool(move.hits)
            after = self._move(world, number, move)
            if after is not None:
                reached = self._add(after, (number, move))
                if reached != number:
                    self.found.ways.append((number, move, reached))
        if stuck:
            says = "it is active, and nothing that goes well leads any further"
            self._note("i1_it_ends", Violation(says, "assert story.status.is_final"), *self.found.path(number))

    def _move(self, world: World, number: int, move: Move) -> World | None:
        """Let a move happen. None: a law was broken, and the story ends here."""
        heard = apply(world, move)
        if move.signal is None:
            return heard
        try:
            decision = transition(world.saga, world.instance, move.signal)
            after = heard if decision.ignored else heard.after(decision)
        except Exception as error:  # noqa: BLE001  a definition's function may raise anything: that is the finding
            start, path = self.found.path(number)
            says = f"the definition raises {type(error).__name__}: {error}"
            self._note("the_definition_never_raises", Violation(says, ""), start, (*path, move))
            return None
        turned = Turned(world, move, heard, decision, after)
        if not any(True for law in INVARIANTS for _ in law(turned)):
            return after
        start, path = self.found.path(number)
        self._check(turned, start, (*path, move))
        return None

    def _check(self, turned: Turned, start: Any, path: tuple[Move, ...]) -> bool:  # noqa: ANN401  an event or a command
        broken = [(law.__name__, each) for law in INVARIANTS for each in law(turned)]
        for law, each in broken:
            self._note(law, each, start, path)
        return bool(broken)

    def _probe(self, world: World, number: int) -> bool:
        """Try what must change nothing. True: something did."""
        broken: list[tuple[str, Violation, Probe | None]] = [
            ("i3_read_again_it_is_the_same", each, None) for each in i3_read_again_it_is_the_same(world)
        ]
        for probe in probes(world, self.samples):
            self.found.probed[probe.what] = self.found.probed.get(probe.what, 0) + 1
            if (each := changed_by(world, probe)) is not None:
                broken.append(("i10_a_copy_or_a_stray_changes_nothing", each, probe))
        for law, each, probe_ in broken:
            start, path = self.found.path(number)
            self._note(law, each, start, (*path, probe_.move) if probe_ and probe_.move else path)
        return bool(broken)

    def _note(self, law: str, broken: Violation, start: Any, path: tuple[Move, ...]) -> None:  # noqa: ANN401  as above
        """Keep the first story, which is the shortest, for each law and what it says."""
        if (law, broken.says) not in self.laws_broken:
            self.laws_broken.add((law, broken.says))
            self.found.violations.append(Counterexample(law, broken.says, broken.claim, start, path))

    def _add(self, world: World, came: tuple[int, Move] | None) -> int:
        key = world.key() if came else (id(world), world.key())
        number = self.numbers.setdefault(key, len(self.found.worlds))
        if number == len(self.found.worlds):
            self.found.worlds.append(world)
            self.found.came.append(came)
        return number
