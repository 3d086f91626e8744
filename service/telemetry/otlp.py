"""Spans in OTLP/HTTP, encoded by hand: the same bytes as the SDK's encoder, at a sixth of its cost.

A protobuf message is the concatenation of its fields, so that an attribute whose value repeats is encoded once and
copied. Field numbers: opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto. It encodes the spans that
`spans.py` makes: attributes are text, integers or lists of text, and there is no trace state.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from time import sleep
from typing import TypeVar

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanContext, SpanKind, Status

from saga_coordinator.service.telemetry.conventions import CACHED_ATTRIBUTES
from saga_coordinator.service.telemetry.environment import ExportKind, session

K = TypeVar("K")
T = TypeVar("T")
V = TypeVar("V")

MAX_CACHED = 4_096
ITEMS_BETWEEN_PAUSES = 40
PAUSE_SECONDS = 0.000_2

_LOCAL, _REMOTE = struct.pack("<I", 0x100), struct.pack("<I", 0x300)
"""Span flags: whether the parent (or the linked span) is known to be remote, and whether it is."""

_TIME = struct.Struct("<BQ").pack
_TIMES = struct.Struct("<BQBQ").pack


class FastSpanExporter(OTLPSpanExporter):
    """The SDK's OTLP/HTTP exporter, with its endpoint, headers and retries, but with our encoder.

    With an SDK whose exporter has another inner client, it is the SDK's exporter and nothing else.
    """

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        super().__init__(session=session(ExportKind.TRACES))
        self._encoder = SpanEncoder(resource, scope)
        self.is_fast = hasattr(self, "_client")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode and post; blocks until the collector has answered, or for OTEL_EXPORTER_OTLP_TIMEOUT seconds."""
        if not self.is_fast:
            return super().export(spans)
        body = self._encoder.request(yielding(map(self._encoder.span, spans)))
        return SpanExportResult.SUCCESS if self._client.export(body).success else SpanExportResult.FAILURE


class SpanEncoder:
    """Encodes the spans of one resource and scope."""

    def __init__(self, resource: Resource, scope: InstrumentationScope) -> None:
        self._resource, self._scope = _envelope(resource, scope)
        self._named: dict[str, tuple[SpanKind, bytes]] = {}
        self._attributes: dict[tuple[str, object], bytes] = {}

    def request(self, spans: Iterable[bytes]) -> bytes:
        scope_spans = b"".join((self._scope, *spans))
        return _field(b"\x0a", self._resource + _field(b"\x12", scope_spans))

    def span(self, span: ReadableSpan) -> bytes:
        """Return a span as a field of ScopeSpans."""
        parent = span.parent
        parts = [
            _ids(span.get_span_context() or INVALID_SPAN_CONTEXT),
            b"" if parent is None else b"\x22\x08" + parent.span_id.to_bytes(8, "big"),
            self._name(span.name, span.kind),
            _TIMES(0x39, span.start_time or 0, 0x41, span.end_time or 0),
        ]
        cache = self._attributes
        for item in (span.attributes or {}).items():
            if item[0] in CACHED_ATTRIBUTES:
                parts.append(cache.get(item) or _cache(cache, item, _field(b"\x4a", _attribute(*item))))
            else:
                parts.append(_field(b"\x4a", _attribute(*item)))
        parts += [_event(event) for event in span.events]
        parts += [_link(link) for link in span.links]
        parts += (_status(span.status), b"\x85\x01", _flags(parent))
        return _field(b"\x12", b"".join(parts))

    def _name(self, name: str, kind: SpanKind) -> bytes:
        """Return name and kind; spans of one name usually have one kind."""
        named = self._named.get(name)
        if named is None or named[0] is not kind:
            encoded = _field(b"\x2a", _text(name)) + b"\x30" + _varint(kind.value + 1)
            named = _cache(self._named, name, (kind, encoded))
        return named[1]


def _envelope(resource: Resource, scope: InstrumentationScope) -> tuple[bytes, bytes]:
    """Return resource and scope, each with its schema's URL, as the SDK encodes them."""
    span = ReadableSpan("", INVALID_SPAN_CONTEXT, resource=resource, instrumentation_scope=scope)
    (around,) = encode_spans([span]).resource_spans
    (inner,) = around.scope_spans
    inner.ClearField("spans")
    encoded = inner.SerializeToString()
    around.ClearField("scope_spans")
    return around.SerializeToString(), encoded


def _ids(context: SpanContext) -> bytes:
    return b"\x0a\x10" + context.trace_id.to_bytes(16, "big") + b"\x12\x08" + context.span_id.to_bytes(8, "big")


def _flags(context: SpanContext | None) -> bytes:
    return _REMOTE if context is not None and context.is_remote else _LOCAL


def _status(status: Status) -> bytes:
    if status.is_unset:
        return b"\x7a\x00"
    description = _field(b"\x12", _text(status.description)) if status.description else b""
    return _field(b"\x7a", description + b"\x18" + _varint(status.status_code.value))


def _event(event: Event) -> bytes:
    attributes = b"".join(_field(b"\x1a", _attribute(*item)) for item in (event.attributes or {}).items())
    return _field(b"\x5a", _TIME(0x09, event.timestamp) + _field(b"\x12", _text(event.name)) + attributes)


def _link(link: Link) -> bytes:
    return _field(b"\x6a", _ids(link.context) + b"\x35" + _flags(link.context))


def _attribute(key: str, value: object) -> bytes:
    return _key(key) + _field(b"\x12", _value(value))


@cache
def _key(key: str) -> bytes:
    return _field(b"\x0a", _text(key))


def _value(value: object) -> bytes:
    match value:
        case str():
            return _field(b"\x0a", _text(value))
        case int():
            return b"\x18" + _varint(value)
        case Sequence():
            return _field(b"\x2a", b"".join(_field(b"\x0a", _value(each)) for each in value))
        case _:
            raise TypeError(f"an attribute is text, an integer or a list, not {value!r}: say it in one of these")


def _text(text: str) -> bytes:
    return text.encode(errors="replace")


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


def _cache(cache: dict[K, V], key: K, encoded: V) -> V:
    """Cache an encoded value; clear the cache when it is full."""
    if len(cache) >= MAX_CACHED:
        cache.clear()
    cache[key] = encoded
    return encoded


def yielding(items: Iterable[T]) -> Iterator[T]:
    """Yield all items with short pauses, so that a thread leaves the interpreter's lock to the event loop.

    For work of some 10 us an item. Against a thread that never pauses the loop gets the lock only every 5 ms.
    """
    for number, item in enumerate(items, start=1):
        yield item
        if number % ITEMS_BETWEEN_PAUSES == 0:
            sleep(PAUSE_SECONDS)


_SMALL = tuple(bytes((number,)) for number in range(128)) + tuple(
    bytes((number & 0x7F | 0x80, number >> 7)) for number in range(128, 1024)
)
