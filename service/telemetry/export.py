"""Spans on their way to a collector: a bounded queue of encoded spans, and a thread that posts them.

The loop makes the spans and encodes them, for some 5 us each: a thread that does so beside the loop takes the
interpreter's lock from it again and again, and costs more than it spares. A slow or missing collector costs spans,
which are counted, and never anything else: traces are advisory.
"""

from collections import deque
from collections.abc import Sequence
from threading import Event, Thread
from typing import Generic, Protocol, TypeVar

from saga_coordinator.handlers.records import Committed
from saga_coordinator.service.telemetry.environment import BatchLimits
from saga_coordinator.service.telemetry.logs import RateLimit, logger
from saga_coordinator.service.telemetry.spans import Span, SpanMaker

T = TypeVar("T")


class Exporter(Protocol[T]):
    """Exports spans in a form of its own."""

    def encode(self, span: Span) -> T:
        """Return a span as it is queued. Called by the event loop."""

    def export(self, spans: Sequence[T]) -> bool:
        """Deliver spans, and return whether the collector has accepted them. Blocks."""

    def shutdown(self) -> None:
        """Deliver nothing more; a delivery that failed is not retried."""


class SpanExport(Generic[T]):
    """Exports the spans of committed transactions. `exported` and `dropped` count spans."""

    def __init__(self, maker: SpanMaker, exporter: Exporter[T], limits: BatchLimits) -> None:
        self.exported = 0
        self._maker = maker
        self._exporter = exporter
        self._limits = limits
        self._queue: deque[T] = deque()
        self._refused = self._lost = 0
        self._rate_limit = RateLimit()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="span-export", daemon=True)

    @property
    def dropped(self) -> int:
        """How many spans were not delivered: the queue was full, or the collector did not accept them."""
        return self._refused + self._lost

    def start(self) -> None:
        self._thread.start()

    def offer(self, committed: Committed) -> None:
        """Queue the spans of a transaction, or count them as dropped if they do not fit. Never waits.

        A transaction that is larger than the whole queue is accepted when the queue is empty.
        """
        spans = sum(
            1 + len(transition.sent) for transition in committed.transitions if transition.placement.span.sampled
        )
        if spans == 0:
            return
        waiting = len(self._queue)
        if self._stopping.is_set() or (waiting and waiting + spans > self._limits.queue):
            self._refused += spans
            return
        try:
            self._queue.extend([self._exporter.encode(span) for span in self._maker.spans(committed)])
        except Exception as error:  # noqa: BLE001  whatever it is, the next transaction is traced again
            self._refused += spans
            self._log_error("spans could not be made", error)

    def stop(self, within: float) -> None:
        """Deliver what is queued within so many seconds, and drop the rest. Blocks.

        After half of the time a failed delivery is not retried.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(within / 2)
        self._exporter.shutdown()
        if self._thread.is_alive():
            self._thread.join(within / 2)
        self._lost += len(self._queue)
        self._queue.clear()

    def _run(self) -> None:
        """Export at intervals, and a last time when stopped."""
        while not self._stopping.wait(self._limits.delay):
            self._export_queue()
        self._export_queue()

    def _export_queue(self) -> None:
        while self._queue:
            self._deliver([self._queue.popleft() for _ in range(min(self._limits.batch, len(self._queue)))])

    def _deliver(self, batch: Sequence[T]) -> None:
        try:
            delivered = self._exporter.export(batch)
        except Exception as error:  # noqa: BLE001  whatever it is, the next batch is tried again
            delivered = False
            self._log_error("spans could not be exported", error)
        if delivered:
            self.exported += len(batch)
        else:
            self._lost += len(batch)

    def _log_error(self, what: str, error: Exception) -> None:
        if self._rate_limit.suppressed(what) is not None:
            logger().error(what, exc_info=error)
