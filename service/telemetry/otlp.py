"""Spans in OTLP/HTTP, encoded by hand: what the SDK's encoder says, at a tenth of its cost.

A protobuf message is the concatenation of its fields in any order, so that a template is encoded once and copied.
Field numbers: opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto. It encodes the spans that
`spans.py` makes: attributes are text, integers, booleans or lists of text, and there is no trace state.
"""

import struct
from collections.abc import Sequence
from functools import lru_cache

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Status

from saga_coordinator.service.telemetry.environment import ExportKind, session
from saga_coordinator.service.telemetry.spans import MAX_TEMPLATES, OK, UNSET, Pairs, Span, SpanEvent, SpanTemplate

_LOCAL, _REMOTE = "00010000", "00030000"
"""Span flags in hex: whether the parent (or the linked span) is known to be remote, and whether it is."""

_TEXT = b"\x0a"

_TIME = struct.Struct("<BQ").pack
_TIMES = struct.Struct("<BQBQ").pack


class OtlpExporter:
    """Encodes spans, and posts them by the SDK's OTLP/HTTP exporter, with its endpoint, headers and retries."""

    def __init__(self, sdk: OTLPSpanExporter, resource: Resource, scope: InstrumentationScope) -> None:
        self._sdk = sdk
        self._encoder = SpanEncoder(resource, scope)

    def encode(self, span: Span) -> bytes:
        return self._encoder.span(span)

    def export(self, spans: Sequence[bytes]) -> bool:
        """Post encoded spans; blocks until the collector has answered, or for OTEL_EXPORTER_OTLP_TIMEOUT seconds."""
        return self._sdk._client.export(self._encoder.request(spans)).success  # noqa: SLF001  see `posts_bytes`

    def shutdown(self) -> None:
        self._sdk.shutdown()  # type: ignore[no-untyped-call]  # the SDK's own


def sdk_exporter() -> OTLPSpanExporter:
    """Return the SDK's exporter, as the OTEL_* variables configure it."""
    return OTLPSpanExporter(session=session(ExportKind.TRACES))


def posts_bytes(sdk: OTLPSpanExporter) -> bool:
    """Return whether an exporter of the installed SDK posts bytes as `OtlpExporter` expects."""
    return hasattr(sdk, "_client")


class SpanEncoder:
    """Encodes the spans of one resource and scope."""

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        self._resource, self._scope = _envelope(resource, scope)
        self._templates: dict[SpanTemplate, bytes] = {}
        self._shared: Pairs = ()
        self._encoded = b""

    def request(self, spans: Sequence[bytes]) -> bytes:
        """Return the request that exports encoded spans."""
        size = len(self._scope) + sum(map(len, spans))
        scope_spans = b"\x12" + _varint(size)
        size += len(self._resource) + len(scope_spans)
        return b"".join((b"\x0a", _varint(size), self._resource, scope_spans, self._scope, *spans))

    def span(self, span: Span) -> bytes:
        """Return a span as a field of ScopeSpans."""
        context, parent, links = span.context, span.parent, span.links
        linked = parent_is = _LOCAL
        if span.came_with_message:
            linked, parent_is = _REMOTE, _REMOTE if span.parent_is_remote else _LOCAL
        above = "" if parent is None else f"2208{parent.span_id}"
        ids = f"0a10{context.trace_id}1208{context.span_id}8501{parent_is}{above}"
        for link in links:
            ids += f"6a210a10{link.trace_id}1208{link.span_id}35{linked}"
        if span.shared is not self._shared:
            self._shared = span.shared
            self._encoded = b"".join([_attribute(b"\x4a", key, value) for key, value in span.shared])
        parts = [
            bytes.fromhex(ids),
            self._templates.get(span.template) or self._add(span.template),
            self._encoded,
            _TIMES(0x39, span.began, 0x41, span.ended),
        ]
        for key, value in span.own:
            parts.append(_attribute(b"\x4a", key, value))
        if span.events:
            parts += map(_event, span.events)
        parts.append(_STATUSES.get(span.status) or _status(span.status))
        body = b"".join(parts)
        return b"\x12" + _varint(len(body)) + body

    def _add(self, template: SpanTemplate) -> bytes:
        """Encode a template, and keep it. All are forgotten when there are too many."""
        if len(self._templates) >= MAX_TEMPLATES:
            self._templates.clear()
        attributes = b"".join(_attribute(b"\x4a", *item) for item in template.attributes.items())
        encoded = _field(b"\x2a", _text(template.name)) + b"\x30" + _varint(template.kind.value + 1) + attributes
        self._templates[template] = encoded
        return encoded


def _envelope(resource: Resource, scope: InstrumentationScope) -> tuple[bytes, bytes]:
    """Return resource and scope, each with its schema's URL, as the SDK encodes them."""
    span = ReadableSpan("", INVALID_SPAN_CONTEXT, resource=resource, instrumentation_scope=scope)
    (around,) = encode_spans([span]).resource_spans
    (inner,) = around.scope_spans
    inner.ClearField("spans")
    encoded = inner.SerializeToString()
    around.ClearField("scope_spans")
    return around.SerializeToString(), encoded


def _status(status: Status) -> bytes:
    description = _field(b"\x12", _text(status.description)) if status.description else b""
    return _field(b"\x7a", description + b"\x18" + _varint(status.status_code.value))


def _event(event: SpanEvent) -> bytes:
    attributes = b"".join(_attribute(b"\x1a", *item) for item in event.attributes.items())
    return _field(b"\x5a", _TIME(0x09, event.at) + _field(b"\x12", _text(event.name)) + attributes)


def _attribute(tag: bytes, key: str, value: object) -> bytes:
    """Return an attribute as a field. Most have the same length again: all before the value is cached by it."""
    if isinstance(value, str):
        text = value.encode("utf-8", "replace")
        return _before(tag, key, _TEXT, len(text)) + text
    encoded = _value(value)
    return _before(tag, key, b"", len(encoded)) + encoded


@lru_cache(MAX_TEMPLATES)
def _before(tag: bytes, key: str, kind: bytes, length: int) -> bytes:
    """Return an attribute without its value, which has so many bytes and stands at its end."""
    name, value = _key(key), kind and kind + _varint(length)
    value = b"\x12" + _varint(len(value) + length) + value
    return tag + _varint(len(name) + len(value) + length) + name + value


@lru_cache(MAX_TEMPLATES)
def _key(key: str) -> bytes:
    return _field(b"\x0a", _text(key))


def _value(value: object) -> bytes:
    match value:
        case str():
            return _field(_TEXT, _text(value))
        case bool():
            return b"\x10" + _varint(value)
        case int():
            return b"\x18" + _varint(value)
        case Sequence():
            return _field(b"\x2a", b"".join(_field(b"\x0a", _value(each)) for each in value))
        case _:
            raise TypeError(f"an attribute is text, a number, a truth or a list, not {value!r}: say it in one of these")


def _text(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _field(tag: bytes, body: bytes) -> bytes:
    """Return a length-delimited field."""
    return tag + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    """Return an integer in seven bits a byte, the lowest first; a negative one as its two's complement."""
    if 0 <= number < len(_SMALL):
        return _SMALL[number]
    number &= (1 << 64) - 1
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004  seven bits
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


_SMALL = tuple(bytes((number,)) for number in range(128)) + tuple(
    bytes((number & 0x7F | 0x80, number >> 7)) for number in range(128, 1024)
)

_STATUSES = {UNSET: b"\x7a\x00", OK: _status(OK)}
