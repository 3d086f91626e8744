"""Order fulfilment follows its conversation: what is sent when, under which ids, and with which outcome."""

from datetime import timedelta
from decimal import Decimal

import pytest

from saga_coordinator.contracts.messages.inventory import ReleaseStock, ReserveStock, StockReserved
from saga_coordinator.contracts.messages.notifications import NotifyCustomer
from saga_coordinator.contracts.messages.orders import Address, Line, OrderConfirmed, OrderPlaced, OrderRejected
from saga_coordinator.contracts.messages.payments import CardCharged, ChargeCard, RefundCard
from saga_coordinator.contracts.messages.reviews import ReviewFraud
from saga_coordinator.contracts.messages.shipping import OrderShipped, ShipOrder
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Ignored, Status
from saga_coordinator.sagas.testing.scenario import BEGINNING, given

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

LINES = (
    Line(sku="s-1", quantity=2, unit_price=Decimal("24.50")),
    Line(sku="s-2", quantity=1, unit_price=Decimal("0.99")),
)
HOME = Address(street="Main Street 1", city="Springfield", postcode="12345", country="DE")


def order(total: str = "49.99") -> OrderPlaced:
    return OrderPlaced(
        order_id="o-1", customer_id="c-1", currency="EUR", total=Decimal(total), lines=LINES, ship_to=HOME
    )


PLACED = given(order_fulfilment, order())
RESERVED = PLACED.replies("reserve-stock", StockReserved(reservation_id="r-1"))
PAID = RESERVED.replies("charge-card", CardCharged(charge_id="ch-1"))
SHIPPED = PAID.replies("ship-order", OrderShipped(tracking="t-1"))
LARGE = (
    given(order_fulfilment, order("1000"))
    .replies("reserve-stock", StockReserved(reservation_id="r-1"))
    .replies("charge-card", CardCharged(charge_id="ch-1"))
)

RESERVE = ReserveStock(order_id="o-1", lines=LINES)
CHARGE = ChargeCard(order_id="o-1", customer_id="c-1", amount=Decimal("49.99"), currency="EUR")
SHIP = ShipOrder(order_id="o-1", ship_to=HOME, lines=LINES)
NOTIFY = NotifyCustomer(order_id="o-1", customer_id="c-1", tracking="t-1")
RELEASE = ReleaseStock(order_id="o-1", reservation_id="r-1")
REFUND = RefundCard(order_id="o-1", charge_id="ch-1", amount=Decimal("49.99"), currency="EUR")


def test_an_order_is_reserved_charged_shipped_and_notified() -> None:
    (
        given(order_fulfilment, order())
        .expects(RESERVE, CHARGE)
        .replies("reserve-stock", StockReserved(reservation_id="r-1"))
        .expects()
        .replies("charge-card", CardCharged(charge_id="ch-1"))
        .expects(SHIP)
        .replies("ship-order", OrderShipped(tracking="t-1"))
        .expects(NOTIFY)
        .replies("notify-customer", NotifyCustomer.reply())
        .ends(Status.COMPLETED, OrderConfirmed(order_id="o-1", tracking="t-1"))
    )


def test_the_ids_are_those_that_any_client_can_work_out() -> None:
    """Worked out with another library: UUIDv5 of the names in the conversation."""
    assert SHIPPED.instance.id == "777cac12-77d7-54b5-8096-f70442425446"
    assert [(send.step, send.command_id) for send in SHIPPED.sent] == [
        ("reserve-stock", "7e5ebc2f-fdaa-5f26-826b-82292c06f57f"),
        ("charge-card", "ed039153-5e7a-5cac-be05-9606890842e4"),
        ("ship-order", "ccc259d8-7c38-5ec5-b465-bc83520e1e07"),
        ("notify-customer", "e679a504-8a45-5d71-8e10-b7484b18207d"),
    ]


def test_the_undo_has_an_id_of_its_own_and_names_what_it_undoes() -> None:
    release, refund = PAID.fails("ship-order", code="no-carrier").sent[-2:]

    assert (release.command_id, refund.command_id) == (
        "887653cf-f51f-537d-a06f-cd3c421229e9",
        "2e690887-6cb0-5b4f-aa75-4f040bd466a5",
    )
    assert [release.compensates, refund.compensates] == [send.command_id for send in PAID.sent[:2]]


def test_a_declined_card_gives_the_stock_back_and_rejects_the_order() -> None:
    (
        RESERVED.fails("charge-card", code="card-declined", message="insufficient funds")
        .undoes(RELEASE)
        .undone("reserve-stock")
        .ends(
            Status.COMPENSATED,
            OrderRejected(order_id="o-1", step="charge-card", code="card-declined", message="insufficient funds"),
        )
    )


def test_a_refused_shipment_gives_back_stock_and_money_together() -> None:
    (
        PAID.fails("ship-order", code="no-carrier", message="nobody goes there")
        .undoes(RELEASE, REFUND)
        .undone("charge-card")
        .expects()
        .undone("reserve-stock")
        .ends(
            Status.COMPENSATED,
            OrderRejected(order_id="o-1", step="ship-order", code="no-carrier", message="nobody goes there"),
        )
    )


@pytest.mark.parametrize(
    ("total", "is_reviewed"), [("999.99", False), ("1000", True), ("1000.00", True), ("5000", True)]
)
def test_an_order_of_a_thousand_or_more_is_reviewed(total: str, *, is_reviewed: bool) -> None:
    (
        given(order_fulfilment, order(total))
        .replies("reserve-stock", StockReserved(reservation_id="r-1"))
        .replies("charge-card", CardCharged(charge_id="ch-1"))
        .expects("review-fraud" if is_reviewed else "ship-order")
    )


def test_a_review_that_passes_ships_and_one_that_fails_undoes() -> None:
    review = ReviewFraud(order_id="o-1", customer_id="c-1", amount=Decimal(1000), currency="EUR")
    asked = LARGE.expects(review)

    asked.replies("review-fraud", ReviewFraud.reply()).expects(SHIP)
    asked.fails("review-fraud", code="fraud").undoes("reserve-stock", "charge-card")
    asked.passes(DAY).undoes("reserve-stock", "charge-card")


def test_a_card_is_charged_four_times_at_most_with_growing_waits() -> None:
    """2, 4 and 8 s, of which chance takes away up to a fifth."""
    busy = RESERVED
    for attempt, most in ((1, 2), (2, 4), (3, 8)):
        busy = busy.fails("charge-card", code="busy", retryable=True).expects()
        due = busy.instance.next_timer_at
        assert due is not None
        assert 0.8 * most * SECOND <= due - busy.at <= most * SECOND
        busy = busy.passes(most * SECOND).expects(CHARGE)
        assert busy.sent[-1].attempt == attempt + 1
    busy.fails("charge-card", code="busy", message="gateway down", retryable=True).undoes(RELEASE).undone(
        "reserve-stock"
    ).ends(
        Status.COMPENSATED,
        OrderRejected(order_id="o-1", step="charge-card", code="busy", message="gateway down"),
    )


def test_a_charge_that_never_answers_is_asked_four_times_under_one_id_and_then_refunded() -> None:
    silent = RESERVED.passes(6 * MINUTE).expects(CHARGE, CHARGE, CHARGE).passes(2 * MINUTE)

    unknown = RefundCard(order_id="o-1", charge_id=None, amount=Decimal("49.99"), currency="EUR")
    assert len({send.command_id for send in silent.sent if send.command is ChargeCard}) == 1
    silent.undoes(RELEASE, unknown).undone("reserve-stock").undone("charge-card").ends(
        Status.COMPENSATED,
        OrderRejected(
            order_id="o-1", step="charge-card", code="timed-out", message="no answer within 2 min, sent 4 times"
        ),
    )


def test_a_reservation_that_never_answers_is_released_by_the_order() -> None:
    charged = PLACED.replies("charge-card", CardCharged(charge_id="ch-1")).passes(5 * MINUTE)

    charged.undoes(ReleaseStock(order_id="o-1", reservation_id=None), REFUND)


def test_a_cancel_before_the_shipment_was_sent_undoes() -> None:
    (
        LARGE.cancels("changed my mind")
        .replies("review-fraud", ReviewFraud.reply())
        .undoes("reserve-stock", "charge-card")
        .undone("reserve-stock")
        .undone("charge-card")
        .ends(
            Status.COMPENSATED,
            OrderRejected(order_id="o-1", step=None, code="cancelled", message="changed my mind"),
        )
    )


def test_a_cancel_is_past_the_pivot_once_the_shipment_was_sent() -> None:
    PAID.expects("ship-order").cancels().ignores(Ignored.PAST_THE_PIVOT)
    SHIPPED.cancels().ignores(Ignored.PAST_THE_PIVOT)


def test_a_shipment_that_does_not_answer_is_asked_again_every_six_hours_under_one_id() -> None:
    asked = PAID.passes(3 * DAY)

    assert {send.command_id for send in asked.unnamed} == {PAID.sent[-1].command_id}
    assert len(asked.unnamed) == 12
    asked.replies("ship-order", OrderShipped(tracking="t-1")).expects(NOTIFY)


def test_the_customer_is_notified_however_long_it_takes() -> None:
    later = SHIPPED.fails("notify-customer", code="busy", retryable=True).passes(DAY)

    assert {send.step for send in later.unnamed} == {"notify-customer"}
    later.replies("notify-customer", NotifyCustomer.reply()).ends(Status.COMPLETED)


def test_a_customer_who_cannot_be_notified_stalls_the_order_and_compensates_nothing() -> None:
    SHIPPED.fails("notify-customer", code="no-address").expects().ends(Status.STALLED)


def test_an_order_has_two_days_to_be_shipped() -> None:
    """Paused over its deadline, for want of a step that would wait so long."""
    late = PAID.instance.deadline_at
    assert late is None
    assert LARGE.instance.deadline_at == BEGINNING + 2 * DAY
    (
        LARGE.pauses()
        .replies("review-fraud", ReviewFraud.reply())
        .passes(2 * DAY)
        .resumes()
        .undoes("reserve-stock", "charge-card")
        .undone("reserve-stock")
        .undone("charge-card")
        .ends(
            Status.COMPENSATED,
            OrderRejected(
                order_id="o-1",
                step=None,
                code="deadline-passed",
                message="not past the pivot within 2 days",
            ),
        )
    )


def test_the_order_is_remembered_as_it_was_placed() -> None:
    data = SHIPPED.data

    assert (data.reservation_id, data.charge_id, data.tracking) == ("r-1", "ch-1", "t-1")
    assert data.total == Decimal("49.99")
