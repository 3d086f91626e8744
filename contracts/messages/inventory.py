"""The conversation with the inventory: reserve stock, and release it."""

from saga_coordinator.contracts.message import Command, Done, Reply
from saga_coordinator.contracts.messages.orders import Lines

TOPIC = "inventory.commands.v1"


class StockReserved(Reply):
    """The stock is reserved under `reservation_id`."""

    message_type = "inventory.stock-reserved.v1"

    reservation_id: str


class ReserveStock(Command[StockReserved]):
    """Reserve the stock of all lines."""

    message_type = "inventory.reserve-stock.v1"
    topic = TOPIC

    order_id: str
    lines: Lines


class ReleaseStock(Command[Done]):
    """Release the stock. Without a `reservation_id` the reservation was never confirmed: identify it by the order."""

    message_type = "inventory.release-stock.v1"
    topic = TOPIC

    order_id: str
    reservation_id: str | None
