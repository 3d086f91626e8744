"""The events about orders: those that start and cancel them, and the two outcomes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from saga_coordinator.contracts.message import Event
from saga_coordinator.contracts.messages.money import Amount, Country, Currency

TOPIC = "orders.events.v1"

OrderId = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Line(BaseModel):
    """One article of an order. `unit_price` is in the order's currency."""

    model_config = ConfigDict(frozen=True)

    sku: str
    quantity: int = Field(ge=1)
    unit_price: Amount


class Address(BaseModel):
    """Where an order goes."""

    model_config = ConfigDict(frozen=True)

    street: str
    city: str
    postcode: str
    country: Country


Lines = Annotated[tuple[Line, ...], Field(min_length=1, max_length=500)]


class OrderPlaced(Event):
    """A customer has placed an order."""

    message_type = "orders.order-placed.v1"
    topic = TOPIC

    order_id: OrderId
    customer_id: str
    currency: Currency
    total: Amount
    lines: Lines
    ship_to: Address


class OrderCancelled(Event):
    """The customer has cancelled the order."""

    message_type = "orders.order-cancelled.v1"
    topic = TOPIC

    order_id: OrderId
    reason: str


class OrderConfirmed(Event):
    """The order was paid and shipped."""

    message_type = "orders.order-confirmed.v1"

    order_id: str
    tracking: str


class OrderRejected(Event):
    """The order was not carried out, and everything done for it is compensated.

    `step` is where it failed, None when it was cancelled or passed its deadline. `code` is the participant's own,
    or `timed-out`, `cancelled`, `deadline-passed`.
    """

    message_type = "orders.order-rejected.v1"

    order_id: str
    step: str | None
    code: str
    message: str
