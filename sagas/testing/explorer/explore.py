"""Every story of a saga with so many faults, each world of it once, and every invariant on every transition."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from saga_coordinator.contracts import Message
from saga_coordinator.sagas.language.functions import raised_in
from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.machine import Start, command_id, transition
from saga_coordinator.sagas.testing.explorer.moves import Move, moves, spend
from saga_coordinator.sagas.testing.explorer.probes import Probe, probes, problem_of
from saga_coordinator.sagas.testing.explorer.samples import Samples, gather
from saga_coordinator.sagas.testing.explorer.world import World
from saga_coordinator.sagas.testing.invariants.check import violations
from saga_coordinator.sagas.testing.invariants.ledger import FORWARD
from saga_coordinator.sagas.testing.invariants.observation import begin, observe
from saga_coordinator.sagas.testing.invariants.order import AnySaga, leaves
from saga_coordinator.sagas.testing.invariants.receiving import i3_read_again_it_is_the_same
from saga_coordinator.sagas.testing.variants import PURE, cap_retries, evaluate_twice

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
NEVER_RAISES = "the_definition_never_raises"
ARE_PURE = "the_functions_are_pure"
MAX_STATES = 200_000
"""So many worlds are looked at, unless more are asked for."""

PARENT = "00000000-0000-5000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class Counterexample:
    """An invariant that is violated: the start and the fewest moves that lead there, the last of which violates it.

    `probe` is the signal that changes something then, though it must not.
    """

    invariant: str
    problem: str
    start: Any
    moves: tuple[Move, ...]
    probe: Probe | None = None


@dataclass(slots=True)
class Exploration:
    """What was found of the `given` saga; `saga` is that one with capped retries.

    `worlds` are all that can be, those first that are reached soonest; `edges` which move leads from which world to
    which. `reached_from` says for each world from which it was first reached, and how. `probed` counts what was
    ignored as it must be; `unfinished` how many worlds were not looked at when the limit was reached.
    """

    given: AnySaga
    saga: AnySaga
    depth: int
    worlds: list[World] = field(default_factory=list)
    reached_from: list[tuple[int, Move] | None] = field(default_factory=list)
    edges: list[tuple[int, Move, int]] = field(default_factory=list)
    counterexamples: list[Counterexample] = field(default_factory=list)
    probed: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0

    @property
    def leaves(self) -> list[str]:
        """The steps and waits of the saga, in the order of the definition."""
        return list(leaves(self.saga.steps))

    @property
    def unreached(self) -> list[str]:
        """The leaves that no story has reached: its samples do not lead there."""
        instances = [world.ledger.instance for world in self.worlds]
        reached = {leaf(name) for one in instances for name in (*one.steps, *one.waits)}
        return [name for name in self.leaves if name not in reached]

    def path(self, number: int) -> tuple[Any, tuple[Move, ...]]:
        """Return the start and the moves that lead to a world first."""
        found: list[Move] = []
        while (step := self.reached_from[number]) is not None:
            number, move = step
            found.append(move)
        return self.worlds[number].ledger.start, tuple(reversed(found))


def explore(
    saga: AnySaga,
    samples: Iterable[Message] = (),
    *,
    depth: int = 1,
    max_states: int = MAX_STATES,
    first_only: bool = False,
    report: Callable[[str], None] = lambda _: None,
) -> Exploration:
    """Go through all stories with up to `depth` faults forward, as many in compensations, and one more in all.

    `max_states` bounds the worlds; `first_only` ends with the first violation; `report` is called with how far it is.
    Raises `ValueError` for samples that do not fit, or where a message cannot be generated from its schema.
    """
    found = Exploration(saga, cap_retries(evaluate_twice(saga)), depth)
    explorer = _Explorer(found, gather(saga, samples), max_states, first_only=first_only, report=report)
    explorer.run()
    return found


@dataclass(slots=True)
class _Explorer:
    """Breadth first, so that each world is reached by the fewest moves."""

    found: Exploration
    samples: Samples
    max_states: int
    first_only: bool
    report: Callable[[str], None]
    numbers: dict[object, int] = field(default_factory=dict)
    violated: set[tuple[str, str]] = field(default_factory=set)

    def run(self) -> None:
        for start in self.samples.starts:
            self._start(start)
        number = 0
        while number < len(self.found.worlds):
            if self.first_only and self.found.counterexamples:
                return
            if number >= self.max_states:
                self.found.unfinished = len(self.found.worlds) - number
                return
            self.report(f"{number:,} of {len(self.found.worlds):,} states known so far are tried")
            try:
                self._expand(number)
            except Exception as error:
                if raised_in(self.found.given, error) is None:
                    raise
                self._note_raised(error, *self.found.path(number))
            number += 1

    def _start(self, start: Any) -> None:  # noqa: ANN401  an event or a command
        saga, depth = self.found.saga, self.found.depth
        signal = Start(BEGINNING, start, command_id(PARENT, "child", FORWARD, 1) if saga.is_child else None)
        try:
            seen = begin(saga, signal, transition(saga, None, signal))
        except Exception as error:  # noqa: BLE001  a definition's function may raise anything: that is the finding
            self._note_raised(error, start, ())
            return
        broken = list(violations(seen))
        for invariant, problem in broken:
            self._note(Counterexample(invariant, problem, start, ()))
        if not broken:
            in_all = depth and depth + 1
            world = World(ledger=seen.after, behaviours={}, faults=depth, undo_faults=depth, faults_in_all=in_all)
            self._add(world, None)

    def _expand(self, number: int) -> None:
        world = self.found.worlds[number]
        if self._probe(world, number):
            return
        stuck = world.ledger.instance.is_active
        for move in moves(world, self.samples):
            stuck = stuck and bool(move.hits)
            after = self._move(world, number, move)
            if after is not None:
                reached = self._add(after, (number, move))
                if reached != number:
                    self.found.edges.append((number, move, reached))
        if stuck:
            problem = "it is active, and nothing that goes well leads any further"
            self._note(Counterexample("i1_it_ends", problem, *self.found.path(number)))

    def _move(self, world: World, number: int, move: Move) -> World | None:
        """Return the world after a move; None if an invariant is violated, where the story ends."""
        spent, ledger = spend(world, move), world.ledger
        if move.signal is None:
            return replace(spent, ledger=replace(ledger, now=move.at, latest=move.at))
        try:
            seen = observe(ledger, move.signal, transition(ledger.saga, ledger.instance, move.signal))
            broken = list(violations(seen))
            if not broken:
                return spent.after(seen)
        except Exception as error:  # noqa: BLE001  a definition's function may raise anything: that is the finding
            start, path = self.found.path(number)
            self._note_raised(error, start, (*path, move))
            return None
        start, path = self.found.path(number)
        for invariant, problem in broken:
            self._note(Counterexample(invariant, problem, start, (*path, move)))
        return None

    def _probe(self, world: World, number: int) -> bool:
        """Try what must change nothing. True: something did."""
        broken = [
            Counterexample("i3_read_again_it_is_the_same", problem, *self.found.path(number))
            for problem in i3_read_again_it_is_the_same(world.ledger)
        ]
        for probe in probes(world, self.samples):
            self.found.probed[probe.what] = self.found.probed.get(probe.what, 0) + 1
            if (problem := problem_of(world, probe)) is not None:
                name = "i10_a_copy_or_a_stray_changes_nothing"
                broken.append(Counterexample(name, problem, *self.found.path(number), probe))
        for each in broken:
            self._note(each)
        return bool(broken)

    def _note_raised(self, error: Exception, start: Any, path: tuple[Move, ...]) -> None:  # noqa: ANN401  a message
        """Note which function raised, or has two values for the same arguments."""
        if PURE in getattr(error, "__notes__", ()):
            self._note(Counterexample(ARE_PURE, str(error), start, path))
            return
        where = raised_in(self.found.given, error) or "the definition"
        self._note(Counterexample(NEVER_RAISES, f"{where} raises {type(error).__name__}: {error}", start, path))

    def _note(self, found: Counterexample) -> None:
        """Keep the first story, which is the shortest, for each invariant and problem."""
        of = re.split(" returns | changes its ", found.problem)[0] if found.invariant == ARE_PURE else found.problem
        if (found.invariant, of) not in self.violated:
            self.violated.add((found.invariant, of))
            self.found.counterexamples.append(found)

    def _add(self, world: World, reached_from: tuple[int, Move] | None) -> int:
        key = world.key() if reached_from else (id(world), world.key())
        number = self.numbers.setdefault(key, len(self.found.worlds))
        if number == len(self.found.worlds):
            self.found.worlds.append(world)
            self.found.reached_from.append(reached_from)
        return number
