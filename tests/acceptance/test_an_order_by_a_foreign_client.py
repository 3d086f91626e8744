"""A client written from the published page alone works with the coordinator: every topic, key, id, header and value."""

import pytest

from tests.acceptance._support.claims import assert_is_command, assert_is_outcome, assert_nothing_else_was_said
from tests.acceptance._support.foreign_client import (
    ADDRESS,
    CHARGE,
    CONFIRMED,
    LINES,
    NOTIFY,
    ORDERS,
    PLACED,
    REFUND,
    REJECTED,
    RELEASE,
    REPLIES,
    RESERVE,
    REVIEW,
    SHIP,
    Fields,
    ForeignClient,
    Received,
    Sent,
    command_id,
    instance_of,
    new_traceparent,
    order_fields,
)
from tests.acceptance._support.processes import Serve

pytestmark = pytest.mark.kafka


def test_a_confirmed_order_says_exactly_what_the_page_says(client: ForeignClient) -> None:
    order, traceparent = "confirmed-æ/1", new_traceparent()
    placed = client.place(order, "49.90", traceparent=traceparent)

    reserve, charge = client.wait_for(order, RESERVE), client.wait_for(order, CHARGE)
    assert_is_command(reserve, caused_by=placed, fields={"order_id": order, "lines": LINES})
    bill = {"order_id": order, "customer_id": "customer-7", "amount": "49.90", "currency": "DKK"}
    assert_is_command(charge, caused_by=placed, fields=bill)

    client.answer(charge)
    reserved = client.answer(reserve)
    ship = client.wait_for(order, SHIP)
    assert_is_command(ship, caused_by=reserved, fields={"order_id": order, "ship_to": ADDRESS, "lines": LINES})

    shipped = client.answer(ship)
    notify = client.wait_for(order, NOTIFY)
    notification = {"order_id": order, "customer_id": "customer-7", "tracking": "T-99"}
    assert_is_command(notify, caused_by=shipped, fields=notification)

    notified = client.answer(notify)
    confirmed = client.wait_for(order, CONFIRMED)
    assert_is_outcome(confirmed, caused_by=notified, fields={"order_id": order, "tracking": "T-99"})
    assert {each.trace_id for each in client.of(order)} == {traceparent.split("-")[1]}
    client.has_heard(order, RESERVE, CHARGE, SHIP, NOTIFY, CONFIRMED)


def test_an_order_that_shipping_rejects_is_undone_in_both_places_at_once(client: ForeignClient) -> None:
    order = "rejected-1"
    ship = up_to_ship(client, order)
    refused = client.refuse(ship, "no-carrier")

    release, refund = client.wait_for(order, RELEASE), client.wait_for(order, REFUND)  # before either was answered
    assert_is_command(release, caused_by=refused, fields={"order_id": order, "reservation_id": "R-77"},
                      undoes=command_id(order, RESERVE))  # fmt: skip
    money = {"order_id": order, "charge_id": "C-88", "amount": "49.90", "currency": "DKK"}
    assert_is_command(refund, caused_by=refused, fields=money, undoes=command_id(order, CHARGE))

    client.answer(refund)
    released = client.answer(release)
    rejected = client.wait_for(order, REJECTED)
    rejection = {
        "order_id": order,
        "step": "ship-order",
        "code": "no-carrier",
        "message": "no-carrier, says the participant",
    }
    assert_is_outcome(rejected, caused_by=released, fields=rejection)
    client.has_heard(order, RESERVE, CHARGE, SHIP, RELEASE, REFUND, REJECTED)


def test_a_step_that_was_refused_is_not_undone_and_its_sibling_is_awaited(client: ForeignClient) -> None:
    order = "out-of-stock-1"
    client.place(order)
    client.refuse(client.wait_for(order, RESERVE), "out-of-stock")
    client.answer(client.wait_for(order, CHARGE))
    client.answer(client.wait_for(order, REFUND))
    rejected = client.wait_for(order, REJECTED).fields
    assert (rejected["step"], rejected["code"]) == ("reserve-stock", "out-of-stock")
    client.has_heard(order, RESERVE, CHARGE, REFUND, REJECTED)


def test_a_large_order_is_reviewed_before_it_is_shipped(client: ForeignClient) -> None:
    order = "large-1"
    charged = placed_to_both(client, order, total="1000")
    review = client.wait_for(order, REVIEW)
    reviewed = {"order_id": order, "customer_id": "customer-7", "amount": "1000", "currency": "DKK"}
    assert_is_command(review, caused_by=charged, fields=reviewed)
    assert SHIP not in [each.type for each in client.of(order)]
    client.answer(review)
    finish(client, order)
    client.has_heard(order, RESERVE, CHARGE, REVIEW, SHIP, NOTIFY, CONFIRMED)


def test_an_order_just_below_1000_is_not_reviewed(client: ForeignClient) -> None:
    order = "not-large-1"
    placed_to_both(client, order, total="999.99")
    finish(client, order)
    client.has_heard(order, RESERVE, CHARGE, SHIP, NOTIFY, CONFIRMED)


def test_a_review_that_refuses_has_no_undo_of_its_own(client: ForeignClient) -> None:
    order = "suspicious-1"
    placed_to_both(client, order, total="5000.00")
    client.refuse(client.wait_for(order, REVIEW), "fraud-suspected")
    client.answer(client.wait_for(order, REFUND))
    client.answer(client.wait_for(order, RELEASE))
    assert client.wait_for(order, REJECTED).fields["step"] == "review-fraud"
    client.has_heard(order, RESERVE, CHARGE, REVIEW, RELEASE, REFUND, REJECTED)


def test_a_retryable_failure_is_asked_again_under_a_new_id(client: ForeignClient) -> None:
    order = "bank-unavailable-1"
    client.place(order)
    client.answer(client.wait_for(order, RESERVE))
    refused = client.refuse(client.wait_for(order, CHARGE), "bank-unavailable", retryable=True)
    again = client.wait_for(order, CHARGE, 2)
    bill = {"order_id": order, "customer_id": "customer-7", "amount": "49.90", "currency": "DKK"}
    assert_is_command(again, caused_by=refused, fields=bill, attempt=2)
    client.answer(again)
    finish(client, order)
    client.has_heard(order, RESERVE, CHARGE, CHARGE, SHIP, NOTIFY, CONFIRMED)


def test_an_order_cancelled_before_the_pivot_is_undone(client: ForeignClient, serve: Serve) -> None:
    order = "cancelled-1"
    client.place(order)
    reserve, charge = client.wait_for(order, RESERVE), client.wait_for(order, CHARGE)
    client.answer(reserve)
    assert serve.explain(client.cancel(order).place)[0] == "applied"
    client.answer(charge)
    client.answer(client.wait_for(order, RELEASE))
    client.answer(client.wait_for(order, REFUND))
    rejected = client.wait_for(order, REJECTED).fields
    assert (rejected["step"], rejected["code"]) == (None, "cancelled")
    client.has_heard(order, RESERVE, CHARGE, RELEASE, REFUND, REJECTED)


def test_a_cancel_past_the_pivot_is_ignored_and_says_so(client: ForeignClient, serve: Serve) -> None:
    order = "too-late-1"
    up_to_ship(client, order)
    cancelled = client.cancel(order)
    verdict, reason = serve.explain(cancelled.place)
    assert verdict == "ignored"
    assert "past the pivot" in reason
    finish(client, order)
    client.has_heard(order, RESERVE, CHARGE, SHIP, NOTIFY, CONFIRMED)


def test_a_cancel_that_comes_before_its_order_is_held_and_applied_right_after_the_start(
    client: ForeignClient, serve: Serve
) -> None:
    order = "early-1"
    cancelled = client.cancel(order)
    assert serve.explain(cancelled.place)[0] == "buffered"
    client.place(order)
    client.answer(client.wait_for(order, RESERVE))
    client.answer(client.wait_for(order, CHARGE))
    client.answer(client.wait_for(order, REFUND))
    client.answer(client.wait_for(order, RELEASE))
    rejected = client.wait_for(order, REJECTED).fields
    assert (rejected["step"], rejected["code"]) == (None, "cancelled")
    assert serve.explain(cancelled.place)[0] == "applied"
    client.has_heard(order, RESERVE, CHARGE, RELEASE, REFUND, REJECTED)


def test_what_comes_twice_changes_nothing(client: ForeignClient, serve: Serve) -> None:
    order = "twice-1"
    client.place(order)
    reserve, charge = client.wait_for(order, RESERVE), client.wait_for(order, CHARGE)
    first = client.answer(reserve)
    again = [client.place(order), client.answer(reserve), client.answer(reserve, ce_id=first.id)]
    client.answer(charge)
    finish(client, order)
    again += [client.answer(charge), client.place(order)]
    assert [serve.explain(each.place)[0] for each in again] == ["duplicate"] * 5
    client.has_heard(order, RESERVE, CHARGE, SHIP, NOTIFY, CONFIRMED)


def test_structured_cloud_events_are_understood(client: ForeignClient) -> None:
    order = "structured-1"
    traceparent = new_traceparent()
    event = {"id": "s-1", "type": PLACED, "subject": order, "traceparent": traceparent, "data": order_fields(order)}
    send_structured(client, ORDERS, order, event)
    reserve = client.wait_for(order, RESERVE)
    assert (reserve["ce_causationid"], reserve.trace_id) == ("s-1", traceparent.split("-")[1])

    ids = {"correlationid": reserve["ce_correlationid"], "causationid": reserve["ce_id"]}
    reply = {"id": "s-2", "type": "inventory.stock-reserved.v1", **ids, "data": {"reservation_id": "R-77"}}
    client.answer(client.wait_for(order, CHARGE))
    send_structured(client, REPLIES, order, reply)
    finish(client, order)
    client.has_heard(order, RESERVE, CHARGE, SHIP, NOTIFY, CONFIRMED)


def test_a_participant_that_forgets_the_trace_context_does_not_break_the_trace(client: ForeignClient) -> None:
    order, traceparent = "forgetful-1", new_traceparent()
    client.place(order, traceparent=traceparent)
    for type_ in (RESERVE, CHARGE, SHIP, NOTIFY):
        client.answer(client.wait_for(order, type_), traceparent=None)
    client.wait_for(order, CONFIRMED)
    assert {each.trace_id for each in client.of(order)} == {traceparent.split("-")[1]}
    client.has_heard(order, RESERVE, CHARGE, SHIP, NOTIFY, CONFIRMED)


@pytest.mark.parametrize("traceparent", [None, "00-this-is-none-01"])
def test_an_order_without_a_readable_trace_context_gets_a_trace_of_its_own(
    client: ForeignClient, traceparent: str | None
) -> None:
    order = f"untraced-{traceparent}"
    client.place(order, traceparent=traceparent)
    client.answer(client.wait_for(order, RESERVE))
    client.answer(client.wait_for(order, CHARGE))
    finish(client, order)
    assert {each.trace_id for each in client.of(order)} == {instance_of(order).replace("-", "")}
    client.has_heard(order, RESERVE, CHARGE, SHIP, NOTIFY, CONFIRMED)


def test_nothing_else_was_said(client: ForeignClient, serve: Serve) -> None:
    assert_nothing_else_was_said(client, serve)


def placed_to_both(client: ForeignClient, order: str, total: str = "49.90") -> Sent:
    """Place an order, reserve its stock and charge its card; return the last reply."""
    client.place(order, total)
    client.answer(client.wait_for(order, RESERVE))
    return client.answer(client.wait_for(order, CHARGE))


def up_to_ship(client: ForeignClient, order: str) -> Received:
    """Bring an order to its pivot, and return the command that waits there."""
    placed_to_both(client, order)
    return client.wait_for(order, SHIP)


def finish(client: ForeignClient, order: str) -> None:
    """Ship an order, notify the customer, and wait for the outcome."""
    client.answer(client.wait_for(order, SHIP))
    client.answer(client.wait_for(order, NOTIFY))
    client.wait_for(order, CONFIRMED)


def send_structured(client: ForeignClient, topic: str, order: str, event: Fields) -> Sent:
    """Publish a CloudEvent in structured mode: everything stands in the value."""
    whole = {"specversion": "1.0", "source": "/shop", "datacontenttype": "application/json", **event}
    return client.send(
        topic, order, whole, {"ce_specversion": None, "content-type": "application/cloudevents+json; charset=UTF-8"}
    )
