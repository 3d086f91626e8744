"""The measures as OpenTelemetry metrics, for Prometheus and, where an endpoint is set, by OTLP.

From them come the four measures of a saga (in PromQL, by rates over any range; `saga_duration_seconds` counts what is
over):

- completion rate: `saga_duration_seconds_count{status="completed"}` / `saga_duration_seconds_count`;
- cycle time: the quantiles of `saga_duration_seconds_bucket`; of one step, `saga_step_duration_seconds_bucket`;
- error rate: (`saga_duration_seconds_count{status="compensated"}` + `saga_stalled_total`) / all that is over;
- resource use: `process_cpu_time_seconds_total` / `saga_duration_seconds_count`.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from resource import getpagesize
from threading import Lock

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from saga_coordinator.service.telemetry.environment import Kind, endpoint
from saga_coordinator.service.telemetry.histogram import Labels
from saga_coordinator.service.telemetry.measures import Measures
from saga_coordinator.service.telemetry.readers import DurationMetrics, OtlpReader, PrometheusReader

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

_STATM = Path("/proc/self/statm")


class Metrics:
    """Lets the measures be read. `dropped` says how many spans were lost so far."""

    def __init__(
        self, measures: Measures, resource: Resource, scope: InstrumentationScope, dropped: Callable[[], int]
    ) -> None:
        self._registry = CollectorRegistry()
        self._one_at_a_time = Lock()
        durations = DurationMetrics(measures, scope)
        readers: list[MetricReader] = [PrometheusReader(self._registry, durations)]
        if endpoint(Kind.METRICS):
            readers.append(OtlpReader(OTLPMetricExporter(), durations))
        self._provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
        meter = self._provider.get_meter(scope.name, scope.version, scope.schema_url)
        for each in (*_counted(measures), *_of_process(), _lost(dropped)):
            meter.create_observable_counter(each.name, [each.observe], each.unit, each.description)
        for each in (*_gauged(measures), *_memory()):
            meter.create_observable_gauge(each.name, [each.observe], each.unit, each.description)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format, of type `CONTENT_TYPE`. Takes some milliseconds."""
        with self._one_at_a_time:
            return generate_latest(self._registry)

    def stop(self, within: float) -> None:
        """Export for a last time, for at most so many seconds. Blocks."""
        self._provider.shutdown(timeout_millis=within * 1000)


@dataclass(frozen=True, slots=True)
class _Instrument:
    """One metric: how it is called, and how its numbers are read by the values of its labels."""

    name: str
    unit: str
    description: str
    labels: tuple[str, ...]
    read: Callable[[], Mapping[Labels, float]]

    def observe(self, _options: CallbackOptions) -> Iterator[Observation]:
        """Yield every number; the mapping may grow meanwhile."""
        for values, number in tuple(self.read().items()):
            yield Observation(number, dict(zip(self.labels, values, strict=True)))


def _counted(measures: Measures) -> Iterable[_Instrument]:
    """Name what only grows."""
    return (
        _Instrument(
            "saga.transitions", "{signal}", "Signals that instances took, by what was made of them",
            ("saga", "signal", "verdict"), lambda: measures.transitions,
        ),
        _Instrument(
            "saga.rulings", "{record}", "Records that reached no instance", ("topic", "verdict"),
            lambda: measures.verdicts,
        ),
        _Instrument(
            "saga.compensations", "{compensation}", "Steps that began to be undone", ("saga", "step"),
            lambda: measures.compensations,
        ),
        _Instrument(
            "saga.stalled", "{instance}", "Instances that an operator had to decide on, by the step that failed",
            ("saga", "step"), lambda: measures.stalled,
        ),
        _Instrument(
            "saga.dead_letters", "{record}", "Records set aside: unreadable, or a saga failed on them", ("topic",),
            lambda: measures.dead_letters,
        ),
    )  # fmt: skip


def _gauged(measures: Measures) -> Iterable[_Instrument]:
    """Name what goes up and down."""
    return (
        _Instrument(
            "saga.instances", "{instance}", "Live instances", ("saga", "status"), lambda: measures.instances
        ),
        _Instrument(
            "saga.dead_letters.waiting", "{record}", "Dead letters that wait for somebody", (),
            lambda: {(): measures.set_aside.letters},
        ),
        _Instrument(
            "saga.parked", "{instance}", "Instances that are parked behind a record that failed", (),
            lambda: {(): measures.set_aside.parked},
        ),
        _Instrument(
            "saga.outbox.pending", "{message}", "Messages that are owed to Kafka", (),
            lambda: {(): measures.outbox.pending},
        ),
        _Instrument(
            "saga.outbox.age", "s", "Age of the oldest message that is owed", (), lambda: {(): measures.outbox.age}
        ),
        _Instrument(
            "saga.consumer.lag", "{record}", "Records that are not done yet", ("topic", "partition"),
            lambda: measures.lag,
        ),
    )  # fmt: skip


def _lost(dropped: Callable[[], int]) -> _Instrument:
    return _Instrument(
        "saga.spans.dropped", "{span}", "Spans that the collector never got", (), lambda: {(): dropped()}
    )


def _of_process() -> Iterable[_Instrument]:
    return (_Instrument("process.cpu.time", "s", "CPU time of this process", (), lambda: {(): time.process_time()}),)


def _memory() -> Iterable[_Instrument]:
    """Name the memory of this process, where the system tells it."""
    if not _STATM.exists():
        return ()
    page = getpagesize()
    return (
        _Instrument(
            "process.memory.usage", "By", "Memory of this process that is in RAM", (),
            lambda: {(): int(_STATM.read_text(encoding="ascii").split()[1]) * page},
        ),
    )  # fmt: skip
