"""The shop: places orders at a pace, receives their outcomes, and measures the time from the one to the other."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from confluent_kafka import TopicPartition

from saga_coordinator.service.demo.clients import DemoClient, FetchedRecord, Later, Properties, Warn, to_stderr
from saga_coordinator.service.demo.conversation import CONFIRMED, ORDERS, OUTCOMES, REJECTED
from saga_coordinator.service.demo.journal import Journal, ReceivedOutcome
from saga_coordinator.service.demo.orders import Mix, OrderMessage, extra_events, is_large, order_event, order_id
from saga_coordinator.service.percentile import percentile

_IDLE_WAIT_S: Final = 0.1
_MIN_WAIT_S: Final = 0.001
_ANSWER_LIMIT_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What to place, and how fast."""

    orders: int
    seed: int
    window: int = 400  # closed loop: so many orders are in flight, an outcome makes room for the next order
    per_s: float | None = None  # open loop instead: so many orders a second, whether or not they end
    mix: Mix = field(default_factory=Mix)
    patience_s: float = 60.0  # for the next outcome
    settle_s: float = 1.0  # for copies of outcomes, at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """The figures of one run of the shop."""

    orders: int
    completed: int
    compensated: int
    missing: int  # orders without an outcome
    duplicates_of_outcome: int  # copies under the same id; no fault
    second_outcomes: int  # under another id for the same order; must be 0
    seconds: float  # from the first order to the last outcome
    sagas_per_s: float  # outcomes a second in the steady part, see `steady_rate`
    p50_ms: float  # from order to outcome
    p99_ms: float


class Shop:
    """One run of a plan. `journal` holds what was placed and what came back."""

    def __init__(
        self,
        bootstrap_servers: str,
        plan: LoadPlan,
        *,
        on_placed: Callable[[str], None] | None = None,
        on_outcome: Callable[[ReceivedOutcome], None] | None = None,
        properties: Properties | None = None,
        warn: Warn = to_stderr,
    ) -> None:
        """Open the clients; the callbacks are called in the running thread with an order id, and with each outcome."""
        self.journal = Journal()
        self._plan = plan
        self._most = plan.orders
        self._on_placed = on_placed
        self._on_outcome = on_outcome
        self._warn = warn
        self._client = DemoClient(bootstrap_servers, f"demo-shop-{uuid4()}", properties or {}, warn)
        self._in_flight: dict[str, float] = {}
        self._latencies: list[float] = []
        self._finished_at: list[float] = []
        self._extras = Later[OrderMessage]()
        self._started = 0.0
        self._last_moved = 0.0

    def run(self, stop: threading.Event | None = None) -> LoadReport:
        """Place all orders and wait for their outcomes, until `stop` is set or no outcome comes for `patience_s`.

        Raises:
            RuntimeError: There is no topic for outcomes.
        """
        try:
            self._listen()
            self._started = self._last_moved = time.perf_counter()
            while self._is_running() and not (stop and stop.is_set()):
                self._place(self._orders_due())
                self._receive(self._client.fetch(self._wait_s()))
                self._client.producer.poll(0)
            self._wait_for_copies()
            return self._report()
        finally:
            self._client.close()

    def close(self) -> None:
        """Place no more orders: `run` returns when those that were placed have their outcomes."""
        self._most = len(self.journal.placed)

    @property
    def _left(self) -> int:
        """How many orders are still to be placed."""
        return max(0, self._most - len(self.journal.placed))

    def _listen(self) -> None:
        """Read all partitions from their present ends on: no outcome of an order of ours can be missed."""
        limit = time.monotonic() + self._plan.patience_s
        while True:
            topic = self._client.consumer.list_topics(OUTCOMES, timeout=_ANSWER_LIMIT_S).topics[OUTCOMES]
            if topic.error is None and topic.partitions:
                break
            if time.monotonic() > limit:
                raise RuntimeError(f"there is no topic {OUTCOMES} ({topic.error}): `saga topics apply` creates it")
            self._client.consumer.poll(_IDLE_WAIT_S)
        places = [TopicPartition(OUTCOMES, partition) for partition in topic.partitions]
        for place in places:
            place.offset = self._client.consumer.get_watermark_offsets(place, timeout=_ANSWER_LIMIT_S)[1]
        self._client.consumer.assign(places)

    def _is_running(self) -> bool:
        if not self._left and not self._in_flight and not any(self._extras):
            return False
        idle_s = time.perf_counter() - self._last_moved
        return idle_s < self._plan.patience_s or not self._in_flight

    def _orders_due(self) -> int:
        """Return how many orders to place now."""
        if self._plan.per_s is None:
            return min(self._left, self._plan.window - len(self._in_flight))
        due = 1 + int((time.perf_counter() - self._started) * self._plan.per_s)
        return min(self._left, due - len(self.journal.placed))

    def _wait_s(self) -> float:
        """Return for how long to receive before something is to be placed again."""
        wait = self._extras.wait_s(_IDLE_WAIT_S)
        if self._plan.per_s is not None and self._left:
            wait = min(wait, self._started + len(self.journal.placed) / self._plan.per_s - time.perf_counter())
        return max(_MIN_WAIT_S, wait)

    def _place(self, wanted: int) -> None:
        at = datetime.now(UTC).isoformat()
        for event in self._extras.due():
            self._send(event)
        for number in range(len(self.journal.placed), len(self.journal.placed) + wanted):
            self._place_one(number, at)

    def _place_one(self, number: int, at: str) -> None:
        """Place an order and its extra events; the first of these is sent now, the others later."""
        seed, mix, now = self._plan.seed, self._plan.mix, time.perf_counter()
        order = order_id(number, seed)
        self.journal.placed[order] = is_large(number, seed, mix)
        self._in_flight[order] = self._last_moved = now
        events = sorted([(0.0, order_event(number, seed, mix, at=at)), *extra_events(number, seed, mix, at=at)])
        for after_s, event in events:
            if after_s == events[0][0]:
                self._send(event)
            else:
                self._extras.put(after_s - events[0][0], event)
        if self._on_placed is not None:
            self._on_placed(order)

    def _send(self, event: OrderMessage) -> None:
        self._client.send(ORDERS, event.key, event.value, event.headers)

    def _receive(self, records: list[FetchedRecord]) -> None:
        now = time.perf_counter()
        for record in records:
            outcome = self._outcome(record)
            if outcome is None or outcome.order_id not in self.journal.placed:
                continue
            self.journal.outcomes.append(outcome)
            self._last_moved = now
            placed_at = self._in_flight.pop(outcome.order_id, None)
            if placed_at is not None:
                self._latencies.append(now - placed_at)
                self._finished_at.append(now)
            if self._on_outcome is not None:
                self._on_outcome(outcome)

    def _outcome(self, record: FetchedRecord) -> ReceivedOutcome | None:
        headers = {name: (value or b"").decode() for name, value in record.headers}
        kind, message_id = headers.get("ce_type", ""), headers.get("ce_id", "")
        if kind not in (CONFIRMED, REJECTED) or not message_id or not record.key:
            self._warn(f"the record at {record.topic}:{record.partition}:{record.offset} is no outcome: {headers}")
            return None
        return ReceivedOutcome(record.key.decode(), kind, message_id, (record.value or b"").decode())

    def _wait_for_copies(self) -> None:
        """Receive a little longer: a second outcome would come now."""
        until = time.perf_counter() + self._plan.settle_s
        while (left_s := until - time.perf_counter()) > 0:
            self._receive(self._client.fetch(min(left_s, _IDLE_WAIT_S)))

    def _report(self) -> LoadReport:
        outcomes = self.journal.outcomes
        distinct = {each.message_id for each in outcomes}
        verdicts = {each.order_id: each.type for each in reversed(outcomes)}
        latencies = sorted(self._latencies)
        window = self._plan.window if self._plan.per_s is None else 0
        return LoadReport(
            orders=len(self.journal.placed),
            completed=sum(verdict == CONFIRMED for verdict in verdicts.values()),
            compensated=sum(verdict == REJECTED for verdict in verdicts.values()),
            missing=len(self._in_flight),
            duplicates_of_outcome=len(outcomes) - len(distinct),
            second_outcomes=len(distinct) - len(verdicts),
            seconds=self._finished_at[-1] - self._started if self._finished_at else 0.0,
            sagas_per_s=steady_rate(self._finished_at, window),
            p50_ms=percentile(latencies, 50) * 1000,
            p99_ms=percentile(latencies, 99) * 1000,
        )


def steady_rate(finished_at: Sequence[float], window: int) -> float:
    """Return the rate of ascending times without the first and last `window`: at least a tenth, at most a third."""
    total = len(finished_at)
    skip = min(max(window, total // 10), total // 3)
    steady = finished_at[skip : total - skip]
    elapsed = steady[-1] - steady[0] if steady else 0.0
    return (len(steady) - 1) / elapsed if elapsed > 0 else 0.0
