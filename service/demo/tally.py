"""Counts what happens in the demo, as the coordinator, the participants and the shop tell it."""

import time
from collections import Counter, defaultdict, deque
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from saga_coordinator.handlers.records import Committed, TransitionRecord, Verdict
from saga_coordinator.handlers.routing import REPLIES
from saga_coordinator.sagas.machine import Direction, Send, Status
from saga_coordinator.service.demo import answering
from saga_coordinator.service.demo.conversation import CONFIRMED
from saga_coordinator.service.demo.journal import Outcome
from saga_coordinator.service.demo.notable_event import NotableEvent, notable_event, repeated_sends
from saga_coordinator.service.demo.story import HandledCommand, Stories
from saga_coordinator.service.telemetry.conventions import SCOPE, SERVICE_NAME
from saga_coordinator.service.telemetry.spans import SpanMaker

_MAX_EVENTS: Final = 30


class Tally:
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
        self._over: set[str] = set()
        self._maker = SpanMaker(Resource({SERVICE_NAME: "saga-demo"}), InstrumentationScope(SCOPE))

    @property
    def seconds(self) -> float:
        """How long the demo has been going."""
        return time.monotonic() - self.began

    def count(self) -> Counter[Status]:
        """Return how many instances are in each status."""
        return Counter(self.statuses.values())

    def committed(self, turn: Committed) -> None:
        """Count a committed transaction of the coordinator, and the spans that are made of it."""
        spans = list(self._maker.spans(turn))
        self.spans += len(spans)
        self.stories.add(turn.hops, spans)
        for hop in turn.hops:
            self._count(hop)
            told = notable_event(hop)
            if told is not None:
                self.notable_events.append((self.seconds, told))

    def on_error(self, what: str, error: BaseException) -> None:
        """Note what did not work and is tried again."""
        self.warn(f"{what}: {type(error).__name__}: {error}")

    def warn(self, sentence: str) -> None:
        """Note that something is wrong."""
        self.warnings.append(sentence)

    def on_command(self, hop: answering.Hop) -> None:
        """Note what a participant made of a command."""
        self.handled[hop.order_id].append(HandledCommand(time.time_ns(), hop))

    def on_order(self, order_id: str) -> None:
        """Note that the shop has placed an order."""
        self.placed[order_id] = time.time_ns()

    def on_outcome(self, outcome: Outcome) -> None:
        """Note that the shop has heard an outcome; the first one for an order ends its cycle."""
        if outcome.order_id not in self._over:
            self._over.add(outcome.order_id)
            status = Status.COMPLETED if outcome.type == CONFIRMED else Status.COMPENSATED
            self.cycles[status].append((time.time_ns() - self.placed[outcome.order_id]) / 1e9)

    @property
    def over(self) -> int:
        """How many orders have an outcome."""
        return len(self._over)

    def _count(self, hop: TransitionRecord) -> None:
        decision = hop.decision
        self.statuses[decision.instance.id] = decision.instance.status
        self.commands += len(decision.commands)
        self.replies += hop.record is not None and hop.record.place.topic == REPLIES
        self.sent_again += len(repeated_sends(hop))
        self.compensations += sum(_begins_undo(hop, send) for send in decision.commands)
        self.copies += hop.entry.verdict is Verdict.DUPLICATE


def _begins_undo(hop: TransitionRecord, send: Send) -> bool:
    """Say whether a command is the first one that undoes its step."""
    command_state = hop.decision.instance.steps[send.step].compensation
    return send.direction is Direction.COMPENSATION and command_state is not None and command_state.sendings == 1
