"""The conversation with payments: charge a card, and refund it."""

from saga_coordinator.contracts.message import Command, Done, Reply
from saga_coordinator.contracts.messages.money import Amount, Currency

TOPIC = "payments.commands.v1"


class CardCharged(Reply):
    """The amount was charged under `charge_id`."""

    message_type = "payments.card-charged.v1"

    charge_id: str


class ChargeCard(Command[CardCharged]):
    """Charge the customer's card."""

    message_type = "payments.charge-card.v1"
    topic = TOPIC

    order_id: str
    customer_id: str
    amount: Amount
    currency: Currency


class RefundCard(Command[Done]):
    """Refund the amount. Without a `charge_id` the charge was never confirmed: identify it by the order."""

    message_type = "payments.refund-card.v1"
    topic = TOPIC

    order_id: str
    charge_id: str | None
    amount: Amount
    currency: Currency
