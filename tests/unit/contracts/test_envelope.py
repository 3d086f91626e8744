"""What travels beside a message: CloudEvents, binary and structured, limits on headers, bad input (I41)."""

import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from saga_coordinator.contracts import BadEnvelope, Envelope
from saga_coordinator.contracts.envelope import MAX_HEADER_BYTES, MAX_HEADERS, read, write

WHOLE = Envelope(
    id="c-1",
    type="inventory.reserve-stock.v1",
    source="/saga-coordinator/order-fulfilment",
    time="2026-01-01T00:00:00Z",
    subject="o-1",
    correlation_id="i-1",
    causation_id="e-1",
    reply_to="saga.replies.v1",
    step="reserve-stock",
    direction="forward",
    attempt=2,
    compensates="c-0",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    tracestate="vendor=1",
)
LEAST = Envelope(id="e-1", type="orders.order-placed.v1", source="/shop")
HEADERS = {"ce_specversion": b"1.0", "ce_id": b"e-1", "ce_type": b"orders.order-placed.v1", "ce_source": b"/shop"}
STRUCTURED = (("content-type", b"application/cloudevents+json; charset=UTF-8"),)
EVENT = {"specversion": "1.0", "id": "e-1", "type": "orders.order-placed.v1", "source": "/shop", "data": {"a": 1}}

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
absent_or_text = st.none() | texts
envelopes = st.builds(
    Envelope,
    *[texts] * 3,
    *[absent_or_text] * 7,
    st.none() | st.integers(1, 999_999_999),
    *[absent_or_text] * 3,
)


def refused(headers: dict[str, bytes], value: bytes | None = b"{}") -> str:
    """Why a record with these headers is refused."""
    with pytest.raises(BadEnvelope) as caught:
        read(tuple(headers.items()), value)
    return str(caught.value)


def refused_event(**changes: object) -> str:
    """Why a structured event with these changes is refused; None takes an attribute away."""
    whole = {name: given for name, given in {**EVENT, **changes}.items() if given is not None}
    with pytest.raises(BadEnvelope) as caught:
        read(STRUCTURED, json.dumps(whole).encode())
    return str(caught.value)


# --- binary mode


def test_an_envelope_is_written_as_the_headers_of_binary_mode_each_once() -> None:
    headers = dict(write(WHOLE))

    assert len(headers) == len(write(WHOLE))
    assert headers == {
        "ce_specversion": b"1.0",
        "content-type": b"application/json",
        "ce_id": b"c-1",
        "ce_type": b"inventory.reserve-stock.v1",
        "ce_source": b"/saga-coordinator/order-fulfilment",
        "ce_time": b"2026-01-01T00:00:00Z",
        "ce_subject": b"o-1",
        "ce_correlationid": b"i-1",
        "ce_causationid": b"e-1",
        "ce_replyto": b"saga.replies.v1",
        "ce_sagastep": b"reserve-stock",
        "ce_sagadirection": b"forward",
        "ce_attempt": b"2",
        "ce_compensates": b"c-0",
        "traceparent": b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": b"vendor=1",
    }


def test_what_is_absent_is_left_out() -> None:
    assert [name for name, _ in write(LEAST)] == ["ce_specversion", "content-type", "ce_id", "ce_type", "ce_source"]


@given(envelopes)
def test_what_is_written_is_read_back(envelope: Envelope) -> None:
    assert read(write(envelope), b'{"a":1}') == (envelope, b'{"a":1}')


def test_the_value_comes_out_byte_for_byte() -> None:
    value = b' {"a" : 1.0, "a": "\xc3\xa9"}\n'

    assert read(write(LEAST), value)[1] == value


def test_the_last_of_several_equal_headers_wins() -> None:
    envelope, _ = read((*write(WHOLE), ("ce_id", b"c-9"), ("traceparent", b"last")), b"{}")

    assert (envelope.id, envelope.traceparent) == ("c-9", "last")


def test_a_header_without_a_value_is_as_good_as_none() -> None:
    assert read((*write(LEAST), ("ce_subject", None)), b"{}")[0] == LEAST


def test_headers_of_others_are_let_through_whatever_they_hold() -> None:
    others = (("id", b"x"), ("source", b"x"), ("retries", b"\x00\x00\x00\x01"), ("blob", b"\xff\xfe"))

    assert read((*write(LEAST), *others), b"{}")[0] == LEAST


def test_a_record_may_carry_any_other_content_type() -> None:
    assert read((*write(LEAST), ("content-type", b"application/vnd.shop+json")), b"{}")[0] == LEAST


@pytest.mark.parametrize("attempt", [b"", b"-1", b"two", b"1.0", "٣".encode(), b"9" * 5_000])
def test_an_attempt_that_is_no_count_is_as_good_as_none(attempt: bytes) -> None:
    assert read((*write(LEAST), ("ce_attempt", attempt)), b"{}")[0].attempt is None


# --- structured mode


def test_a_structured_event_is_read_too() -> None:
    extensions = {"correlationid": "i-1", "causationid": "c-1", "subject": "o-1", "attempt": 2}
    value = json.dumps({**EVENT, **extensions, "time": None}).encode()

    envelope, payload = read(STRUCTURED, value)

    assert envelope == structs.replace(LEAST, correlation_id="i-1", causation_id="c-1", subject="o-1", attempt=2)
    assert json.loads(payload) == {"a": 1}


def test_a_structured_event_may_carry_its_data_in_base64() -> None:
    value = {**EVENT, "data": None, "data_base64": base64.b64encode(b'{"b":2}').decode()}

    assert read(STRUCTURED, json.dumps(value).encode())[1] == b'{"b":2}'


def test_the_trace_of_a_structured_event_comes_from_its_attributes_else_from_the_headers() -> None:
    headers = (*STRUCTURED, ("traceparent", b"of the header"))

    assert read(headers, json.dumps(EVENT).encode())[0].traceparent == "of the header"
    value = json.dumps({**EVENT, "traceparent": "of the event"}).encode()
    assert read(headers, value)[0].traceparent == "of the event"


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("content-type", "Application/CloudEvents+JSON"),
        ("content-type", "application/cloudevents+json; charset=UTF-8"),
        ("content-type", ' application/cloudevents+json ;charset="utf-8"'),
        ("content-type", '"application/cloudevents+json"'),
        ("Content-Type", "application/cloudevents+json"),
        ("contentType", "application/cloudevents+json"),
        ("content_type", "application/cloudevents+json"),
    ],
)
def test_the_content_type_of_a_structured_event_may_be_written_in_any_way(name: str, content_type: str) -> None:
    assert read(((name, content_type.encode()),), json.dumps(EVENT).encode())[0] == LEAST


def test_data_that_are_null_are_as_good_as_none() -> None:
    in_base64 = {**EVENT, "data": None, "data_base64": base64.b64encode(b'{"b":2}').decode()}

    assert json.loads(read(STRUCTURED, json.dumps({**EVENT, "data_base64": None}).encode())[1]) == {"a": 1}
    assert read(STRUCTURED, json.dumps(in_base64).encode())[1] == b'{"b":2}'
    assert read(STRUCTURED, json.dumps({**EVENT, "data": None}).encode())[1] == b""


# --- bad input


def test_a_structured_event_with_data_twice_is_refused() -> None:
    assert refused_event(data_base64="e30=") == "attributes data and data_base64 are both there: send one of them"


@pytest.mark.parametrize("content_type", ["application/cloudevents+avro", "application/cloudevents"])
def test_a_structured_event_in_another_format_is_refused_by_its_name(content_type: str) -> None:
    assert refused({"content-type": content_type.encode()}, b"\0\0\0\0\7avro") == (
        f"content-type {content_type!r}: in structured mode only application/cloudevents+json is read"
    )


@pytest.mark.parametrize(
    ("value", "guess"),
    [
        (json.dumps({"specversion": "1.0", "id": "1"}).encode(), "its value looks like an event in structured mode"),
        (b'\xef\xbb\xbf{"a": 1}', "it begins with a byte order mark: send UTF-8 without one"),
        ('{"a": 1}'.encode("utf-16"), "it looks like UTF-16: send UTF-8"),
        ('{"a": 1}'.encode("utf-16-be"), "it looks like UTF-16: send UTF-8"),
        (b"\0\0\0\1\2\x06abc", "magic byte and schema id 258 of a schema registry: send plain JSON"),
        (b"\x1f\x8b\x08", "it looks like gzip"),
        (b"<order/>", "it looks like XML: send JSON"),
    ],
)
def test_what_is_no_event_is_refused_with_what_it_looks_like(value: bytes, guess: str) -> None:
    cause = refused({}, value)

    assert cause.startswith("header ce_specversion is missing")
    assert guess in cause


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type"])
def test_a_required_attribute_that_is_missing_or_empty_is_named(name: str) -> None:
    rest = {header: value for header, value in HEADERS.items() if header != f"ce_{name}"}

    reason = f"{name} is missing: CloudEvents 1.0 requires it on every message"
    assert refused(rest) == f"header ce_{reason}"
    assert refused({**rest, f"ce_{name}": b""}) == f"header ce_{reason}"
    assert refused_event(**{name: None}) == f"attribute {reason}"


def test_another_version_of_cloudevents_is_refused() -> None:
    reason = "specversion is '0.3': only \"1.0\" is understood"

    assert refused({**HEADERS, "ce_specversion": b"0.3"}) == f"header ce_{reason}"
    assert refused_event(specversion="0.3") == f"attribute {reason}"


@pytest.mark.parametrize("name", ["ce_id", "ce_subject", "content-type", "traceparent"])
def test_a_header_that_means_something_and_is_not_utf8_is_refused(name: str) -> None:
    assert refused({**HEADERS, name: b"\xff"}) == f"header {name}: not UTF-8; send it as UTF-8 text"


def test_a_nul_in_an_attribute_is_refused() -> None:
    reason = "header or attribute ce_subject: holds a NUL character; send plain text"

    assert refused({**HEADERS, "ce_subject": b"o\x001"}) == reason
    assert refused_event(subject="o\0001") == reason


def test_half_a_character_in_an_attribute_is_refused() -> None:
    assert refused_event(subject="\ud800") == (
        "an attribute holds half a character (a lone surrogate): send whole ones"
    )


def test_half_a_character_in_the_data_is_left_to_the_message_to_refuse() -> None:
    _, payload = read(STRUCTURED, json.dumps({**EVENT, "data": {"a": "\ud800"}}).encode())

    with pytest.raises(UnicodeDecodeError):
        payload.decode()


def test_a_record_without_a_value_is_refused() -> None:
    assert refused(HEADERS, None) == "the record has no value (a tombstone): send the message as JSON"


def test_a_batch_is_refused() -> None:
    assert refused({**HEADERS, "content-type": b"application/cloudevents-batch+json"}, b"[]") == (
        "content-type 'application/cloudevents-batch+json': a batch of CloudEvents; send each as a record of its own"
    )


@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5_000])
def test_a_structured_event_that_is_not_json_is_refused(value: bytes | None) -> None:
    with pytest.raises(BadEnvelope, match="the value of a structured CloudEvent is not JSON: "):
        read(STRUCTURED, value)


@pytest.mark.parametrize("value", [b"[]", b'"text"', b"null"])
def test_a_structured_event_that_is_no_object_is_refused(value: bytes) -> None:
    with pytest.raises(BadEnvelope, match="the value of a structured CloudEvent must be a JSON object"):
        read(STRUCTURED, value)


def test_a_structured_event_without_data_has_an_empty_payload() -> None:
    _, payload = read(STRUCTURED, json.dumps({name: EVENT[name] for name in EVENT if name != "data"}).encode())
    assert payload == b""


@pytest.mark.parametrize("data", ["!", "e3", "é", 5])
def test_data_that_are_no_base64_are_refused(data: object) -> None:
    assert refused_event(data=None, data_base64=data).startswith("attribute data_base64: ")


# --- limits


def test_so_many_headers_are_read_and_not_one_more() -> None:
    some = {**HEADERS, **{f"x-{number}": b"" for number in range(MAX_HEADERS - len(HEADERS))}}

    assert read(tuple(some.items()), b"{}")[0] == LEAST
    assert refused({**some, "x-last": b""}).startswith(f"{MAX_HEADERS + 1} headers of ")


def test_so_many_bytes_of_headers_are_read_and_not_one_more() -> None:
    room = MAX_HEADER_BYTES - sum(len(name) + len(value) for name, value in HEADERS.items()) - len("x")

    assert read(tuple({**HEADERS, "x": b"x" * room}.items()), b"{}")[0] == LEAST
    assert f"headers of {MAX_HEADER_BYTES + 1} bytes" in refused({**HEADERS, "x": b"x" * (room + 1)})


names = st.sampled_from([*HEADERS, "ce_attempt", "ce_correlationid", "content-type", "traceparent", "other"])
values = st.none() | st.binary(max_size=30) | st.sampled_from([b"1.0", b"application/cloudevents+json"])


@given(st.lists(st.tuples(names, values), max_size=12), st.none() | st.binary(max_size=60))
def test_whatever_a_record_holds_is_read_or_refused(
    headers: list[tuple[str, bytes | None]], value: bytes | None
) -> None:
    with suppress(BadEnvelope):
        envelope, payload = read(headers, value)
        assert all((envelope.id, envelope.type, envelope.source))
        assert isinstance(payload, bytes)
