"""The lean encoder says what the SDK's encoder says, of any span that could be made."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanKind, Status, StatusCode

from saga_coordinator.handlers.trace_context import SpanContext
from saga_coordinator.service.telemetry import otlp
from saga_coordinator.service.telemetry import spans as making
from saga_coordinator.service.telemetry.environment import scope
from saga_coordinator.service.telemetry.otlp import SpanEncoder, posts_bytes
from saga_coordinator.service.telemetry.sdk_spans import readable
from saga_coordinator.service.telemetry.spans import Span, SpanEvent, SpanMaker, SpanTemplate
from tests.unit.telemetry._support.made import RESOURCE, maker
from tests.unit.telemetry._support.story import Story, declining, order_cancelled, order_placed

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
TIME = st.integers(0, 2**63 - 1)
CONTEXTS = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1).map(lambda number: f"{number:032x}"),
    st.integers(1, 2**64 - 1).map(lambda number: f"{number:016x}"),
    st.booleans(),
)
VALUES = TEXT | st.integers(-(2**63), 2**63 - 1) | st.booleans() | st.lists(TEXT, max_size=3)
ATTRIBUTES = st.dictionaries(TEXT.filter(bool), VALUES, max_size=6)
TEMPLATES = st.builds(SpanTemplate, TEXT, st.sampled_from(SpanKind), ATTRIBUTES)
STATUSES = st.sampled_from([Status(StatusCode.UNSET), Status(StatusCode.OK)]) | st.builds(
    Status, st.just(StatusCode.ERROR), TEXT
)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Any span of the kinds of values that ours are made of."""
    template, links = draw(TEMPLATES), draw(st.lists(CONTEXTS, max_size=3))
    more = [item for item in draw(ATTRIBUTES).items() if item[0] not in template.attributes]
    shared = draw(st.integers(0, len(more)))
    return Span(
        template,
        more[:shared],
        more[shared:],
        draw(CONTEXTS),
        draw(st.none() | CONTEXTS | st.sampled_from(links) if links else st.none() | CONTEXTS),
        draw(TIME),
        draw(TIME),
        links,
        draw(st.booleans()),
        draw(st.lists(st.builds(SpanEvent, TEXT, ATTRIBUTES, TIME), max_size=2)),
        draw(STATUSES),
    )


@given(st.lists(spans(), min_size=1, max_size=4))
def test_it_says_what_the_sdk_says(given_spans: list[Span]) -> None:
    encoder = SpanEncoder(RESOURCE, scope())

    twice = [encoder.request([encoder.span(span) for span in given_spans]) for _ in range(2)]

    expected = by_sdk(given_spans)
    assert [decoded(body) for body in twice] == [expected, expected]


@pytest.mark.parametrize("step", ["reserve-stock", "charge-card", "ship-order", "notify-customer"])
@pytest.mark.parametrize("traceparent", [None, f"00-{'12' * 16}-{'34' * 8}-01"])
def test_it_says_what_the_sdk_says_of_a_whole_story(step: str, traceparent: str | None) -> None:
    story = Story()
    story.runs(*(order_placed(f"o-{number}", traceparent) for number in range(5)), by=declining(step))
    story.takes(order_cancelled("o-1"), order_placed("o-2", traceparent))
    made = [span for turn in story.turns for span in maker().spans(turn)]
    encoder = SpanEncoder(RESOURCE, scope())

    assert decoded(encoder.request([encoder.span(span) for span in made])) == by_sdk(made)


def by_sdk(made: list[Span]) -> ExportTraceServiceRequest:
    """What the SDK says of spans."""
    return _sorted(encode_spans([readable(span, RESOURCE, scope()) for span in made]))


def decoded(body: bytes) -> ExportTraceServiceRequest:
    """What a collector reads."""
    return _sorted(ExportTraceServiceRequest.FromString(body))


def _sorted(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    """Sort the attributes of spans: their order says nothing."""
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.attributes.sort(key=lambda attribute: attribute.key)
    return request


def test_templates_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "MAX_TEMPLATES", 3)
    monkeypatch.setattr(making, "MAX_TEMPLATES", 3)
    story = Story()
    story.runs(*(order_placed(f"o-{number}") for number in range(5)))
    limited, encoder = SpanMaker(), SpanEncoder(RESOURCE, scope())
    made = [span for turn in story.turns for span in limited.spans(turn)]

    assert decoded(encoder.request([encoder.span(span) for span in made])) == by_sdk(made)
    assert len(encoder._templates) <= 3  # noqa: SLF001  nothing else shows it
    assert len(limited._templates) <= 3  # noqa: SLF001  nothing else shows it


def test_the_same_steps_of_other_instances_have_the_same_templates() -> None:
    story, one = Story(), maker()
    story.runs(*(order_placed(f"o-{number}") for number in range(5)))
    templates = [span.template for turn in story.turns for span in one.spans(turn)]

    assert len(set(templates)) < len(templates) / 3


def test_resource_and_scope_are_exported_with_their_schemas() -> None:
    resource = Resource({"service.name": "a", "many": ["b", "c"]}, "https://example.org/resource")
    named = InstrumentationScope("s", "1", "https://example.org/scope", {"k": 1})
    span = ReadableSpan("n", INVALID_SPAN_CONTEXT, resource=resource, instrumentation_scope=named)
    encoder = SpanEncoder(resource, named)

    assert ExportTraceServiceRequest.FromString(encoder.request([])) == _without_spans(encode_spans([span]))


def _without_spans(request: ExportTraceServiceRequest) -> ExportTraceServiceRequest:
    request.resource_spans[0].scope_spans[0].ClearField("spans")
    return request


def test_text_that_is_no_unicode_is_no_reason_to_lose_a_span() -> None:
    encoder = SpanEncoder(RESOURCE, scope())
    template = SpanTemplate("half \ud800", SpanKind.INTERNAL, {})
    span = Span(template, (), (), SpanContext("1" * 32, "1" * 16, sampled=True), None, 1, 1)

    request = ExportTraceServiceRequest.FromString(encoder.request([encoder.span(span)]))

    assert request.resource_spans[0].scope_spans[0].spans[0].name == "half ?"


def test_the_exporter_of_the_installed_sdk_posts_bytes() -> None:
    exporter = OTLPSpanExporter()

    assert posts_bytes(exporter)
    exporter.shutdown()  # type: ignore[no-untyped-call]  # the SDK's own
