"""The conversation with the inventory: set stock aside, and give it back."""

from saga_coordinator.contracts.message import Command, Done, Reply
from saga_coordinator.contracts.messages.orders import Lines

TOPIC = "inventory.commands.v1"


class StockReserved(Reply):
    """The stock is set aside under `reservation_id`."""

    message_type = "inventory.stock-reserved.v1"

    reservation_id: str


class ReserveStock(Command[StockReserved]):
    """Set the stock of all lines aside."""

    message_type = "inventory.reserve-stock.v1"
    topic = TOPIC

    order_id: str
    lines: Lines


class ReleaseStock(Command[Done]):
    """Give the stock back. Without a `reservation_id` the reservation was never confirmed: go by the order."""

    message_type = "inventory.release-stock.v1"
    topic = TOPIC

    order_id: str
    reservation_id: str | None
