"""Spans on their way to a collector, off the event loop: a bounded queue of transactions, and a thread that empties it.

The loop only appends. The thread makes the spans, encodes and posts them. A slow or missing collector costs spans,
which are counted, and never anything else: traces are advisory.
"""

from collections import deque
from collections.abc import Iterator
from threading import Event, Thread

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from saga_coordinator.handlers.records import Committed
from saga_coordinator.service.telemetry.environment import BatchLimits
from saga_coordinator.service.telemetry.logs import RateLimit, logger
from saga_coordinator.service.telemetry.otlp import yielding
from saga_coordinator.service.telemetry.spans import SpanMaker


class SpanExport:
    """Exports the spans of committed transactions. `exported` and `dropped` count spans."""

    def __init__(self, maker: SpanMaker, exporter: SpanExporter, limits: BatchLimits) -> None:
        self.exported = 0
        self._maker = maker
        self._exporter = exporter
        self._limits = limits
        self._batches: deque[tuple[Committed, int]] = deque()
        self._offered = self._dequeued = 0
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
        """Queue a transaction, or count its spans as dropped if they do not fit. Never waits.

        A transaction that is larger than the whole queue is accepted when the queue is empty.
        """
        spans = sum(
            1 + len(transition.sent) for transition in committed.transitions if transition.placement.span.sampled
        )
        if spans == 0:
            return
        waiting = self._offered - self._dequeued
        if self._stopping.is_set() or (waiting and waiting + spans > self._limits.queue):
            self._refused += spans
            return
        self._offered += spans
        self._batches.append((committed, spans))

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
        self._lost += self._offered - self._dequeued
        self._batches.clear()

    def _run(self) -> None:
        """Export at intervals, and a last time when stopped."""
        while not self._stopping.wait(self._limits.delay):
            self._export_queue()
        self._export_queue()

    def _export_queue(self) -> None:
        batch: list[ReadableSpan] = []
        for span in yielding(self._spans()):
            batch.append(span)
            if len(batch) == self._limits.batch:
                self._deliver(batch)
                batch = []
        if batch:
            self._deliver(batch)

    def _spans(self) -> Iterator[ReadableSpan]:
        while self._batches:
            committed, spans = self._batches.popleft()
            self._dequeued += spans
            try:
                yield from self._maker.spans(committed)
            except Exception as error:  # noqa: BLE001  whatever it is, the next transaction is traced again
                self._lost += spans
                self._log_error("spans could not be made", error)

    def _deliver(self, batch: list[ReadableSpan]) -> None:
        try:
            delivered = self._exporter.export(batch) is SpanExportResult.SUCCESS
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
