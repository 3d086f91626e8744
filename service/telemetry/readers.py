"""The readers of our metrics. The SDK has no observable histogram: these add ours to what it has collected.

Ours are cumulative, whatever OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE asks of the counters.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry

from saga_coordinator.service.telemetry.histogram import BOUNDS, Buckets, Durations
from saga_coordinator.service.telemetry.measures import Measures


class PrometheusReader(PrometheusMetricReader):
    """Hands everything to a registry of Prometheus, when it is scraped."""

    def __init__(self, registry: CollectorRegistry, durations: "DurationMetrics") -> None:
        self._durations = durations
        super().__init__(scope_info_enabled=False, registry=registry)

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> None:
        super()._receive_metrics(self._durations.added_to(metrics_data), timeout_millis, **kwargs)


class OtlpReader(PeriodicExportingMetricReader):
    """Exports everything by OTLP, every OTEL_METRIC_EXPORT_INTERVAL milliseconds, from a thread of its own."""

    def __init__(self, exporter: OTLPMetricExporter, durations: "DurationMetrics") -> None:
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
                "saga.duration", "From start to end of what is over", ("saga", "status"), measures.duration
            ),
            _HistogramMetric(
                "saga.step.duration",
                "From sending a command to its answer",
                ("saga", "step", "direction"),
                measures.step_duration,
            ),
            _HistogramMetric("saga.wake.late", "How late alarms rang", (), measures.timer_lag),
        )

    def added_to(self, collected: MetricsData) -> MetricsData:
        """Return what the SDK has collected, with our histograms among the metrics of our scope."""
        now = time.time_ns()
        ours = [metric for told in self._all if (metric := told.metric(self._since, now)).data.data_points]
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
    """One histogram: how it is called, and the durations that it tells."""

    name: str
    description: str
    labels: tuple[str, ...]
    durations: Durations

    def metric(self, since: int, now: int) -> Metric:
        """Return it as it is now."""
        points: Sequence[HistogramDataPoint] = [
            _point(dict(zip(self.labels, values, strict=True)), buckets, since, now)
            for values, buckets in self.durations.read()
        ]
        return Metric(self.name, self.description, "s", Histogram(points, AggregationTemporality.CUMULATIVE))


def _point(labels: dict[str, str], buckets: Buckets, since: int, now: int) -> HistogramDataPoint:
    return HistogramDataPoint(
        attributes=labels,
        start_time_unix_nano=since,
        time_unix_nano=now,
        count=sum(buckets.counts),
        sum=buckets.total,
        bucket_counts=buckets.counts,
        explicit_bounds=BOUNDS,
        min=buckets.minimum,
        max=buckets.maximum,
    )
