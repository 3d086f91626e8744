"""The conversation with notifications: inform the customer."""

from saga_coordinator.contracts.message import Command, Done

TOPIC = "notifications.commands.v1"


class NotifyCustomer(Command[Done]):
    """Inform the customer that the order is on its way."""

    message_type = "notifications.notify-customer.v1"
    topic = TOPIC

    order_id: str
    customer_id: str
    tracking: str
