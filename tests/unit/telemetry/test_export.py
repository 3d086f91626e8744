"""Spans reach a real collector exactly as they were made; a slow or missing one costs spans and nothing else."""

from collections.abc import Iterable, Iterator, Sequence
from time import monotonic

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import Span as EncodedSpan
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from saga_coordinator.service.telemetry.environment import BatchLimits, scope
from saga_coordinator.service.telemetry.export import SpanExport
from saga_coordinator.service.telemetry.otlp import OtlpExporter, sdk_exporter
from saga_coordinator.service.telemetry.sdk_spans import SdkExporter
from saga_coordinator.service.telemetry.spans import Span, nanoseconds
from tests.unit.telemetry._support.collector import Collector, collecting
from tests.unit.telemetry._support.made import RESOURCE, maker, spans_of
from tests.unit.telemetry._support.story import Story, declining, order_placed

SOON = BatchLimits(delay=0.01)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


@pytest.fixture
def story() -> Story:
    story = Story()
    story.runs(*(order_placed(f"o-{number}") for number in range(20)), by=declining("ship-order"))
    return story


def exporting(limits: BatchLimits = SOON) -> SpanExport[bytes]:
    return SpanExport(maker(), OtlpExporter(sdk_exporter(), RESOURCE, scope()), limits)


def exporting_to(exporter: SpanExporter, limits: BatchLimits = SOON) -> SpanExport[ReadableSpan]:
    """Export by an exporter of the SDK."""
    return SpanExport(maker(), SdkExporter(exporter, RESOURCE, scope()), limits)


def sorted_attributes(spans: Iterable[EncodedSpan]) -> list[EncodedSpan]:
    """Return spans with their attributes in alphabetical order: the order that they have says nothing."""
    read = list(spans)
    for span in read:
        span.attributes.sort(key=lambda attribute: attribute.key)
    return read


def test_a_collector_receives_exactly_the_spans_that_were_made(collector: Collector, story: Story) -> None:
    export = exporting(BatchLimits(batch=100, delay=0.01))
    export.start()
    for turn in story.turns:
        export.offer(turn)
    export.stop(10)

    made = spans_of(story.turns)
    expected = encode_spans(made).resource_spans[0]

    assert sorted_attributes(collector.spans) == sorted_attributes(expected.scope_spans[0].spans)
    assert (export.exported, export.dropped) == (len(made), 0)
    assert len(collector.traces) > 1
    for request in collector.traces:
        assert request.resource_spans[0].resource == expected.resource
        assert request.resource_spans[0].scope_spans[0].scope == expected.scope_spans[0].scope
        assert len(request.resource_spans[0].scope_spans[0].spans) <= 100


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "socks5://127.0.0.1:1"])
def test_a_collector_on_this_machine_is_sent_its_spans_without_a_proxy(
    collector: Collector, story: Story, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy)
    export = exporting()
    export.start()
    export.offer(story.turns[0])
    export.stop(10)
    assert len(collector.spans) == export.exported > 0


def test_spans_go_out_while_the_coordinator_runs(collector: Collector, story: Story) -> None:
    export = exporting()
    export.start()
    export.offer(story.turns[0])

    collector.wait_for_requests(1)

    assert len(collector.spans) == len(spans_of(story.turns[:1]))
    export.stop(10)


def test_headers_and_compression_are_those_of_the_environment(
    collector: Collector, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key=open-sesame")
    export = exporting()
    export.start()
    export.offer(story.turns[0])
    export.stop(10)

    assert len(collector.spans) == len(spans_of(story.turns[:1]))
    assert collector.headers[0]["content-encoding"] == "gzip"
    assert collector.headers[0]["api-key"] == "open-sesame"
    assert collector.headers[0]["content-type"] == "application/x-protobuf"


def test_a_slow_collector_holds_up_neither_the_loop_nor_the_shutdown(collector: Collector, story: Story) -> None:
    collector.open.clear()
    export = exporting(BatchLimits(queue=500, batch=50, delay=0.01))
    export.start()
    export.offer(story.turns[0])
    collector.wait_for_requests(1)

    before = monotonic()
    for turn in story.turns * 20:
        export.offer(turn)
    offered = monotonic() - before
    export.stop(0.4)
    stopped = monotonic() - before - offered

    assert offered < 0.5
    assert stopped < 2
    assert export.exported == 0
    assert export.dropped > 500


def test_a_full_queue_drops_what_comes_and_counts_it(story: Story) -> None:
    turn = story.turns[0]
    offered = len([span for span in spans_of([turn]) if not span.name.startswith("poll ")])
    delivered = InMemorySpanExporter()
    export = exporting_to(delivered, BatchLimits(queue=2 * len(spans_of([turn])), delay=60))
    for _ in range(5):
        export.offer(turn)

    assert export.dropped == 3 * offered

    export.start()
    export.stop(10)

    assert len(delivered.get_finished_spans()) == export.exported == 2 * len(spans_of([turn]))
    assert export.dropped == 3 * offered


def test_a_collector_that_refuses_costs_spans(collector: Collector, story: Story) -> None:
    collector.status = 400
    export = exporting()
    export.start()
    export.offer(story.turns[0])
    export.stop(10)

    assert (export.exported, export.dropped) == (0, len(spans_of(story.turns[:1])))


def test_a_missing_collector_costs_spans_and_no_more_time_than_there_is(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as gone:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gone.url)
    export = exporting()
    export.start()
    export.offer(story.turns[0])

    before = monotonic()
    export.stop(1.0)

    assert monotonic() - before < 2
    assert (export.exported, export.dropped) == (0, len(spans_of(story.turns[:1])))


def test_what_nobody_starts_to_export_is_dropped_when_it_stops(story: Story) -> None:
    export = exporting_to(InMemorySpanExporter())
    export.offer(story.turns[0])
    export.stop(1)

    assert export.dropped > 0


def test_what_raises_once_does_not_end_the_export(story: Story) -> None:
    class Shaky(InMemorySpanExporter):
        fails = True

        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            if self.fails:
                self.fails = False
                raise OSError("the first time it fails")
            return super().export(spans)

    shaky = Shaky()
    export = exporting_to(shaky, BatchLimits(batch=30, delay=0.01))
    for turn in story.turns:
        export.offer(turn)
    export.start()
    export.stop(10)

    assert export.dropped == 30
    assert export.exported == len(shaky.get_finished_spans()) == len(spans_of(story.turns)) - 30


@pytest.mark.slow
def test_a_transaction_whose_spans_cannot_be_made_costs_its_own(story: Story) -> None:
    class Brittle(SdkExporter):
        def encode(self, span: Span) -> ReadableSpan:
            if span.began == nanoseconds(story.turns[1].began):
                raise TypeError("this one cannot be encoded")
            return super().encode(span)

    delivered = InMemorySpanExporter()
    export = SpanExport(maker(), Brittle(delivered, RESOURCE, scope()), SOON)
    for turn in story.turns[:3]:
        export.offer(turn)
    export.start()
    export.stop(10)

    expected = spans_of([story.turns[0], story.turns[2]])
    assert [span.name for span in delivered.get_finished_spans()] == [span.name for span in expected]
    assert export.dropped > 0


def test_a_transaction_larger_than_the_queue_has_it_for_itself(story: Story) -> None:
    delivered = InMemorySpanExporter()
    export = exporting_to(delivered, BatchLimits(queue=1, delay=60))
    export.offer(story.turns[0])
    export.offer(story.turns[1])
    export.start()
    export.stop(10)

    assert len(delivered.get_finished_spans()) == len(spans_of(story.turns[:1]))
    assert export.dropped > 0


def test_the_spans_of_an_unsampled_trace_take_no_room(story: Story) -> None:
    unsampled = Story(sampler=lambda _: False)
    unsampled.runs(*(order_placed(f"o-{number}") for number in range(20)))
    delivered = InMemorySpanExporter()
    export = exporting_to(delivered, BatchLimits(queue=1, delay=60))
    export.offer(story.turns[0])
    for turn in unsampled.turns:
        export.offer(turn)
    export.start()
    export.stop(10)

    assert export.dropped == 0
    assert len(delivered.get_finished_spans()) == len(spans_of(story.turns[:1]))
