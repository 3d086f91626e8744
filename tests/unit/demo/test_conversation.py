"""A participant reads commands and writes replies as the published page says, and notices when a command does not."""

import json

import pytest

from saga_coordinator.service.demo.conversation import (
    COMMANDS,
    DONE,
    Malformed,
    deviations,
    read_command,
    reply_headers,
    reply_with,
    wrong_value,
)
from tests.unit.demo._support.by_hand import TRACEPARENT, command, command_id, headers, topic, value

NAMES = sorted(kind.name for kind in COMMANDS.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_command_as_published_is_read_and_has_nothing_against_it(name: str) -> None:
    read = command(name, "o-1")

    assert (read.id, read.order_id, read.kind.name, read.reply_to) == (
        command_id(name, "o-1"),
        "o-1",
        name,
        "saga.replies.v1",
    )
    assert wrong_value(read) is None
    assert deviations(read) == []


@pytest.mark.parametrize("header", ["ce_id", "ce_type", "ce_replyto", "ce_correlationid"])
def test_a_record_that_lacks_what_an_answer_needs_is_no_command(header: str) -> None:
    fields = [(name, raw) for name, raw in headers("ship-order", "o-1").items() if name != header]

    read = read_command(topic("ship-order"), b"o-1", value("ship-order", "o-1"), fields)

    assert isinstance(read, Malformed)
    assert header.removeprefix("ce_") in read.reason


def test_a_command_on_the_topic_of_another_participant_is_no_command() -> None:
    fields = list(headers("ship-order", "o-1").items())

    read = read_command("payments.commands.v1", b"o-1", value("ship-order", "o-1"), fields)

    assert isinstance(read, Malformed)
    assert "shipping.ship-order.v1" in read.reason


def test_only_an_undo_names_the_command_that_it_undoes() -> None:
    fields = [(name, raw) for name, raw in headers("refund-card", "o-1").items() if name != "ce_compensates"]

    assert isinstance(read_command(topic("refund-card"), b"o-1", value("refund-card", "o-1"), fields), Malformed)


def test_of_a_header_that_stands_there_twice_the_last_one_wins() -> None:
    fields = [("ce_id", b"another"), *headers("ship-order", "o-1").items()]

    read = read_command(topic("ship-order"), b"o-1", value("ship-order", "o-1"), fields)

    assert not isinstance(read, Malformed)
    assert read.id == command_id("ship-order", "o-1")


@pytest.mark.parametrize(
    ("name", "changed", "warning"),
    [
        ("reserve-stock", {"lines": []}, "lines"),
        ("reserve-stock", {"lines": [{"sku": "a", "quantity": 0, "unit_price": "1.00"}]}, "lines"),
        ("charge-card", {"amount": 79.98}, "amount"),
        ("release-stock", {"reservation_id": ""}, "reservation_id"),
        ("ship-order", {"ship_to": {"street": "a", "city": "b", "postcode": "c"}}, "ship_to"),
        ("notify-customer", {"tracking": None}, "tracking"),
        ("notify-customer", {"order_id": "o-2"}, "record key"),
    ],
)
def test_a_missing_or_wrong_field_is_named(name: str, changed: dict[str, object], warning: str) -> None:
    read = command(name, "o-1", attempt=1, **changed)

    assert warning in (wrong_value(read) or "")


@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        ("ce_source", b"/elsewhere"),
        ("ce_subject", b"o-2"),
        ("ce_sagadirection", b"backward"),
        ("ce_correlationid", b"o-1"),
        ("ce_id", b"4b6f1d5e-0000-4000-8000-000000000000"),
        ("traceparent", b""),
    ],
)
def test_a_header_that_differs_from_the_page_is_named(header: str, wrong: bytes) -> None:
    fields = headers("ship-order", "o-1") | {header: wrong}
    read = read_command(topic("ship-order"), b"o-1", value("ship-order", "o-1"), list(fields.items()))

    assert not isinstance(read, Malformed)
    found = deviations(read)
    assert len(found) == 1
    assert header in found[0]


def test_a_later_attempt_has_its_own_derived_id_i9() -> None:
    assert command("charge-card", "o-1", attempt=3).id == command_id("charge-card", "o-1", attempt=3)
    assert deviations(command("charge-card", "o-1", attempt=3)) == []


def test_a_copy_in_another_trace_is_the_same_content_and_one_with_another_value_is_not_i6() -> None:
    first = command("charge-card", "o-1")
    fields = headers("charge-card", "o-1") | {"traceparent": TRACEPARENT[:-2] + b"00", "ce_time": b"later"}
    copy = read_command(topic("charge-card"), b"o-1", value("charge-card", "o-1"), list(fields.items()))

    assert not isinstance(copy, Malformed)
    assert copy.fingerprint == first.fingerprint
    assert command("charge-card", "o-1", amount="80.00").fingerprint != first.fingerprint


def test_a_reply_echoes_correlation_and_trace_and_carries_the_commands_id() -> None:
    asked = command("reserve-stock", "o-1")
    reply = reply_with(asked.kind, "inventory-1")

    fields = dict(reply_headers(asked, reply, "re-1", at="2026-01-01T12:00:01Z"))

    assert fields == {
        "ce_specversion": b"1.0",
        "ce_id": b"re-1",
        "ce_source": b"/demo/inventory",
        "ce_type": b"inventory.stock-reserved.v1",
        "ce_time": b"2026-01-01T12:00:01Z",
        "ce_subject": b"o-1",
        "content-type": b"application/json",
        "ce_correlationid": headers("reserve-stock", "o-1")["ce_correlationid"],
        "ce_causationid": asked.id.encode(),
        "traceparent": TRACEPARENT,
        "tracestate": b"vendor=opaque",
    }
    assert json.loads(reply.value) == {"reservation_id": "inventory-1"}


def test_a_participant_that_drops_the_trace_sends_neither_of_its_headers() -> None:
    fields = dict(reply_headers(command("ship-order", "o-1"), DONE, "re-1", at="now", traced=False))

    assert not fields.keys() & {"traceparent", "tracestate"}
