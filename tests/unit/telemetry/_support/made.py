"""Spans of a story, and what can be asked of them."""

from collections.abc import Iterable, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from saga_coordinator.handlers.records import Committed
from saga_coordinator.handlers.trace_context import parse
from saga_coordinator.service.telemetry.environment import scope
from saga_coordinator.service.telemetry.sdk_spans import readable
from saga_coordinator.service.telemetry.spans import SpanMaker

RESOURCE = Resource({"service.name": "saga-coordinator"})


def maker() -> SpanMaker:
    """What makes spans in these tests."""
    return SpanMaker("the-group")


def spans_of(turns: Iterable[Committed]) -> list[ReadableSpan]:
    """All spans of some transactions, as the SDK's."""
    return [readable(span, RESOURCE, scope()) for turn in turns for span in maker().spans(turn)]


def named(spans: Iterable[ReadableSpan], start: str) -> list[ReadableSpan]:
    """The spans whose name begins so."""
    return [span for span in spans if span.name.startswith(start)]


def own(span: ReadableSpan) -> SpanContext:
    """The context of a span."""
    context = span.get_span_context()
    assert context is not None
    return context


def ids(span: ReadableSpan) -> tuple[int, int]:
    """The trace and span id of a span."""
    return own(span).trace_id, own(span).span_id


def parent_ids(span: ReadableSpan) -> tuple[int, int] | None:
    """The trace and span id of a span's parent."""
    return None if span.parent is None else (span.parent.trace_id, span.parent.span_id)


def link_ids(span: ReadableSpan) -> list[tuple[int, int]]:
    """The trace and span ids of what a span is linked to."""
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def in_header(traceparent: str) -> tuple[int, int]:
    """The trace and span id of a header."""
    context = parse(traceparent)
    assert context is not None
    return int(context.trace_id, 16), int(context.span_id, 16)


def attribute(span: ReadableSpan, name: str) -> object:
    """An attribute of a span, None if it has not got it."""
    return (span.attributes or {}).get(name)


def of_order(spans: Iterable[ReadableSpan]) -> Sequence[ReadableSpan]:
    """The spans of instances: all but those of polls, which stand in traces of their own."""
    return [span for span in spans if not span.name.startswith("poll ")]
