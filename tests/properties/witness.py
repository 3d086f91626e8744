"""Who watches a world beside the machine: what was heard and sent up to each turn, and the order of the definition."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from contracts import Failure
from sagas.machine import Answer, Branch, Direction, Node, Parallel, Send, Status, Step, walk
from tests.properties.world import Turned, World

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION


class Witness:
    """What was heard and sent up to a turn, gathered turn by turn beside the machine."""

    def __init__(self, world: World, checks: Sequence[Callable[["Witness", Turned], None]]) -> None:
        self.world = world
        self.checks = checks
        self.saga = world.saga
        self.precedes = frozenset(precedences(world.saga.steps))
        self.contents: dict[str, Send] = {}
        self.last: dict[tuple[str, Direction], Send] = {}
        self.sendings: Counter[tuple[str, Direction]] = Counter()
        self.overtaken: Counter[str] = Counter()
        self.remembered: set[str] = set()
        self.failures: dict[str, Failure] = {}
        self.successes: set[str] = set()
        self.outcomes = 0

    def see(self, turned: Turned) -> None:
        """Check one turn, then take it in."""
        self._hear(turned)
        for check in self.checks:
            check(self, turned)
        for send in turned.decision.commands:
            self.contents[send.command_id] = send
            self.last[send.step, send.direction] = send
            self.sendings[send.step, send.direction] += 1
        self.outcomes += turned.decision.outcome is not None

    def _hear(self, turned: Turned) -> None:
        """Take in what was answered. What comes after its undo was sent changes no mind any more."""
        signal = turned.signal
        if not isinstance(signal, Answer):
            return
        if not isinstance(signal.reply, Failure):
            undo = next((send for send in self.last.values() if send.compensates == signal.command_id), None)
            is_active = turned.before is not None and turned.before.status is Status.COMPENSATING
            if undo and is_active and not self.is_answered(undo) and signal.command_id not in self.successes:
                self.overtaken[undo.step] += 1
            self.successes.add(signal.command_id)
        elif not self.is_undone(signal.command_id):
            self.failures.setdefault(signal.command_id, signal.reply)

    def is_undone(self, forward_id: str) -> bool:
        """Say whether an undo of this command was sent."""
        return any(send.compensates == forward_id for send in self.last.values())

    def forward_step_of(self, command_id: str) -> str | None:
        """The step whose last command forward has this id."""
        asked = [step for (step, way), send in self.last.items() if (way, send.command_id) == (FORWARD, command_id)]
        return asked[0] if asked else None

    def is_answered(self, undo: Send) -> bool:
        return undo.command_id in self.successes or undo.command_id in self.failures

    def allows(self, step: str, direction: Direction, sendings: int) -> bool:
        """Say whether a step may be sent so many times: an undo that was overtaken once more for each time."""
        rule = self.saga.table[step]
        retry = rule.retry if direction is FORWARD else rule.step.compensate_retry
        beside = self.overtaken[step] if direction is COMPENSATION else 0
        return retry.attempts is None or sendings <= retry.attempts + beside

    def is_acknowledged(self, step: str) -> bool:
        """Say whether the undo of a step was sent and carried out, as far as was heard."""
        undo = self.last.get((step, COMPENSATION))
        return undo is not None and undo.command_id in self.successes

    def may_be_done(self) -> list[str]:
        """The steps with a compensation whose last command was sent and not definitely refused."""
        return [
            step
            for (step, direction), send in self.last.items()
            if direction is FORWARD and self.saga.table[step].undo is not None and send.command_id not in self.failures
        ]

    @property
    def pivots_sent(self) -> list[Send]:
        return [s for (name, way), s in self.last.items() if way is FORWARD and self.saga.table[name].step.is_pivot]

    @property
    def is_past_pivot(self) -> bool:
        return any(send.command_id in self.successes for send in self.pivots_sent)


def _names(node: Node[Any]) -> list[str]:
    return [each.name for each in walk((node,)) if isinstance(each, Step)]


def way(nodes: tuple[Node[Any], ...], choices: Mapping[str, bool]) -> Iterator[str]:
    """The steps that an instance with these choices takes."""
    for node in nodes:
        match node:
            case Step():
                yield node.name
            case Parallel():
                yield from way(node.nodes, choices)
            case Branch():
                yield from way(node.nodes if choices[node.name] else node.otherwise, choices)


def precedences(nodes: tuple[Node[Any], ...]) -> set[tuple[str, str]]:
    """All pairs of steps of which the first must be over before the second begins."""
    pairs: set[tuple[str, str]] = set()
    before: list[str] = []
    for node in nodes:
        here = _names(node)
        pairs |= {(first, second) for first in before for second in here}
        before += here
        match node:
            case Step():
                pass
            case Parallel():
                for member in node.nodes:
                    pairs |= precedences((member,))
            case Branch():
                pairs |= precedences(node.nodes) | precedences(node.otherwise)
    return pairs
