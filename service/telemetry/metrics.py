"""The measures as OpenTelemetry metrics, for Prometheus and, where an endpoint is set, by OTLP.

The four measures of a saga follow from them (in PromQL, by rates over any range; `saga_duration_seconds` counts ended
instances):

- completion rate: `saga_duration_seconds_count{status="completed"}` / `saga_duration_seconds_count`;
- cycle time: the quantiles of `saga_duration_seconds_bucket`; of one step, `saga_step_duration_seconds_bucket`;
- error rate: `saga_duration_seconds_count{status="compensated"}` / `saga_duration_seconds_count`. An instance that
  stalls ends later, as one or the other: `saga_stalled_total` counts it beside that;
- resource use: `process_cpu_time_seconds_total` / `saga_duration_seconds_count`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from resource import getpagesize
from threading import Lock

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricReader,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from saga_coordinator.service.telemetry.environment import ExportKind, endpoint, session
from saga_coordinator.service.telemetry.measures import BOUNDS, Durations, Labels, Measures

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_STATM = Path("/proc/self/statm")


class Metrics:
    """Exports the measures. `dropped` returns how many spans were lost so far."""

    def __init__(
        self, measures: Measures, resource: Resource, scope: InstrumentationScope, dropped: Callable[[], int]
    ) -> None:
        self._registry = CollectorRegistry()
        self._one_at_a_time = Lock()
        durations = DurationMetrics(measures, scope)
        readers: list[MetricReader] = [PrometheusReader(self._registry, durations)]
        if endpoint(ExportKind.METRICS):  # only who exports pays for the import
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

            readers.append(OtlpReader(OTLPMetricExporter(session=session(ExportKind.METRICS)), durations))
        self._provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        meter = self._provider.get_meter(scope.name, scope.version, scope.schema_url)
        for each in _counters(measures, dropped):
            meter.create_observable_counter(each.name, [each.observe], each.unit, each.description)
        for each in (*_gauges(measures), *_gauges_of_database(measures)):
            meter.create_observable_gauge(each.name, [each.observe], each.unit, each.description)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format, of type `CONTENT_TYPE`. Takes some milliseconds."""
        with self._one_at_a_time:
            return generate_latest(self._registry)

    def stop(self, within: float) -> None:
        """Export a last time, within so many seconds. Blocks."""
        self._provider.shutdown(timeout_millis=within * 1000)


@dataclass(frozen=True, slots=True)
class _Instrument:
    """One metric, and how it is read: one number, or with `labels` numbers by their values."""

    name: str
    unit: str
    description: str
    read: Callable[[], float | Mapping[Labels, float]]
    labels: tuple[str, ...] = ()

    def observe(self, _options: CallbackOptions) -> Iterator[Observation]:
        """Yield all numbers; a mapping may grow meanwhile."""
        read = self.read()
        for values, number in tuple(read.items()) if isinstance(read, Mapping) else (((), read),):
            yield Observation(number, dict(zip(self.labels, values, strict=True)))


def _counters(of: Measures, dropped: Callable[[], int]) -> Iterable[_Instrument]:
    return (
        _Instrument(
            "saga.transitions", "{signal}", "Signals that instances received, by verdict", lambda: of.transitions,
            ("saga", "signal", "verdict"),
        ),
        _Instrument(
            "saga.record.verdicts", "{record}", "Records that reached no instance", lambda: of.verdicts,
            ("topic", "verdict"),
        ),
        _Instrument(
            "saga.compensations", "{compensation}", "Steps that began to be undone", lambda: of.compensations,
            ("saga", "step"),
        ),
        _Instrument(
            "saga.stalled", "{instance}", "Instances that need an operator, by the step that failed",
            lambda: of.stalled, ("saga", "step"),
        ),
        _Instrument(
            "saga.dead_letters", "{record}", "Records that are unreadable, or on which a saga failed",
            lambda: of.dead_letters, ("topic",),
        ),
        _Instrument("saga.spans.dropped", "{span}", "Spans that were not delivered to the collector", dropped),
        _Instrument("process.cpu.time", "s", "CPU time of this process", time.process_time),
    )  # fmt: skip


def _gauges(of: Measures) -> Iterable[_Instrument]:
    yield from (
        _Instrument("saga.instances", "{instance}", "Live instances", lambda: of.instances, ("saga", "status")),
        _Instrument(
            "saga.check.ok", "1", "Whether a check of readiness passes: 1 or 0", lambda: of.checks, ("check",)
        ),
        _Instrument(
            "saga.outbox.pending", "{message}", "Messages that are not published yet", lambda: of.outbox.pending
        ),
        _Instrument("saga.outbox.age", "s", "Age of the oldest unpublished message", lambda: of.outbox.age),
        _Instrument(
            "saga.partitions.stopped", "{partition}", "Partitions of which nothing is read before somebody acts",
            lambda: of.stopped_partitions,
        ),
        _Instrument(
            "saga.consumer.lag", "{record}", "Records that are not processed yet", lambda: of.lag,
            ("topic", "partition"),
        ),
    )  # fmt: skip
    if _STATM.exists():
        yield _Instrument("process.memory.usage", "By", "Memory of this process that is in RAM", _memory)


def _gauges_of_database(of: Measures) -> Iterable[_Instrument]:
    """Return the gauges of what is counted in the database."""
    of_step = ("saga", "step", "direction")
    return (
        _Instrument(
            "saga.paused", "{instance}", "Live instances that are paused",
            lambda: {(saga,): number for saga, number in of.counts.paused}, ("saga",),
        ),
        _Instrument(
            "saga.unreadable", "{instance}", "Instances that could not be read since the start",
            lambda: of.counts.unreadable,
        ),
        _Instrument(
            "saga.timers.overdue", "{instance}", "Instances whose timer has been due for more than 10 s",
            lambda: of.counts.overdue,
        ),
        _Instrument(
            "saga.commands.unanswered", "{command}", "Commands that were sent and have no reply",
            lambda: {each[:3]: each.number for each in of.counts.unanswered}, of_step,
        ),
        _Instrument(
            "saga.commands.unanswered.age", "s", "Since when the oldest command without a reply waits",
            lambda: of.unanswered_age, of_step,
        ),
        _Instrument(
            "saga.dead_letters.waiting", "{record}", "Dead letters that wait for an operator",
            lambda: of.counts.dead_letters,
        ),
        _Instrument(
            "saga.parked", "{instance}", "Instances that are parked behind a dead letter", lambda: of.counts.parked
        ),
        _Instrument("saga.database.size", "By", "Size of the database file", lambda: of.counts.database_bytes),
        _Instrument(
            "saga.database.wal.size", "By", "Size of the database's write-ahead log", lambda: of.counts.wal_bytes
        ),
    )  # fmt: skip


def _memory() -> float:
    return int(_STATM.read_text(encoding="ascii").split()[1]) * getpagesize()


# --- readers. The SDK has no observable histogram, so these add ours to what it has collected. Ours are cumulative,
# whatever OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE asks of the counters.


class PrometheusReader(PrometheusMetricReader):
    """Passes all metrics to a Prometheus registry when it is scraped."""

    def __init__(self, registry: CollectorRegistry, durations: "DurationMetrics") -> None:
        self._durations = durations
        super().__init__(scope_info_enabled=False, registry=registry)

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> None:
        super()._receive_metrics(self._durations.added_to(metrics_data), timeout_millis, **kwargs)


class OtlpReader(PeriodicExportingMetricReader):
    """Exports all metrics by OTLP, every OTEL_METRIC_EXPORT_INTERVAL milliseconds, on a thread of its own."""

    def __init__(self, exporter: MetricExporter, durations: "DurationMetrics") -> None:
        self._durations = durations
        super().__init__(exporter)

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> None:
        super()._receive_metrics(self._durations.added_to(metrics_data), timeout_millis, **kwargs)


class DurationMetrics:
    """Our histograms as metrics."""

    def __init__(self, measures: Measures, scope: InstrumentationScope) -> None:
        self._scope = scope
        self._since = time.time_ns()
        self._all = (
            _HistogramMetric(
                "saga.duration", "From start to end of an instance", ("saga", "status"), measures.duration
            ),
            _HistogramMetric(
                "saga.step.duration",
                "From sending a command to its reply",
                ("saga", "step", "direction"),
                measures.step_duration,
            ),
            _HistogramMetric("saga.timer.lag", "How late timers fired", (), measures.timer_lag),
        )

    def added_to(self, collected: MetricsData) -> MetricsData:
        """Return what the SDK has collected, with our histograms added to our scope."""
        now = time.time_ns()
        ours = [metric for each in self._all if (metric := each.metric(self._since, now)).data.data_points]
        return replace(
            collected,
            resource_metrics=[
                replace(
                    resource,
                    scope_metrics=[
                        replace(each, metrics=[*each.metrics, *ours]) if each.scope == self._scope else each
                        for each in resource.scope_metrics
                    ],
                )
                for resource in collected.resource_metrics
            ],
        )


@dataclass(frozen=True, slots=True)
class _HistogramMetric:
    """One histogram: its name and labels, and the durations that it exports."""

    name: str
    description: str
    labels: tuple[str, ...]
    durations: Durations

    def metric(self, since: int, now: int) -> Metric:
        points = [
            HistogramDataPoint(
                attributes=dict(zip(self.labels, values, strict=True)),
                start_time_unix_nano=since,
                time_unix_nano=now,
                count=sum(buckets.counts),
                sum=buckets.total,
                bucket_counts=buckets.counts,
                explicit_bounds=BOUNDS,
                min=min(buckets.minimum, buckets.maximum),
                max=buckets.maximum,
            )
            for values, buckets in self.durations.read()
        ]
        return Metric(self.name, self.description, "s", Histogram(points, AggregationTemporality.CUMULATIVE))
