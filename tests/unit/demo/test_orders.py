"""Orders that could be real, the same for the same number and seed."""

import json
import re
from decimal import Decimal

import pytest

from saga_coordinator.service.demo.behaviour import from_json
from saga_coordinator.service.demo.orders import (
    Mix,
    OrderMessage,
    Traced,
    cancel_event,
    extra_events,
    is_large,
    order_event,
    order_id,
)

AT = "2026-01-01T12:00:00+00:00"


def body(event: OrderMessage) -> dict[str, object]:
    fields = json.loads(event.value)
    assert isinstance(fields, dict)
    return fields


def test_an_order_follows_from_its_number_and_seed_alone() -> None:
    assert order_event(7, 1, Mix(), at=AT) == order_event(7, 1, Mix(), at=AT)
    assert order_event(7, 1, Mix(), at=AT).value != order_event(8, 1, Mix(), at=AT).value
    assert order_event(7, 1, Mix(), at=AT).key != order_event(7, 2, Mix(), at=AT).key


def test_an_order_has_the_fields_of_the_page() -> None:
    placed = body(order_event(7, 1, Mix(), at=AT))

    assert placed.keys() == {"order_id", "customer_id", "currency", "total", "lines", "ship_to"}
    ship_to = placed["ship_to"]
    assert isinstance(ship_to, dict)
    assert ship_to.keys() == {"street", "city", "postcode", "country"}


@pytest.mark.parametrize("large", [0.0, 1.0])
def test_the_total_is_the_sum_of_the_lines_and_reaches_1000_only_where_it_should(large: float) -> None:
    for number in range(300):
        placed = json.loads(order_event(number, 3, Mix(large=large), at=AT).value)
        total = sum(Decimal(line["unit_price"]) * line["quantity"] for line in placed["lines"])
        assert Decimal(placed["total"]) == total
        assert (total >= 1000) == (large == 1.0) == is_large(number, 3, Mix(large=large))


def test_headers_are_those_of_a_cloud_event_with_a_trace_of_its_own() -> None:
    event = order_event(7, 1, Mix(), at=AT)
    fields = dict(event.headers)
    traceparent = fields.pop("traceparent")

    assert event.key == order_id(7, 1).encode()
    assert fields == {
        "ce_specversion": b"1.0",
        "ce_id": b"orders.order-placed.v1/" + event.key,
        "ce_source": b"/demo/shop",
        "ce_type": b"orders.order-placed.v1",
        "ce_time": AT.encode(),
        "ce_subject": event.key,
        "content-type": b"application/json",
    }
    assert isinstance(traceparent, bytes)
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent)
    assert traceparent != dict(order_event(8, 1, Mix(), at=AT).headers)["traceparent"]


def test_the_trace_can_be_unsampled_or_absent() -> None:
    unsampled = dict(order_event(7, 1, Mix(traced=Traced.UNSAMPLED), at=AT).headers)["traceparent"]
    untraced = order_event(7, 1, Mix(traced=Traced.NOT_AT_ALL), at=AT).headers

    assert isinstance(unsampled, bytes)
    assert unsampled.endswith(b"-00")
    assert "traceparent" not in dict(untraced)


def test_a_cancellation_names_its_order_and_a_reason() -> None:
    event = cancel_event(7, 1, Mix(), at=AT)

    assert event.key == order_id(7, 1).encode()
    assert body(event).keys() == {"order_id", "reason"}
    assert dict(event.headers)["ce_type"] == b"orders.order-cancelled.v1"


def test_duplicates_and_cancellations_come_in_the_shares_that_were_asked_for() -> None:
    mix = Mix(duplicates=0.2, cancels=0.1, early_cancels=0.1, cancel_within_s=0.5)
    extras = [extra for number in range(2000) for extra in extra_events(number, 1, mix, at=AT)]

    early = [event for after_s, event in extras if after_s < 0]
    later = [event for after_s, event in extras if after_s >= 0]
    kinds = [dict(event.headers)["ce_type"] for event in later]

    assert 130 < len(early) < 270
    assert 130 < kinds.count(b"orders.order-cancelled.v1") < 270
    assert 300 < kinds.count(b"orders.order-placed.v1") < 500
    assert max(abs(after_s) for after_s, _ in extras) <= 0.5


def test_a_duplicate_is_the_order_byte_for_byte() -> None:
    mix = Mix(duplicates=1.0)

    assert [event for _, event in extra_events(7, 1, mix, at=AT)] == [order_event(7, 1, mix, at=AT)]


@pytest.mark.parametrize("text", ['{"big": 1}', "3", '{"traced": "maybe"}'])
def test_a_mix_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="mix: "):
        from_json(Mix, text)


def test_json_gives_the_fields_of_a_mix() -> None:
    assert from_json(Mix, '{"large": 0, "traced": "unsampled"}') == Mix(large=0, traced=Traced.UNSAMPLED)
