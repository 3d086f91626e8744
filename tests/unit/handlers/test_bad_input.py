"""Every case of "Bad input" in the documentation and more: the record is dead-lettered, and the rest continues."""

import json
from collections.abc import Callable

import pytest

from saga_coordinator.handlers.records import OutboxMessage, RawHeaders, Record
from saga_coordinator.service.storage.columns import to_headers
from tests.unit.handlers._support.coordinator import Coordinator
from tests.unit.handlers._support.order_log import (
    EVENTS,
    REPLIES,
    TIMESTAMP,
    Log,
    attributes,
    command_id,
    header,
    instance_id,
    placed_value,
)

PLACED = "orders.order-placed.v1"
RESERVED = "inventory.stock-reserved.v1"
STRUCTURED = (("content-type", b"application/cloudevents+json"),)


def event_headers(type_: str = PLACED, **changed: str) -> RawHeaders:
    """The headers of an event; an empty one is left out."""
    usual = attributes("m-1", type_, **changed)
    return tuple((name, raw) for name, raw in usual.items() if raw)


def structured(**changed: object) -> bytes:
    """An event in structured mode; changed attributes that are None are left out."""
    whole: dict[str, object] = {"specversion": "1.0", "id": "m-1", "source": "/test", "type": PLACED}
    whole |= {"data": json.loads(placed_value("o-1"))} | changed
    return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()


def nested(levels: int) -> object:
    """Lists in lists."""
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


BAD_EVENTS: dict[str, tuple[bytes | None, RawHeaders, str]] = {
    "not JSON": (b"{", event_headers(), "OrderPlaced: the value: Invalid JSON"),
    "with a byte order mark": (
        b"\xef\xbb\xbf" + placed_value("o-1"),
        event_headers(),
        "it begins with a byte order mark",
    ),
    "in UTF-16": (placed_value("o-1").decode().encode("utf-16"), event_headers(), "it looks like UTF-16: send UTF-8"),
    "of a schema registry": (b"\0\0\0\0\7" + placed_value("o-1"), event_headers(), "schema id 7 of a schema registry"),
    "empty": (b"", event_headers(), "orders.order-placed.v1 has no data: send the message itself as JSON"),
    "not UTF-8": (b'{"order_id": "\xff"}', event_headers(), "Invalid JSON"),
    "no object": (b'"o-1"', event_headers(), "OrderPlaced: the value: Input should be an object"),
    "a missing field": (placed_value("o-1", customer_id=None), event_headers(), "customer_id: Field required"),
    "no lines": (placed_value("o-1", lines=[]), event_headers(), "lines: Tuple should have at least 1 item"),
    "a quantity of 0": (
        placed_value("o-1", lines=[{"sku": "s", "quantity": 0, "unit_price": "1"}]),
        event_headers(),
        "lines.0.quantity: Input should be greater than or equal to 1",
    ),
    "a total that is a number": (
        placed_value("o-1", total=79.98),
        event_headers(),
        "total: must be a decimal",
    ),
    "a wrong currency": (
        placed_value("o-1", currency="euro"),
        event_headers(),
        "currency: String should match pattern",
    ),
    "lines that are all wrong": (
        placed_value("o-1", lines=[0] * 500),
        event_headers(),
        "values are wrong, too many to list",
    ),
    "an empty key": (placed_value(""), event_headers(), "order_id: String should have at least 1 character"),
    "a key twice": (b'{"order_id": "o-1", ' + placed_value("o-1")[1:], event_headers(), "key 'order_id' stands twice"),
    "a key twice, far inside": (
        placed_value("o-1", more=[{"a": {"b": 1, "c": 2}}]).replace(b'"c"', b'"b"'),
        event_headers(),
        "key 'b' stands twice in one object",
    ),
    "a key twice, once written otherwise": (
        placed_value("o-1", more={"b": 1, "c": 2}).replace(b'"c"', rb'"\u0062"'),
        event_headers(),
        "key 'b' stands twice in one object",
    ),
    "a NUL": (placed_value("o-1", customer_id="a\0"), event_headers(), "NUL character"),
    "a NUL in a key that means nothing": (placed_value("o-1", more={"a\0": 1}), event_headers(), "NUL character"),
    "a number of 100,000 digits": (
        placed_value("o-1", more="N").replace(b'"N"', b"9" * 100_000),
        event_headers(),
        "Invalid JSON: number out of range",
    ),
    "65 levels": (placed_value("o-1", more=nested(64)), event_headers(), "more than 64 levels"),
    "JSON too deep": (b"[" * 100_000, event_headers(), "Invalid JSON"),
    "a lone surrogate": (placed_value("o-1", customer_id="\ud800"), event_headers(), "Invalid JSON"),
    "no ce_type": (placed_value("o-1"), event_headers(""), "header ce_type is missing"),
    "no ce_id": (placed_value("o-1"), event_headers(ce_id=""), "header ce_id is missing"),
    "no ce_source": (placed_value("o-1"), event_headers(ce_source=""), "header ce_source is missing"),
    "no headers": (placed_value("o-1"), (), "header ce_specversion is missing"),
    "another CloudEvents": (placed_value("o-1"), event_headers(ce_specversion="0.3"), "header ce_specversion is '0.3'"),
    "a null ce_id": (placed_value("o-1"), (*event_headers(ce_id=""), ("ce_id", None)), "header ce_id is missing"),
    "a null header that is none of ours": (b"{", (*event_headers(), ("x", None), ("y", b"\xff")), "Invalid JSON"),
    "a ce_id that is not UTF-8": (
        placed_value("o-1"),
        (*event_headers(), ("ce_id", b"\xff")),
        "header ce_id: not UTF-8",
    ),
    "65 headers": (placed_value("o-1"), tuple(("x", b"") for _ in range(65)), "65 headers of 65 bytes"),
    "headers of 20 kB": (placed_value("o-1"), (*event_headers(), ("x", b"x" * 20_000)), "20"),
    "a NUL in ce_id": (placed_value("o-1"), event_headers(ce_id="m\0"), "ce_id: holds a NUL character"),
    "a batch of events": (b"[]", (("content-type", b"application/cloudevents-batch+json"),), "a batch of CloudEvents"),
    "structured, not JSON": (b"{", STRUCTURED, "structured CloudEvent is not JSON"),
    "structured, no object": (b"[]", STRUCTURED, "must be a JSON object"),
    "structured, an attribute twice": (structured()[:-1] + b', "id": "m-2"}', STRUCTURED, "key 'id' stands twice"),
    "structured, a key twice": (
        structured(data={"order_id": 1, "order_ie": 2}).replace(b"order_ie", b"order_id"),
        STRUCTURED,
        "key 'order_id' stands twice",
    ),
    "structured, a number of 5,000 digits": (
        structured(data={"a": "N"}).replace(b'"N"', b"9" * 5_000),
        STRUCTURED,
        "is not JSON: Exceeds the limit",
    ),
    "structured, too deep": (b"[" * 100_000, STRUCTURED, "structured CloudEvent is not JSON"),
    "structured, without id": (structured(id=None), STRUCTURED, "attribute id is missing"),
    "structured, without data": (structured(data=None), STRUCTURED, "orders.order-placed.v1 has no data"),
    "structured, base64 that is none": (structured(data=None, data_base64="!"), STRUCTURED, "data_base64"),
    "structured, base64 beyond ASCII": (structured(data=None, data_base64="é"), STRUCTURED, "ASCII"),
    "structured, a lone surrogate as id": (structured(id="\ud800"), STRUCTURED, "surrogate"),
    "structured, a lone surrogate in a name": (structured(**{"\ud800": "a\0"}), STRUCTURED, "lone surrogate"),
    "structured, a lone surrogate in another name": (structured(**{"\ud800": "a"}), STRUCTURED, "lone surrogate"),
    "structured, an id of 20 kB": (structured(id="x" * 20_000), STRUCTURED, "attributes of 20"),
}


@pytest.mark.parametrize("case", BAD_EVENTS)
async def test_a_bad_event_is_dead_lettered_and_the_partition_goes_on_i28(coordinator: Coordinator, case: str) -> None:
    value, headers, cause = BAD_EVENTS[case]
    log = Log()
    before, bad = log.placed("o-8"), log.record(EVENTS, "o-1", value, headers)
    await coordinator.take(before, bad, log.placed("o-9"))

    check_dead_letter(coordinator, bad, cause)
    assert (coordinator.status("o-8"), coordinator.status("o-9")) == ("running", "running")
    assert dict(coordinator.leases.offsets()) == {(EVENTS, 0): 3}
    assert coordinator.rows("SELECT count(*) FROM instance") == [(2,)]


async def test_a_bad_record_without_a_key_is_dead_lettered_too(coordinator: Coordinator) -> None:
    log = Log()
    bad = log.record(EVENTS, None, b"{", event_headers())
    await coordinator.take(bad)
    check_dead_letter(coordinator, bad, "Invalid JSON")


def in_structured_mode(log: Log, command: OutboxMessage, **changed: str) -> Record:
    """The right answer to a reserve-stock, but for its attributes."""
    usual = {"correlationid": header(command, "ce_correlationid"), "causationid": command.message_id}
    value = structured(type=RESERVED, data={"reservation_id": "R-1"}, **(usual | changed))
    return log.record(REPLIES, "o-1", value, STRUCTURED)


BAD_REPLIES: dict[str, tuple[Callable[[Log, OutboxMessage], Record], str]] = {
    "with an id that no column takes": (
        lambda log, command: in_structured_mode(log, command, id="\ud800"),
        "surrogate",
    ),
    "with a correlation id that no column takes": (
        lambda log, command: in_structured_mode(log, command, correlationid="\udfff"),
        "surrogate",
    ),
    "without ce_correlationid": (
        lambda log, command: log.answer(command, ce_correlationid=""),
        "header ce_correlationid is missing: a reply echoes the one of its command",
    ),
    "without ce_causationid": (
        lambda log, command: log.answer(command, ce_causationid=""),
        "header ce_causationid is missing: a reply carries its command's ce_id",
    ),
    "not JSON": (lambda log, command: log.reply(command, RESERVED, b"reserved!"), "StockReserved: the value: Invalid"),
    "a missing field": (lambda log, command: log.reply(command, RESERVED, b"{}"), "reservation_id: Field required"),
    "of the wrong type for its command": (
        lambda log, command: log.reply(command, "payments.card-charged.v1", b'{"charge_id": "C-1"}'),
        f"does not answer command {command_id('o-1', 'reserve-stock')}: it is answered with {RESERVED} or saga.failure",
    ),
    "done where a reply has content": (
        lambda log, command: log.reply(command, "saga.done.v1", b"{}"),
        f"ce_type 'saga.done.v1' does not answer command {command_id('o-1', 'reserve-stock')}",
    ),
    "of a type that nobody knows": (
        lambda log, command: log.reply(command, "inventory.stock-praised.v1", b"{}"),
        "ce_type 'inventory.stock-praised.v1' answers no command of any saga in the catalog",
    ),
    "a failure without its code": (
        lambda log, command: log.reply(command, "saga.failure.v1", b'{"message": "", "retryable": true}'),
        "Failure: code: Field required",
    ),
}


@pytest.mark.parametrize("case", BAD_REPLIES)
async def test_a_bad_reply_is_dead_lettered_and_its_step_goes_on_waiting_i28(
    coordinator: Coordinator, case: str
) -> None:
    make, cause = BAD_REPLIES[case]
    log = Log()
    await coordinator.take(log.placed())
    reserve, charge = coordinator.messages
    waiting = await coordinator.stored(instance_id("o-1"))
    bad = make(log, reserve)
    await coordinator.take(bad)
    check_dead_letter(coordinator, bad, cause)
    assert await coordinator.stored(instance_id("o-1")) == waiting

    await coordinator.take(log.answer(charge), log.answer(reserve))
    assert coordinator.types()[-1] == "shipping.ship-order.v1"


async def test_a_reply_with_an_unknown_causation_id_is_unmatched_and_nothing_else_happens(
    coordinator: Coordinator,
) -> None:
    log = Log()
    await coordinator.take(log.placed())
    before, sent = await coordinator.stored(instance_id("o-1")), len(coordinator.messages)
    stray = log.answer(coordinator.messages[0], ce_causationid="another-id")
    await coordinator.take(stray)

    assert coordinator.verdicts(stray.place) == [
        ("unmatched", f"unknown: no command another-id was sent by instance {instance_id('o-1')}")
    ]
    assert (await coordinator.stored(instance_id("o-1"))).instance == before.instance
    assert len(coordinator.messages) == sent
    assert coordinator.rows("SELECT value FROM history WHERE verdict = 'unmatched'") == [(stray.value,)]


async def test_a_reply_to_an_instance_that_is_not_there_is_unmatched_and_kept(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    stray = log.answer(coordinator.messages[0], ce_correlationid=instance_id("o-2"))
    await coordinator.take(stray)
    assert coordinator.verdicts(stray.place) == [
        ("unmatched", f"there is no instance {instance_id('o-2')} (ce_correlationid)")
    ]


@pytest.mark.parametrize("odd", ["", "'; DROP TABLE instance; --", "é", "x" * 4_000])
async def test_ids_of_any_text_are_taken_for_what_they_are(coordinator: Coordinator, odd: str) -> None:
    log = Log()
    await coordinator.take(log.placed())
    stray = log.answer(coordinator.messages[0], ce_correlationid=f"x{odd}", ce_causationid=f"x{odd}", ce_id=f"x{odd}")
    await coordinator.take(stray)
    assert coordinator.verdict(stray.place).verdict == "unmatched"


@pytest.mark.parametrize(
    "more", [("ce_attempt", b"9" * 5_000), ("x", b"\xff"), ("x", None), ("", b"\0"), ("ce_id", b"2")]
)
async def test_headers_that_mean_nothing_here_may_hold_what_they_like(
    coordinator: Coordinator, more: tuple[str, bytes | None]
) -> None:
    log = Log()
    await coordinator.take(log.record(EVENTS, "o-1", placed_value("o-1"), (*event_headers(), more)))
    assert coordinator.status() == "running"


@pytest.mark.parametrize(
    "value",
    [
        placed_value("o-1", more=nested(63)),
        placed_value("o-1", more=[{"a": 1}, {"a": 1}]),
        placed_value("o-1", more="N").replace(b'"N"', b"9" * 4_000),
        placed_value("o-1", more="N").replace(b'"N"', b"-1e99999"),
        placed_value("o-1", more='\\u0000 a quoted "a":1, "a":2'),
    ],
    ids=["64 levels", "like objects", "a number of 4,000 digits", "a number without end", "what looks like it"],
)
async def test_json_that_is_only_unusual_is_taken_i41(coordinator: Coordinator, value: bytes) -> None:
    log = Log()
    await coordinator.take(log.record(EVENTS, "o-1", value, event_headers()))
    assert coordinator.status() == "running"


async def test_the_last_of_equal_headers_counts_i41(coordinator: Coordinator) -> None:
    log = Log()
    headers = (("ce_type", b"nonsense"), ("ce_id", b"\xff"), *event_headers())
    await coordinator.take(log.record(EVENTS, "o-1", placed_value("o-1"), headers[:1] + headers[2:]))
    assert coordinator.status() == "running"


async def test_a_dead_letter_that_no_topic_would_take_is_kept_and_not_published_i28(coordinator: Coordinator) -> None:
    log = Log()
    large = log.record(EVENTS, "o-1", b"x" * 1_048_000, event_headers())
    wide = log.record(EVENTS, "o-1", b"x", (("wide", b"x" * 1_048_000),))
    await coordinator.take(large, wide)
    assert coordinator.rows("SELECT value FROM dead_letter") == [(large.value,), (wide.value,)]
    assert coordinator.messages == []


def check_dead_letter(it: Coordinator, bad: Record, cause: str) -> None:
    """One verdict, one row with the original bytes and the cause, one record as Spring would publish it."""
    verdict, reason = it.verdict(bad.place)
    assert verdict == "dead-lettered"
    assert cause in (reason or "")
    ((headers, *rest),) = it.rows("SELECT headers, timestamp, key, value FROM dead_letter")
    assert (to_headers(headers), rest) == (bad.headers, [TIMESTAMP, bad.key, bad.value])

    topic, partition, offset = bad.place
    (row,) = [row for row in it.messages if row.topic.endswith("-dlt")]
    assert (row.topic, row.key, row.value) == (f"{topic}-dlt", bad.key, bad.value)
    assert row.headers[: len(bad.headers)] == bad.headers
    assert row.headers[len(bad.headers) :] == (
        ("kafka_dlt-original-topic", topic.encode()),
        ("kafka_dlt-original-partition", partition.to_bytes(4, "big")),
        ("kafka_dlt-original-offset", offset.to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp", TIMESTAMP.to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp-type", b"CreateTime"),
        ("kafka_dlt-exception-fqcn", b"saga.coordinator.UnreadableRecord"),
        ("kafka_dlt-exception-message", (reason or "").encode()),
    )
    assert topic != REPLIES or header(row, "ce_id") == header(bad, "ce_id")
