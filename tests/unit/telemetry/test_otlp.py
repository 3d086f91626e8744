"""The lean encoder says what the SDK's encoder says, of any span that could be made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from saga_coordinator.service.telemetry import otlp
from saga_coordinator.service.telemetry.conventions import CACHED_ATTRIBUTES
from saga_coordinator.service.telemetry.environment import scope
from saga_coordinator.service.telemetry.otlp import FastSpanExporter, SpanEncoder
from tests.unit.telemetry._support.made import RESOURCE, spans_of
from tests.unit.telemetry._support.story import Story, declining, order_placed

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
TIME = st.integers(0, 2**63 - 1)
CONTEXTS = st.builds(SpanContext, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
NUMBERS = st.integers(-(2**63), 2**63 - 1)
COMING = st.dictionaries(st.sampled_from(sorted(CACHED_ATTRIBUTES)), TEXT | NUMBERS, max_size=8)
OTHERS = st.dictionaries(TEXT.filter(bool), TEXT | NUMBERS | st.lists(TEXT, max_size=3), max_size=4)
ATTRIBUTES = st.builds(lambda coming, others: {**others, **coming}, COMING, OTHERS)
STATUSES = st.sampled_from([Status(StatusCode.UNSET), Status(StatusCode.OK)]) | st.builds(
    Status, st.just(StatusCode.ERROR), TEXT
)


@st.composite
def spans(draw: st.DrawFn) -> ReadableSpan:
    """Any span of the kinds of values that ours are made of."""
    return ReadableSpan(
        draw(TEXT),
        draw(CONTEXTS),
        draw(st.none() | CONTEXTS),
        RESOURCE,
        draw(ATTRIBUTES),
        draw(st.lists(st.builds(Event, TEXT, ATTRIBUTES, TIME), max_size=2)),
        draw(st.lists(st.builds(Link, CONTEXTS), max_size=2)),
        draw(st.sampled_from(SpanKind)),
        status=draw(STATUSES),
        start_time=draw(TIME),
        end_time=draw(TIME),
        instrumentation_scope=scope(),
    )


@given(st.lists(spans(), min_size=1, max_size=4))
def test_it_says_what_the_sdk_says(given_spans: list[ReadableSpan]) -> None:
    encoder = SpanEncoder(RESOURCE, scope())

    twice = [encoder.request(map(encoder.span, given_spans)) for _ in range(2)]

    expected = encode_spans(given_spans)
    assert [ExportTraceServiceRequest.FromString(body) for body in twice] == [expected, expected]


def test_it_says_what_the_sdk_says_of_a_whole_story() -> None:
    story = Story()
    story.runs(*(order_placed(f"o-{number}") for number in range(5)), by=declining("ship-order"))
    made = spans_of(story.turns)
    encoder = SpanEncoder(RESOURCE, scope())

    assert ExportTraceServiceRequest.FromString(encoder.request(map(encoder.span, made))) == encode_spans(made)


def test_what_it_keeps_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "MAX_CACHED", 3)
    story = Story()
    story.runs(*(order_placed(f"o-{number}") for number in range(5)))
    made = spans_of(story.turns)
    encoder = SpanEncoder(RESOURCE, scope())

    assert ExportTraceServiceRequest.FromString(encoder.request(map(encoder.span, made))) == encode_spans(made)
    assert len(encoder._attributes) <= 3  # noqa: SLF001  nothing else shows it
    assert len(encoder._named) <= 3  # noqa: SLF001  nothing else shows it


def test_resource_and_scope_are_exported_with_their_schemas() -> None:
    resource = Resource({"service.name": "a", "many": ["b", "c"]}, "https://example.org/resource")
    named = InstrumentationScope("s", "1", "https://example.org/scope", {"k": 1})
    span = ReadableSpan("n", SpanContext(1, 1, is_remote=False), resource=resource, instrumentation_scope=named)
    encoder = SpanEncoder(resource, named)

    assert ExportTraceServiceRequest.FromString(encoder.request([])) == _without_spans(encode_spans([span]))


def _without_spans(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    request.resource_spans[0].scope_spans[0].ClearField("spans")
    return request


def test_text_that_is_no_unicode_is_no_reason_to_lose_a_span() -> None:
    encoder = SpanEncoder(RESOURCE, scope())
    span = ReadableSpan("half \ud800", SpanContext(1, 1, is_remote=False), start_time=1, end_time=1)

    request = ExportTraceServiceRequest.FromString(encoder.request([encoder.span(span)]))

    assert request.resource_spans[0].scope_spans[0].spans[0].name == "half ?"


def test_the_sdk_that_is_installed_lets_the_exporter_be_lean() -> None:
    exporter = FastSpanExporter(RESOURCE, scope())

    assert exporter.is_fast
    exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK's own
