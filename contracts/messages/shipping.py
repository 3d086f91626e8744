"""The conversation with shipping: hand an order over to the carrier."""

from saga_coordinator.contracts.message import Command, Reply
from saga_coordinator.contracts.messages.orders import Address, Lines

TOPIC = "shipping.commands.v1"


class OrderShipped(Reply):
    """The carrier has the order under `tracking`."""

    message_type = "shipping.order-shipped.v1"

    tracking: str


class ShipOrder(Command[OrderShipped]):
    """Hand all lines to the carrier."""

    message_type = "shipping.ship-order.v1"
    topic = TOPIC

    order_id: str
    ship_to: Address
    lines: Lines
