"""The envelope of a message: CloudEvents 1.0 attributes as Kafka headers, and the saga's own extensions.

Binary mode is written; binary and structured mode are read (CloudEvents 1.0.2, Kafka protocol binding, section 3).
Trace context travels as plain `traceparent` and `tracestate` headers (W3C Trace Context), in structured mode also as
the attributes of CloudEvents' distributed tracing extension.
"""

import base64
import json
import re
from collections.abc import Iterator, Sequence

from msgspec import Struct, structs

from saga_coordinator.contracts.json_limits import unique_keys
from saga_coordinator.contracts.media_type import BATCH, CLOUDEVENTS, STRUCTURED, looks_like, media_type

Headers = tuple[tuple[str, bytes], ...]

MAX_HEADERS = 64
MAX_HEADER_BYTES = 16 * 1024

_NAMES = (
    "ce_id",
    "ce_type",
    "ce_source",
    "ce_time",
    "ce_subject",
    "ce_correlationid",
    "ce_causationid",
    "ce_replyto",
    "ce_sagastep",
    "ce_sagadirection",
    "ce_attempt",
    "ce_compensates",
    "traceparent",
    "tracestate",
)
"""The header of each field of `Envelope`, in its order."""

_FIXED = (("ce_specversion", b"1.0"), ("content-type", b"application/json"))
_TRACE = ("traceparent", "tracestate")
_ATTEMPT = re.compile(r"[0-9]{1,9}")
_MEANINGFUL = ("content-type", *_TRACE)


class BadEnvelope(ValueError):
    """A record that is no CloudEvent; the text names the wrong attribute and what it must be."""


class Envelope(Struct, frozen=True):
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
    """Return the record headers of binary mode, each name once, absent attributes left out."""
    named = zip(_NAMES, structs.astuple(envelope), strict=True)
    return (*_FIXED, *[(name, str(value).encode()) for name, value in named if value is not None])


def read(headers: Sequence[tuple[str, bytes | None]], value: bytes | None) -> tuple[Envelope, bytes]:
    """Return the envelope of a record and the message's JSON bytes. The last of several equal headers wins.

    Raises `BadEnvelope` when the record is no CloudEvent, or goes beyond the limits on headers.
    """
    named = _decoded(headers)
    content_type = media_type(named)
    if content_type.startswith(CLOUDEVENTS):
        _check_format(content_type)
        attributes, payload = _structured(value)
        envelope = _envelope(named | attributes, "attribute ")
        _check_size(envelope)
        return envelope, payload
    if value is None:
        raise BadEnvelope("the record has no value (a tombstone): send the message as JSON")
    try:
        return _envelope(named, "header ce_"), value
    except BadEnvelope as error:
        raise BadEnvelope(f"{error}{_hint(named, value)}") from None


def _check_format(content_type: str) -> None:
    """Refuse structured events in another format than JSON, and batches."""
    if content_type.startswith(BATCH):
        raise BadEnvelope(f"content-type {content_type!r}: a batch of CloudEvents; send each as a record of its own")
    if content_type != STRUCTURED:
        raise BadEnvelope(f"content-type {content_type!r}: in structured mode only {STRUCTURED} is read")


def _check_size(envelope: Envelope) -> None:
    """Refuse what could not be sent on: attributes in structured mode have no limit, but become headers again."""
    size = len("".join(map(str, structs.astuple(envelope))).encode())
    if size > MAX_HEADER_BYTES:
        raise BadEnvelope(f"attributes of {size} bytes: at most {MAX_HEADER_BYTES} are read")


def _hint(named: dict[str, str], value: bytes) -> str:
    """Return what a record without the attributes of an event looks like."""
    if any(name.startswith("ce_") for name in named):
        return ""
    if b'"specversion"' in value[:MAX_HEADER_BYTES]:
        return f"; its value looks like an event in structured mode: send content-type {STRUCTURED} with it"
    guess = looks_like(value)
    return f"; its value is no event in structured mode either: {guess}" if guess else ""


def _decoded(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    """Decode all headers from UTF-8, the last of equal names winning."""
    size = sum([len(name) + len(raw or b"") for name, raw in headers])
    if len(headers) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        limits = f"at most {MAX_HEADERS} of {MAX_HEADER_BYTES} bytes are read"
        raise BadEnvelope(f"{len(headers)} headers of {size} bytes: {limits}")
    try:
        return {name: raw.decode() for name, raw in headers if raw is not None}
    except UnicodeDecodeError:
        return dict(_decoded_text_headers(headers))


def _decoded_text_headers(headers: Sequence[tuple[str, bytes | None]]) -> Iterator[tuple[str, str]]:
    """Decode the headers that are UTF-8; only one with a meaning here must be."""
    for name, raw in headers:
        try:
            if raw is not None:
                yield name, raw.decode()
        except UnicodeDecodeError:
            if name.startswith("ce_") or name in _MEANINGFUL:
                raise BadEnvelope(f"header {name}: not UTF-8; send it as UTF-8 text") from None


def _envelope(named: dict[str, str], where: str) -> Envelope:
    """Build the envelope. Raises `BadEnvelope` for a missing attribute."""
    get = named.get
    id_, source, type_ = get("ce_id"), get("ce_source"), get("ce_type")
    if get("ce_specversion") != "1.0" or not (id_ and source and type_):
        raise BadEnvelope(_describe_missing(named, where))
    if "\0" in "".join(named.values()):
        _check_nul(named)
    attempt = get("ce_attempt", "")
    return Envelope(
        id_,
        type_,
        source,
        get("ce_time"),
        get("ce_subject"),
        get("ce_correlationid"),
        get("ce_causationid"),
        get("ce_replyto"),
        get("ce_sagastep"),
        get("ce_sagadirection"),
        int(attempt) if _ATTEMPT.fullmatch(attempt) else None,
        get("ce_compensates"),
        get("traceparent"),
        get("tracestate"),
    )


def _check_nul(named: dict[str, str]) -> None:
    """Refuse the one character that databases do not store; headers without a meaning here are not checked."""
    for name, text in named.items():
        if "\0" in text and name.startswith("ce_"):
            raise BadEnvelope(f"header or attribute {name}: holds a NUL character; send plain text")


def _describe_missing(named: dict[str, str], where: str) -> str:
    """Describe what is wrong with the required attributes."""
    for name in ("specversion", "id", "source", "type"):
        if not named.get(f"ce_{name}"):
            return f"{where}{name} is missing: CloudEvents 1.0 requires it on every message"
    return f'{where}specversion is {named["ce_specversion"]!r}: only "1.0" is understood'


def _structured(value: bytes | None) -> tuple[dict[str, str], bytes]:
    """Split a structured-mode value into its attributes and the JSON bytes of its data."""
    try:
        whole = json.loads(value or b"", object_pairs_hook=unique_keys)
    except (ValueError, RecursionError) as error:
        reason = looks_like(value) or error
        raise BadEnvelope(f"the value of a structured CloudEvent is not JSON: {reason}") from None
    if not isinstance(whole, dict):
        raise BadEnvelope("the value of a structured CloudEvent must be a JSON object")
    payload = _data(whole)
    attributes = {str(name): str(given) for name, given in whole.items() if given is not None}
    try:
        "".join((*attributes, *attributes.values())).encode()
    except UnicodeEncodeError:
        raise BadEnvelope("an attribute holds half a character (a lone surrogate): send whole ones") from None
    plain = {name: attributes.pop(name) for name in _TRACE if name in attributes}
    return {f"ce_{name}": given for name, given in attributes.items()} | plain, payload


def _data(whole: dict[str, object]) -> bytes:
    """Remove the data from a structured event, and return it as JSON bytes; none if it has no data."""
    data, encoded = whole.pop("data", None), whole.pop("data_base64", None)
    if data is not None and encoded is not None:
        raise BadEnvelope("attributes data and data_base64 are both there: send one of them")
    if encoded is not None:
        try:
            return base64.b64decode(str(encoded), validate=True)
        except ValueError as error:
            raise BadEnvelope(f"attribute data_base64: {error}; send the JSON object as data instead") from None
    if data is None:
        return b""
    return json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass")
