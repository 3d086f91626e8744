"""Our spans as the SDK's, for its own exporters and its encoder."""

from collections.abc import Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, TraceFlags

from saga_coordinator.handlers import trace_context
from saga_coordinator.service.telemetry.spans import Span

_SAMPLED, _NOT_SAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)


class SdkExporter:
    """Exports spans by an exporter of the SDK, which encodes them itself."""

    def __init__(self, exporter: SpanExporter, resource: Resource, scope: InstrumentationScope) -> None:
        self._exporter = exporter
        self._resource = resource
        self._scope = scope

    def encode(self, span: Span) -> ReadableSpan:
        return readable(span, self._resource, self._scope)

    def export(self, spans: Sequence[ReadableSpan]) -> bool:
        return self._exporter.export(spans) is SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self._exporter.shutdown()


def readable(span: Span, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    """Return a span as the SDK's."""
    return ReadableSpan(
        span.template.name,
        _context(span.context),
        None if span.parent is None else _context(span.parent, is_remote=span.parent_is_remote),
        resource,
        span.attributes,
        [Event(each.name, each.attributes, each.at) for each in span.events],
        [Link(_context(each, is_remote=span.came_with_message)) for each in span.links],
        span.template.kind,
        status=span.status,
        start_time=span.began,
        end_time=span.ended,
        instrumentation_scope=scope,
    )


def _context(span: trace_context.SpanContext, *, is_remote: bool = False) -> SpanContext:
    flags = _SAMPLED if span.sampled else _NOT_SAMPLED
    return SpanContext(int(span.trace_id, 16), int(span.span_id, 16), is_remote, flags)
