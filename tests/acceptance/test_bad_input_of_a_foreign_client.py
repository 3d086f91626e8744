"""Every row of "Bad input" in the documentation: unreadable records are dead-lettered, all else continues."""

import json
from collections.abc import Mapping
from typing import TypeAlias
from uuid import uuid4

import pytest

from tests.acceptance._support.claims import assert_nothing_else_was_said
from tests.acceptance._support.foreign_client import (
    CHARGE,
    CONFIRMED,
    NOTIFY,
    ORDERS,
    PLACED,
    RESERVE,
    SHIP,
    ForeignClient,
    Received,
    Sent,
    order_fields,
)
from tests.acceptance._support.processes import Serve

pytestmark = pytest.mark.kafka

USUAL = order_fields("bad-1")
NOWHERE = {"street": "s", "city": "c", "postcode": "p", "country": "DNK"}
NOTHING = {"sku": "kettle-1l", "quantity": 0, "unit_price": "19.95"}
Bad: TypeAlias = tuple[object, dict[str, str | None], str]
"""A value, headers that differ from the usual, and what the cause must name."""

BAD_EVENTS: Mapping[str, Bad] = {
    "not JSON": (b'{"order_id": "o', {}, "JSON"),
    "an empty value": (b"", {}, "JSON"),
    "no order_id": ({name: USUAL[name] for name in USUAL if name != "order_id"}, {}, "order_id"),
    "no currency": ({name: USUAL[name] for name in USUAL if name != "currency"}, {}, "currency"),
    "a total that is a number": (USUAL | {"total": 49.9}, {}, "total"),
    "a country of three letters": (USUAL | {"ship_to": NOWHERE}, {}, "country"),
    "a quantity of 0": (USUAL | {"lines": [NOTHING]}, {}, "quantity"),
    "no lines": (USUAL | {"lines": []}, {}, "lines"),
    "no id": (USUAL, {"ce_id": None}, "id is missing"),
    "no type": (USUAL, {"ce_type": None}, "type is missing"),
    "no CloudEvent at all": (b"hello", {"ce_id": None, "ce_type": None, "ce_specversion": None}, "missing"),
}


@pytest.mark.parametrize("wrong", BAD_EVENTS)
def test_an_unreadable_event_is_dead_lettered_with_its_cause(client: ForeignClient, serve: Serve, wrong: str) -> None:
    value, headers, cause = BAD_EVENTS[wrong]
    usual: dict[str, str | None] = {
        "ce_id": str(uuid4()),
        "ce_source": "/shop",
        "ce_type": PLACED,
        "x-of-the-shop": "kept as it is",
    }
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    sent = client.send(ORDERS, wrong, body, usual | headers)
    assert_is_dead_letter(client.dead(sent), sent, body, cause)
    verdict, reason = serve.explain(sent.place)
    assert verdict == "dead-lettered"
    assert cause in reason


@pytest.mark.parametrize("type_", ["orders.order-painted.v1", "saga.done.v1"])
def test_an_event_that_no_saga_wants_is_ignored(client: ForeignClient, serve: Serve, type_: str) -> None:
    order = f"behind {type_}"
    ignored = client.send(ORDERS, order, b"not JSON", {"ce_id": str(uuid4()), "ce_source": "/shop", "ce_type": type_})
    tombstone = client.send(ORDERS, order, None, {})
    client.place(order)
    fulfil(client, order)
    assert [serve.explain(sent.place)[0] for sent in (ignored, tombstone)] == ["ignored", "ignored"]


def test_the_partition_goes_on_behind_what_cannot_be_read(client: ForeignClient) -> None:
    order = "behind-1"
    sent = client.event(order, PLACED, b"not JSON")
    client.place(order)
    client.dead(sent)
    fulfil(client, order)


def test_a_reply_to_an_unknown_command_is_unmatched_and_nothing_else_happens(
    client: ForeignClient, serve: Serve
) -> None:
    order = "unmatched-1"
    client.place(order)
    charge = client.wait_for(order, CHARGE)
    unknown_command = client.answer(charge, ce_causationid=str(uuid4()))
    unknown_instance = client.answer(charge, ce_correlationid=str(uuid4()))
    for sent in (unknown_command, unknown_instance):
        verdict, reason = serve.explain(sent.place)
        assert verdict == "unmatched"
        assert reason
    fulfil(client, order)


BAD_REPLIES: Mapping[str, Bad] = {
    "without correlation": ({"charge_id": "C"}, {"ce_correlationid": None}, "ce_correlationid"),
    "without causation": ({"charge_id": "C"}, {"ce_causationid": None}, "ce_causationid"),
    "not JSON": (b"<charged/>", {}, "JSON"),
    "without its field": ({}, {}, "charge_id"),
    "of a type that answers something else": (
        {"tracking": "T"}, {"ce_type": "shipping.order-shipped.v1"}, "payments.card-charged.v1"),
    "of a type that answers nothing": ({}, {"ce_type": "payments.never-heard-of.v1"}, "payments.never-heard-of.v1"),
    "without an id": ({"charge_id": "C"}, {"ce_id": None}, "id is missing"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", BAD_REPLIES)
def test_an_unreadable_reply_is_dead_lettered_and_its_step_continues_to_wait(
    client: ForeignClient, serve: Serve, wrong: str
) -> None:
    value, headers, cause = BAD_REPLIES[wrong]
    order = f"reply {wrong}"
    client.place(order)
    charge = client.wait_for(order, CHARGE)
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    sent = client.reply(charge, "payments.card-charged.v1", body, **headers)
    assert_is_dead_letter(client.dead(sent), sent, body, cause)
    assert serve.explain(sent.place)[0] == "dead-lettered"
    fulfil(client, order)


def test_nothing_else_was_said(client: ForeignClient, serve: Serve) -> None:
    assert_nothing_else_was_said(client, serve)


def fulfil(client: ForeignClient, order: str) -> None:
    """Answer everything that an order still waits for, and see it confirmed by nothing more than it takes."""
    for type_ in (RESERVE, CHARGE, SHIP, NOTIFY):
        client.answer(client.wait_for(order, type_))
    client.wait_for(order, CONFIRMED)
    client.has_heard(order, RESERVE, CHARGE, SHIP, NOTIFY, CONFIRMED)


def assert_is_dead_letter(letter: Received, sent: Sent, value: bytes, cause: str) -> None:
    """A dead letter is its record byte for byte, with its place and the reason why it was dead-lettered."""
    headers = dict(letter.headers)
    topic, partition, offset = sent.place.rsplit(":", 2)
    assert letter.topic == f"{topic}-dlt"
    assert letter.value == value
    assert letter.headers[: len(sent.headers)] == sent.headers
    assert headers["kafka_dlt-original-topic"] == topic.encode()
    assert headers["kafka_dlt-original-partition"] == int(partition).to_bytes(4, "big")
    assert headers["kafka_dlt-original-offset"] == int(offset).to_bytes(8, "big")
    assert headers["kafka_dlt-original-timestamp-type"] == b"CreateTime"
    assert len(headers["kafka_dlt-original-timestamp"]) == 8
    assert headers["kafka_dlt-exception-fqcn"]
    assert cause in headers["kafka_dlt-exception-message"].decode()
