"""Counts what happens in the demo, as the coordinator, the participants and the shop report it."""

import time
from collections import Counter, defaultdict, deque
from typing import Final

from saga_coordinator.handlers.names import DEFAULT_NAMES
from saga_coordinator.handlers.ports import Lane
from saga_coordinator.handlers.records import Committed, TransitionRecord, Verdict
from saga_coordinator.sagas.machine import Direction, Status
from saga_coordinator.service.demo.command_handler import HandledCommand
from saga_coordinator.service.demo.conversation import CONFIRMED
from saga_coordinator.service.demo.journal import ReceivedOutcome
from saga_coordinator.service.demo.notable_event import NotableEvent, notable_event, repeated_sends
from saga_coordinator.service.demo.story import Stories
from saga_coordinator.service.telemetry.spans import SpanMaker

_MAX_EVENTS: Final = 30


class DemoTally:
    """The figures of one demo. An observer of the coordinator; the other methods are called by other threads.

    Each figure is written by one thread only. Times are nanoseconds since 1970.
    """

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.phase = ""
        self.statuses: dict[str, Status] = {}
        self.commands = self.replies = self.spans = 0
        self.sent_again = self.compensations = self.copies = 0
        self.notable_events: deque[tuple[float, NotableEvent]] = deque(maxlen=_MAX_EVENTS)
        self.warnings: list[str] = []
        self.placed: dict[str, int] = {}
        self.cycles: defaultdict[Status, list[float]] = defaultdict(list)
        self.handled: defaultdict[str, list[HandledCommand]] = defaultdict(list)
        self.stories = Stories()
        self._ended: set[str] = set()
        self._maker = SpanMaker()

    @property
    def seconds(self) -> float:
        """Return the age of the demo."""
        return time.monotonic() - self.began

    @property
    def ended(self) -> int:
        """Return how many orders have an outcome."""
        return len(self._ended)

    def count(self) -> Counter[Status]:
        return Counter(self.statuses.values())

    def on_commit(self, turn: Committed) -> None:
        """Count a committed transaction of the coordinator, and the spans that are made of it."""
        spans = list(self._maker.spans(turn))
        self.spans += len(spans)
        self.stories.add(turn.transitions, spans)
        for transition in turn.transitions:
            self._count(transition)
            if (event := notable_event(transition)) is not None:
                self.notable_events.append((self.seconds, event))

    def on_error(self, what: str, error: BaseException) -> None:
        """Note an error after which the coordinator tries again."""
        self.warn(f"{what}: {type(error).__name__}: {error}")

    def on_stopped(self, at: Lane, reason: str) -> None:
        """Note that nothing more is read from a partition."""
        self.warn(f"{at[0]}:{at[1]} is stopped: {reason}")

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def on_command(self, command: HandledCommand) -> None:
        self.handled[command.order_id].append(command)

    def on_order(self, order_id: str) -> None:
        self.placed[order_id] = time.time_ns()

    def on_outcome(self, outcome: ReceivedOutcome) -> None:
        """Note that the shop has received an outcome; the first one for an order ends its cycle."""
        if outcome.order_id not in self._ended:
            self._ended.add(outcome.order_id)
            status = Status.COMPLETED if outcome.type == CONFIRMED else Status.COMPENSATED
            self.cycles[status].append((time.time_ns() - self.placed[outcome.order_id]) / 1e9)

    def _count(self, transition: TransitionRecord) -> None:
        decision = transition.decision
        self.statuses[decision.instance.id] = decision.instance.status
        self.commands += len(decision.commands)
        self.replies += transition.record is not None and transition.record.place.topic == DEFAULT_NAMES.replies
        self.sent_again += len(repeated_sends(transition))
        self.copies += transition.entry.verdict is Verdict.DUPLICATE
        for send in decision.commands:
            state = decision.instance.steps[send.step].compensation
            self.compensations += send.direction is Direction.COMPENSATION and state is not None and state.sendings == 1
