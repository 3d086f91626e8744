"""The messages of the order conversation: each field as the conversation writes it, and what is refused."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from saga_coordinator.contracts import Command, Done, Failure, Message, Reply
from saga_coordinator.contracts.messages.inventory import ReleaseStock, ReserveStock, StockReserved
from saga_coordinator.contracts.messages.notifications import NotifyCustomer
from saga_coordinator.contracts.messages.orders import OrderCancelled, OrderConfirmed, OrderPlaced, OrderRejected
from saga_coordinator.contracts.messages.payments import CardCharged, ChargeCard, RefundCard
from saga_coordinator.contracts.messages.reviews import ReviewFraud
from saga_coordinator.contracts.messages.shipping import OrderShipped, ShipOrder

LINE = {"sku": "s-1", "quantity": 2, "unit_price": "10.00"}
ADDRESS = {"street": "Main Street 1", "city": "Springfield", "postcode": "12345", "country": "DE"}
PLACED = {
    "order_id": "o-1",
    "customer_id": "c-1",
    "currency": "EUR",
    "total": "20.00",
    "lines": [LINE],
    "ship_to": ADDRESS,
}
MONEY = {"amount": "20.00", "currency": "EUR"}

EXAMPLES: list[tuple[type[Message], str, dict[str, Any]]] = [
    (OrderPlaced, "orders.order-placed.v1", PLACED),
    (OrderCancelled, "orders.order-cancelled.v1", {"order_id": "o-1", "reason": "too slow"}),
    (ReserveStock, "inventory.reserve-stock.v1", {"order_id": "o-1", "lines": [LINE]}),
    (StockReserved, "inventory.stock-reserved.v1", {"reservation_id": "r-1"}),
    (ReleaseStock, "inventory.release-stock.v1", {"order_id": "o-1", "reservation_id": None}),
    (ChargeCard, "payments.charge-card.v1", {"order_id": "o-1", "customer_id": "c-1", **MONEY}),
    (CardCharged, "payments.card-charged.v1", {"charge_id": "ch-1"}),
    (RefundCard, "payments.refund-card.v1", {"order_id": "o-1", "charge_id": None, **MONEY}),
    (ReviewFraud, "reviews.review-fraud.v1", {"order_id": "o-1", "customer_id": "c-1", **MONEY}),
    (ShipOrder, "shipping.ship-order.v1", {"order_id": "o-1", "ship_to": ADDRESS, "lines": [LINE]}),
    (OrderShipped, "shipping.order-shipped.v1", {"tracking": "t-1"}),
    (NotifyCustomer, "notifications.notify-customer.v1", {"order_id": "o-1", "customer_id": "c-1", "tracking": "t-1"}),
    (OrderConfirmed, "orders.order-confirmed.v1", {"order_id": "o-1", "tracking": "t-1"}),
    (OrderRejected, "orders.order-rejected.v1", {"order_id": "o-1", "step": None, "code": "cancelled", "message": ""}),
    (Done, "saga.done.v1", {}),
    (
        Failure,
        "saga.failure.v1",
        {"code": "c", "message": "m", "retryable": False, "details": {"limit": [1, None]}, "retry_after": 2.5},
    ),
]
REQUIRED = [
    (message, name)
    for message, _, example in EXAMPLES
    for name in example
    if not (message is Failure and name in {"details", "retry_after"})
]

COMMANDS: list[tuple[type[Command[Any]], str, type[Reply]]] = [
    (ReserveStock, "inventory.commands.v1", StockReserved),
    (ReleaseStock, "inventory.commands.v1", Done),
    (ChargeCard, "payments.commands.v1", CardCharged),
    (RefundCard, "payments.commands.v1", Done),
    (ReviewFraud, "reviews.commands.v1", Done),
    (ShipOrder, "shipping.commands.v1", OrderShipped),
    (NotifyCustomer, "notifications.commands.v1", Done),
]


def example_of(message: type[Message]) -> dict[str, Any]:
    return next(dict(example) for each, _, example in EXAMPLES if each is message)


def read(message: type[Message], /, **changes: Any) -> Message:  # noqa: ANN401  any JSON
    """Read the message's example with these changes from JSON."""
    return message.model_validate_json(json.dumps({**example_of(message), **changes}))


@pytest.mark.parametrize(("message", "message_type", "example"), EXAMPLES)
def test_a_message_is_written_as_the_conversation_has_it(
    message: type[Message], message_type: str, example: dict[str, Any]
) -> None:
    assert message.message_type == message_type
    assert json.loads(message.model_validate_json(json.dumps(example)).model_dump_json()) == example


@pytest.mark.parametrize(("message", "name"), REQUIRED)
def test_a_missing_field_is_refused(message: type[Message], name: str) -> None:
    rest = {each: given for each, given in example_of(message).items() if each != name}

    with pytest.raises(ValidationError, match=name):
        message.model_validate_json(json.dumps(rest))


@pytest.mark.parametrize(("message", "name"), REQUIRED)
def test_a_field_of_another_shape_is_refused(message: type[Message], name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        read(message, **{name: {"unexpected": "object"}})


@pytest.mark.parametrize(("message", "_type", "_example"), EXAMPLES)
def test_a_field_that_we_do_not_know_is_ignored(message: type[Message], _type: str, _example: dict[str, Any]) -> None:
    assert read(message, added_later=1) == read(message)


@pytest.mark.parametrize(("command", "topic", "reply"), COMMANDS)
def test_a_command_knows_its_topic_and_its_reply(command: type[Command[Any]], topic: str, reply: type[Reply]) -> None:
    assert (command.topic, command.reply) == (topic, reply)


def test_only_a_review_changes_nothing() -> None:
    assert [command for command, _, _ in COMMANDS if command.safe] == [ReviewFraud]


def test_order_events_stand_on_one_topic_and_outcomes_on_that_of_their_saga() -> None:
    assert (OrderPlaced.topic, OrderCancelled.topic) == ("orders.events.v1", "orders.events.v1")
    assert not hasattr(OrderConfirmed, "topic")


def test_a_command_that_names_no_reply_has_none() -> None:
    class Vague(Command[Any]):
        message_type = "tests.vague.v1"
        topic = "tests.commands.v1"

    assert not hasattr(Vague, "reply")


def test_a_command_derived_from_another_keeps_its_reply() -> None:
    class ReserveStockNow(ReserveStock):
        message_type = "inventory.reserve-stock-now.v1"

    assert ReserveStockNow.reply is StockReserved


# --- the rules of single fields


@pytest.mark.parametrize("amount", ["0", "49.99", "-5.00", "0.000000001", "999999999999999999"])
def test_an_amount_is_a_decimal_string_and_keeps_its_digits(amount: str) -> None:
    assert json.loads(read(ChargeCard, amount=amount).model_dump_json())["amount"] == amount


@pytest.mark.parametrize(
    "amount",
    [49.99, 49, True, None, "", " 1", "1 ", "+1", "1,00", "1e3", "NaN", "Infinity", ".5", "5.", "٤٩", "1" * 19],
)
def test_an_amount_that_is_no_plain_decimal_string_is_refused(amount: object) -> None:
    for message, name in ((ChargeCard, "amount"), (OrderPlaced, "total")):
        with pytest.raises(ValidationError, match=r'must be a decimal string such as "49\.99"'):
            read(message, **{name: amount})
    with pytest.raises(ValidationError, match="unit_price"):
        read(OrderPlaced, lines=[{**LINE, "unit_price": amount}])


@pytest.mark.parametrize("currency", ["eur", "EU", "EURO", "", "EUR\n", "ÄÖÜ", None, 978])
def test_a_currency_is_three_capitals(currency: object) -> None:
    for message in (OrderPlaced, ChargeCard, RefundCard, ReviewFraud):
        with pytest.raises(ValidationError, match="currency"):
            read(message, currency=currency)


@pytest.mark.parametrize("country", ["de", "DEU", "D", "", None])
def test_a_country_is_two_capitals(country: object) -> None:
    for message in (OrderPlaced, ShipOrder):
        with pytest.raises(ValidationError, match="country"):
            read(message, ship_to={**ADDRESS, "country": country})


@pytest.mark.parametrize("quantity", [0, -1, 1.5, "two", None])
def test_a_quantity_is_a_whole_number_of_at_least_one(quantity: object) -> None:
    for message in (OrderPlaced, ReserveStock, ShipOrder):
        with pytest.raises(ValidationError, match="quantity"):
            read(message, lines=[{**LINE, "quantity": quantity}])


@pytest.mark.parametrize("name", ["sku", "quantity", "unit_price"])
def test_a_line_needs_all_its_fields(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        read(OrderPlaced, lines=[{each: given for each, given in LINE.items() if each != name}])


@pytest.mark.parametrize("name", ["street", "city", "postcode", "country"])
def test_an_address_needs_all_its_fields(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        read(OrderPlaced, ship_to={each: given for each, given in ADDRESS.items() if each != name})


@pytest.mark.parametrize(("count", "accepted"), [(0, False), (1, True), (500, True), (501, False)])
def test_an_order_has_one_to_five_hundred_lines(count: int, *, accepted: bool) -> None:
    if accepted:
        assert len(json.loads(read(OrderPlaced, lines=[LINE] * count).model_dump_json())["lines"]) == count
    else:
        with pytest.raises(ValidationError, match="lines"):
            read(OrderPlaced, lines=[LINE] * count)


@pytest.mark.parametrize("order_id", ["", "x" * 256, None, 7])
def test_an_order_has_an_id_that_is_text_and_not_endless(order_id: object) -> None:
    for message in (OrderPlaced, OrderCancelled):
        with pytest.raises(ValidationError, match="order_id"):
            read(message, order_id=order_id)


def test_a_failure_needs_no_details() -> None:
    bare = Failure.model_validate_json('{"code": "c", "message": "m", "retryable": true}')

    assert bare.details is None


@pytest.mark.parametrize(("message", "_type", "_example"), EXAMPLES)
def test_a_message_cannot_be_changed(message: type[Message], _type: str, _example: dict[str, Any]) -> None:
    made = read(message)

    with pytest.raises(ValidationError):
        made.order_id = "another"  # type: ignore[attr-defined]  # no message has a field that may be set


@pytest.mark.parametrize("value", [b"", b"null", b"[]", b"{", b'"text"', b'{"code": "\xed\xa0\x80"}', b"[" * 5_000])
def test_what_is_no_json_object_is_refused(value: bytes) -> None:
    for message, _, _ in EXAMPLES:
        with pytest.raises(ValidationError):
            message.model_validate_json(value)
