"""The conversation with equipment: order a laptop, cancel the order, hand the laptop over."""

from saga_coordinator.contracts.message import Command, Done, Reply

TOPIC = "equipment.commands.v1"


class LaptopOrdered(Reply):
    """The laptop is registered as `asset_id`."""

    message_type = "equipment.laptop-ordered.v1"

    asset_id: str


class OrderLaptop(Command[LaptopOrdered]):
    """Order the laptop that a role needs."""

    message_type = "equipment.order-laptop.v1"
    topic = TOPIC

    employee_id: str
    role: str


class ReturnLaptop(Command[Done]):
    """Return the laptop. Without an `asset_id` the order was never confirmed: identify it by the employee."""

    message_type = "equipment.return-laptop.v1"
    topic = TOPIC

    employee_id: str
    asset_id: str | None


class HandOverLaptop(Command[Done]):
    """Give the employee the laptop."""

    message_type = "equipment.hand-over-laptop.v1"
    topic = TOPIC

    employee_id: str
    asset_id: str
