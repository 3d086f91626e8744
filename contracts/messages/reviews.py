"""The conversation with the reviewers: review a large order."""

from saga_coordinator.contracts.message import Command, Done
from saga_coordinator.contracts.messages.money import Amount, Currency

TOPIC = "reviews.commands.v1"


class ReviewFraud(Command[Done]):
    """Review an order before it ships. A refusal is a failure; a review changes nothing, and needs no compensation."""

    message_type = "reviews.review-fraud.v1"
    topic = TOPIC
    safe = True

    order_id: str
    customer_id: str
    amount: Amount
    currency: Currency
