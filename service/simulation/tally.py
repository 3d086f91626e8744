"""What a simulation counts while it runs: how each instance ended, and what was sent again, undone and given up."""

from collections import Counter
from dataclasses import dataclass, field

from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.machine import Direction, Send, Status


@dataclass(frozen=True, slots=True)
class Why:
    """What went wrong: a step (None: it concerns no single one), forward or in its compensation, and a code."""

    step: str | None
    direction: Direction
    code: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How one instance stood in the end, when it came to that, and why, where something went wrong."""

    status: Status
    began: int
    ended: int
    why: Why | None


@dataclass(slots=True)
class Tally:
    """Counts, by the names of steps; those of a `for_each` together."""

    endings: list[Ending] = field(default_factory=list)
    commands: Counter[str] = field(default_factory=Counter)
    compensations: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    """Asked again under a new id, after a failure that asking again can help."""
    repeats: Counter[str] = field(default_factory=Counter)
    """Sent again under the same id, after a timeout."""
    events: dict[str, Counter[str]] = field(default_factory=dict)
    """For each receive: came, held, unmatched."""
    raised: Counter[str] = field(default_factory=Counter)
    """What the saga's own functions have raised."""
    transitions: int = 0

    def sent(self, send: Send, *, is_repeated: bool) -> None:
        """Count a command that was sent."""
        step = leaf(send.step)
        if is_repeated:
            self.repeats[step] += 1
        elif send.attempt > 1:
            self.retries[step] += 1
        elif send.direction is Direction.COMPENSATION:
            self.compensations[step] += 1
        else:
            self.commands[step] += 1

    def happened(self, receive: str, what: str) -> None:
        """Count what became of an event."""
        self.events.setdefault(receive, Counter())[what] += 1
