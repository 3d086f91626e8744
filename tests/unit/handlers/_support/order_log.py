"""The records of the order conversation, written by hand from its page: events, replies, and where they stand."""

import json
from collections import Counter
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from saga_coordinator.contracts import Event, Reply
from saga_coordinator.handlers.records import OutboxMessage, Place, RawHeaders, Record

EVENTS: Final = "orders.events.v1"
REPLIES: Final = "saga.replies.v1"
OUTCOMES: Final = "saga.order-fulfilment.outcomes.v1"
FAILURE: Final = "saga.failure.v1"

ANSWERS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "inventory.reserve-stock.v1": ("inventory.stock-reserved.v1", {"reservation_id": "R-1"}),
    "inventory.release-stock.v1": ("saga.done.v1", {}),
    "payments.charge-card.v1": ("payments.card-charged.v1", {"charge_id": "C-1"}),
    "payments.refund-card.v1": ("saga.done.v1", {}),
    "reviews.review-fraud.v1": ("saga.done.v1", {}),
    "shipping.ship-order.v1": ("shipping.order-shipped.v1", {"tracking": "T-1"}),
    "notifications.notify-customer.v1": ("saga.done.v1", {}),
}
TIMESTAMP: Final = 1_767_225_600_000


def instance_id(order: str) -> str:
    """The id that the page derives for an order's instance."""
    return str(uuid5(NAMESPACE_URL, f"saga:order-fulfilment/{order}"))


def command_id(order: str, step: str, direction: str = "forward", attempt: int = 1) -> str:
    """The id that the page derives for a command."""
    return str(uuid5(uuid5(NAMESPACE_URL, f"saga:order-fulfilment/{order}"), f"{step}/{direction}/{attempt}"))


def placed_value(order: str, **changed: object) -> bytes:
    """The JSON of an order event; `changed` fields differ from what is usual, None leaves a field out."""
    fields = {
        "order_id": order,
        "customer_id": "customer-7",
        "currency": "EUR",
        "total": "79.98",
        "lines": [{"sku": "kettle-1l", "quantity": 2, "unit_price": "39.99"}],
        "ship_to": {"street": "Nyhavn 22", "city": "Copenhagen", "postcode": "1051", "country": "DK"},
    } | changed
    return json.dumps({name: value for name, value in fields.items() if value is not None}).encode()


def attributes(id_: str, type_: str, **more: str) -> dict[str, bytes]:
    """The headers that every message has, and more."""
    found = {"ce_specversion": "1.0", "ce_id": id_, "ce_source": "/test", "ce_type": type_} | more
    return {name: value.encode() for name, value in found.items()}


def header(message: OutboxMessage | Record, name: str) -> str | None:
    """The text of a header, the last of equal names."""
    found = dict(message.headers).get(name)
    return None if found is None else found.decode()


def type_of(message: OutboxMessage) -> str:
    """The type of a message."""
    return header(message, "ce_type") or ""


class Log:
    """Topics as a broker keeps them: each record gets the next place of its partition."""

    def __init__(self) -> None:
        self._ends: Counter[tuple[str, int]] = Counter()

    def record(
        self, topic: str, key: str | None, value: bytes | None, headers: RawHeaders, *, partition: int = 0
    ) -> Record:
        """Append any record."""
        place = Place(topic, partition, self._ends[topic, partition])
        self._ends[topic, partition] += 1
        return Record(place, TIMESTAMP, None if key is None else key.encode(), value, headers)

    def placed(self, order: str = "o-1", *, partition: int = 0, traceparent: str = "", **changed: object) -> Record:
        """Append an order event."""
        more = {"traceparent": traceparent} if traceparent else {}
        headers = attributes(f"placed-{order}", "orders.order-placed.v1", **more)
        return self.record(EVENTS, order, placed_value(order, **changed), tuple(headers.items()), partition=partition)

    def event(self, event: Event, key: str, *, partition: int = 0, id_: str = "", source: str = "/test") -> Record:
        """Append an event of any saga."""
        headers = attributes(id_ or f"{event.message_type}-{key}", event.message_type, ce_source=source)
        value = event.model_dump_json().encode()
        return self.record(type(event).topic, key, value, tuple(headers.items()), partition=partition)

    def cancelled(self, order: str = "o-1", *, partition: int = 0) -> Record:
        """Append the event that cancels an order."""
        value = json.dumps({"order_id": order, "reason": "changed my mind"}).encode()
        headers = attributes(f"cancelled-{order}", "orders.order-cancelled.v1")
        return self.record(EVENTS, order, value, tuple(headers.items()), partition=partition)

    def answer(self, command: OutboxMessage, *, partition: int = 0, **headers: str) -> Record:
        """Append the reply of a participant that carried the command out; `headers` are changed, empty ones dropped."""
        type_, fields = ANSWERS[type_of(command)]
        return self.reply(command, type_, json.dumps(fields).encode(), partition=partition, **headers)

    def refuse(self, command: OutboxMessage, *, retryable: bool = False, partition: int = 0) -> Record:
        """Append the reply of a participant that did not carry the command out."""
        failure = {"code": "no-carrier", "message": "nobody goes there", "retryable": retryable, "details": None}
        return self.reply(command, FAILURE, json.dumps(failure).encode(), partition=partition)

    def says(self, command: OutboxMessage, reply: Reply) -> Record:
        """Append the reply of a participant of any saga."""
        return self.reply(command, reply.message_type, reply.model_dump_json().encode())

    def reply(
        self, command: OutboxMessage, type_: str, value: bytes | None, *, partition: int = 0, **headers: str
    ) -> Record:
        """Append any reply to a command, with all that a reply echoes; changed `headers` that are empty are dropped."""
        usual = {
            "ce_correlationid": header(command, "ce_correlationid") or "",
            "ce_causationid": command.message_id,
            "traceparent": header(command, "traceparent") or "",
        }
        found = attributes(f"reply-{command.message_id}", type_, **(usual | headers))
        kept = tuple((name, raw) for name, raw in found.items() if raw)
        key = (command.key or b"").decode()
        return self.record(header(command, "ce_replyto") or REPLIES, key, value, kept, partition=partition)
