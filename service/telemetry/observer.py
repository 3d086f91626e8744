"""Telemetry as handlers know it: one observer that traces, measures and tells what was committed."""

import asyncio
import concurrent.futures
from collections.abc import Callable
from functools import partial
from threading import Thread

from saga_coordinator.handlers.records import Committed
from saga_coordinator.handlers.trace_context import Sampler
from saga_coordinator.service.telemetry.environment import (
    Kind,
    batch_limits_from_environment,
    endpoint,
    resource_from_environment,
    scope,
    unsupported,
)
from saga_coordinator.service.telemetry.export import SpanExport
from saga_coordinator.service.telemetry.log_lines import LogLines
from saga_coordinator.service.telemetry.logs import logger
from saga_coordinator.service.telemetry.measures import Measures
from saga_coordinator.service.telemetry.metrics import Metrics
from saga_coordinator.service.telemetry.observers import Guard
from saga_coordinator.service.telemetry.otlp import FastSpanExporter
from saga_coordinator.service.telemetry.sampling import sampler_from_environment
from saga_coordinator.service.telemetry.spans import SpanMaker

STOP_TIMEOUT = 5.0


class Telemetry:
    """Watches for operators: traces, metrics and logs, as the OTEL_* variables ask. Neither waits nor raises.

    `sampler` decides which new traces are sampled, `measures` takes what only the loops know, and `metrics` is what
    Prometheus reads. `group` is the consumer group, as it stands on the spans. The log is configured before.
    """

    def __init__(self, group: str | None = None) -> None:
        resource = resource_from_environment()
        self.sampler: Sampler = sampler_from_environment()
        self.measures = Measures()
        self._export = _span_export(SpanMaker(resource, scope(), group))
        self.metrics = Metrics(self.measures, resource, scope(), self._dropped)
        self._log_lines = LogLines()
        self._guard = Guard()

    def start(self) -> None:
        """Begin to export, if a variable says where to."""
        for problem in unsupported():
            logger().warning(problem)
        if self._export is not None:
            logger().info("traces are exported", endpoint=endpoint(Kind.TRACES))
            self._export.start()

    async def stop(self, within: float = STOP_TIMEOUT) -> None:
        """Export what waits, for at most so many seconds, and give up what is left. Never raises."""
        works = [self.metrics.stop] if self._export is None else [self.metrics.stop, self._export.stop]
        try:
            async with asyncio.timeout(within):
                ended = await asyncio.gather(
                    *(_in_thread(partial(work, within * 0.9)) for work in works), return_exceptions=True
                )
        except TimeoutError:
            logger().warning("the last traces and metrics were not delivered in time", seconds=within)
            return
        for error in ended:
            if error is not None:
                logger().warning("the last traces and metrics were not delivered", error=repr(error))
        if self._dropped():
            logger().warning("spans were dropped", spans=self._dropped())

    def committed(self, turn: Committed) -> None:
        """Trace, count and tell what was committed."""
        self._guard.call(self.measures.committed, turn)
        self._guard.call(self._log_lines.committed, turn)
        if self._export is not None:
            self._guard.call(self._export.offer, turn)

    def on_error(self, what: str, error: BaseException) -> None:
        """Say that something did not work and will be tried again."""
        self._guard.call(self._log_lines.on_error, what, error)

    def _dropped(self) -> int:
        return 0 if self._export is None else self._export.dropped


def _span_export(maker: SpanMaker) -> SpanExport | None:
    """Return what exports spans, None if no variable says where to."""
    if endpoint(Kind.TRACES) is None:
        return None
    return SpanExport(maker, FastSpanExporter(maker.resource, maker.scope), batch_limits_from_environment())


def _in_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Run blocking work on a daemon thread: unlike one of the loop's executor, it keeps no process from its end."""
    outcome: concurrent.futures.Future[None] = concurrent.futures.Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  whoever waits for the outcome gets it
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    Thread(target=run, name="telemetry-stop", daemon=True).start()
    return asyncio.wrap_future(outcome)
