"""Telemetry as an observer of the handlers: it traces, measures and logs what they commit."""

import asyncio
import concurrent.futures
from collections.abc import Callable
from functools import partial
from threading import Thread

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan

from saga_coordinator.handlers.ports import Lane, Observer
from saga_coordinator.handlers.records import Committed
from saga_coordinator.handlers.trace_context import Sampler
from saga_coordinator.service.telemetry.environment import (
    ExportKind,
    batch_limits_from_environment,
    endpoint,
    resource_from_environment,
    sampler_from_environment,
    scope,
    unsupported,
)
from saga_coordinator.service.telemetry.export import SpanExport
from saga_coordinator.service.telemetry.logs import LogLines, RateLimit, logger
from saga_coordinator.service.telemetry.measures import Measures
from saga_coordinator.service.telemetry.metrics import Metrics
from saga_coordinator.service.telemetry.sdk_spans import SdkExporter
from saga_coordinator.service.telemetry.spans import SpanMaker

STOP_TIMEOUT = 5.0


class Telemetry:
    """Traces, metrics and logs, as the OTEL_* variables configure them. Neither waits nor raises.

    `sampler` decides which new traces are sampled, `measures` has gauges to set, and Prometheus scrapes `metrics`.
    `group` is the consumer group that the spans name. The log is configured before.
    """

    def __init__(self, group: str | None = None) -> None:
        resource = resource_from_environment()
        self.sampler: Sampler = sampler_from_environment()
        self.measures = Measures()
        self._export = _span_export(SpanMaker(group), resource)
        self.metrics = Metrics(self.measures, resource, scope(), self._dropped)
        self._log_lines = LogLines()
        self._guard = ObserverGuard()

    def start(self) -> None:
        """Start to export traces, if a variable names an endpoint."""
        for problem in unsupported():
            logger().warning(problem)
        if self._export is not None:
            logger().info("traces are exported", endpoint=endpoint(ExportKind.TRACES))
            self._export.start()

    async def stop(self, within: float = STOP_TIMEOUT) -> None:
        """Export what is queued within so many seconds, and drop the rest. Never raises."""
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

    def on_commit(self, committed: Committed) -> None:
        self._guard.call(self.measures.on_commit, committed)
        self._guard.call(self._log_lines.on_commit, committed)
        if self._export is not None:
            self._guard.call(self._export.offer, committed)

    def on_error(self, what: str, error: BaseException) -> None:
        self._guard.call(self._log_lines.on_error, what, error)

    def on_stopped(self, at: Lane, reason: str) -> None:
        self._guard.call(self._log_lines.on_stopped, at, reason)

    def _dropped(self) -> int:
        return 0 if self._export is None else self._export.dropped


def _span_export(maker: SpanMaker, resource: Resource) -> SpanExport[bytes] | SpanExport[ReadableSpan] | None:
    """Return what exports spans, if a variable names an endpoint.

    With an SDK whose exporter posts bytes in another way, it encodes the spans itself.
    """
    if endpoint(ExportKind.TRACES) is None:
        return None
    from saga_coordinator.service.telemetry.otlp import (  # noqa: PLC0415  only who exports pays for it
        OtlpExporter,
        posts_bytes,
        sdk_exporter,
    )

    sdk, limits = sdk_exporter(), batch_limits_from_environment()
    if posts_bytes(sdk):
        return SpanExport(maker, OtlpExporter(sdk, resource, scope()), limits)
    return SpanExport(maker, SdkExporter(sdk, resource, scope()), limits)


def _in_thread(work: Callable[[], None]) -> asyncio.Future[None]:
    """Run blocking work on a daemon thread, which unlike the loop's executor does not keep the process alive."""
    outcome: concurrent.futures.Future[None] = concurrent.futures.Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  it is raised where the outcome is awaited
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    Thread(target=run, name="telemetry-stop", daemon=True).start()
    return asyncio.wrap_future(outcome)


class Observers:
    """Several observers as one, called in order: `Observers(telemetry, display)`."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers
        self._guard = ObserverGuard()

    def on_commit(self, committed: Committed) -> None:
        for each in self._observers:
            self._guard.call(each.on_commit, committed)

    def on_error(self, what: str, error: BaseException) -> None:
        for each in self._observers:
            self._guard.call(each.on_error, what, error)

    def on_stopped(self, at: Lane, reason: str) -> None:
        for each in self._observers:
            self._guard.call(each.on_stopped, at, reason)


class ObserverGuard:
    """Calls observers. What they raise is logged, and fails neither the coordinator nor the other observers."""

    def __init__(self) -> None:
        self._rate_limit = RateLimit()

    def call(self, listener: Callable[..., None], *arguments: object) -> None:
        """Call a listener; log what it raises, at most once a second."""
        try:
            listener(*arguments)
        except Exception as error:  # noqa: BLE001  whatever it is, the transaction is committed
            name = getattr(listener, "__qualname__", repr(listener))
            if self._rate_limit.suppressed(name) is not None:
                logger().error(f"{name} failed: this transaction is not traced, measured or shown", exc_info=error)
