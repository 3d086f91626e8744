"""What travels beside a message: CloudEvents 1.0 attributes as Kafka headers, and the saga's own extensions.

Binary mode is written; binary and structured mode are read (CloudEvents 1.0.2, Kafka protocol binding, section 3).
Trace context travels as plain `traceparent` and `tracestate` headers (W3C Trace Context), in structured mode also as
the attributes of CloudEvents' distributed tracing extension.
"""

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass

Headers = tuple[tuple[str, bytes], ...]

MOST_HEADERS = 64
MOST_HEADER_BYTES = 16 * 1024

_STRUCTURED = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch"
_REQUIRED = ("specversion", "id", "source", "type")


class BadEnvelope(ValueError):
    """A record that is no CloudEvent: the text says which attribute is wrong and what it must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """The attributes of one message. `time` is RFC 3339 text; ids are opaque text; None is absent.

    `correlation_id` is the instance's id, `causation_id` the id of the message that this one answers or follows from.
    `direction` is `forward` or `compensation`; `compensates` is the id of the command being undone.
    """

    id: str
    type: str
    source: str
    time: str | None = None
    subject: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    reply_to: str | None = None
    step: str | None = None
    direction: str | None = None
    attempt: int | None = None
    compensates: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None


def write(envelope: Envelope) -> Headers:
    """Return the record headers of binary mode, each name once."""
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", envelope.id.encode()),
        ("ce_source", envelope.source.encode()),
        ("ce_type", envelope.type.encode()),
        ("content-type", b"application/json"),
    ]
    for name, value in (
        ("ce_time", envelope.time),
        ("ce_subject", envelope.subject),
        ("ce_correlationid", envelope.correlation_id),
        ("ce_causationid", envelope.causation_id),
        ("ce_replyto", envelope.reply_to),
        ("ce_sagastep", envelope.step),
        ("ce_sagadirection", envelope.direction),
        ("ce_compensates", envelope.compensates),
        ("traceparent", envelope.traceparent),
        ("tracestate", envelope.tracestate),
    ):
        if value is not None:
            headers.append((name, value.encode()))
    if envelope.attempt is not None:
        headers.append(("ce_attempt", b"%d" % envelope.attempt))
    return tuple(headers)


def read(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> tuple[Envelope, bytes]:
    """Return the envelope of a record and the message's JSON bytes. The last of several equal headers wins.

    Raises `BadEnvelope` when the record is no CloudEvent, or goes beyond the limits on headers.
    """
    named = _decoded(headers)
    content_type = named.get("content-type", "").lower()
    if content_type.startswith(_BATCH):
        message = f"content-type {content_type!r}: a batch of CloudEvents in one record; send each as its own record"
        raise BadEnvelope(message)
    if content_type.startswith(_STRUCTURED):
        attributes, payload = _structured(value)
        attributes.setdefault("traceparent", named.get("traceparent"))
        attributes.setdefault("tracestate", named.get("tracestate"))
        return _envelope(attributes, "attribute "), payload
    binary: dict[str, str | None] = {name.removeprefix("ce_"): text for name, text in named.items()}
    if value is None:
        message = "the record has no value (a tombstone): send the message as JSON"
        raise BadEnvelope(message)
    return _envelope(binary, "header ce_"), value


def _decoded(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Decode all headers from UTF-8, the last of equal names winning."""
    named: dict[str, str] = {}
    size = count = 0
    for name, raw in headers:
        count += 1
        if raw is None:
            continue
        size += len(name) + len(raw)
        try:
            named[name] = raw.decode()
        except UnicodeDecodeError:
            if name.startswith("ce_") or name in {"content-type", "traceparent", "tracestate"}:
                message = f"header {name}: not UTF-8; send it as UTF-8 text"
                raise BadEnvelope(message) from None
    if count > MOST_HEADERS or size > MOST_HEADER_BYTES:
        message = f"{count} headers of {size} bytes; at most {MOST_HEADERS} and {MOST_HEADER_BYTES} bytes are read"
        raise BadEnvelope(message)
    return named


def _envelope(attributes: dict[str, str | None], where: str) -> Envelope:
    """Build the envelope, or say which required attribute is missing."""
    for name in _REQUIRED:
        if not attributes.get(name):
            message = f"{where}{name} is missing: CloudEvents 1.0 requires it on every message"
            raise BadEnvelope(message)
    get = attributes.get
    if get("specversion") != "1.0":
        message = f'{where}specversion is {get("specversion")!r}: only "1.0" is understood'
        raise BadEnvelope(message)
    attempt = get("attempt")
    return Envelope(
        id=attributes["id"] or "",
        type=attributes["type"] or "",
        source=attributes["source"] or "",
        time=get("time"),
        subject=get("subject"),
        correlation_id=get("correlationid"),
        causation_id=get("causationid"),
        reply_to=get("replyto"),
        step=get("sagastep"),
        direction=get("sagadirection"),
        attempt=int(attempt) if attempt and attempt.isascii() and attempt.isdigit() else None,
        compensates=get("compensates"),
        traceparent=get("traceparent"),
        tracestate=get("tracestate"),
    )


def _structured(value: bytes | None) -> tuple[dict[str, str | None], bytes]:
    """Split a structured-mode value into its attributes and the JSON bytes of its data."""
    try:
        whole = json.loads(value or b"")
    except (ValueError, RecursionError) as error:
        message = f"the value of a structured CloudEvent is not JSON: {error}"
        raise BadEnvelope(message) from None
    if not isinstance(whole, dict):
        message = "the value of a structured CloudEvent must be a JSON object"
        raise BadEnvelope(message)
    payload = _data(whole)
    attributes = {str(name): str(given) for name, given in whole.items() if given is not None}
    return dict(attributes), payload


def _data(whole: dict[str, object]) -> bytes:
    """Take the data out of a structured event, as JSON bytes."""
    if "data_base64" in whole:
        try:
            return base64.b64decode(str(whole.pop("data_base64")), validate=True)
        except binascii.Error as error:
            message = f"attribute data_base64: {error}; send the JSON object as data instead"
            raise BadEnvelope(message) from None
    if "data" not in whole:
        message = "attribute data is missing: the message itself stands there"
        raise BadEnvelope(message)
    return json.dumps(whole.pop("data"), separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")
