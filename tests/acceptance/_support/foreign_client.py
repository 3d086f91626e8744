"""Order fulfilment from outside: shop and participants played by hand, from the published page and nothing else.

It knows topics, types, fields and headers as that page specifies them, a Kafka client, JSON and UUIDs. No line of the
coordinator or of its demo is imported here: who reads the page can write this.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self, cast
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

from confluent_kafka import Consumer, Message, Producer, TopicPartition

ORDERS, REPLIES, OUTCOMES = "orders.events.v1", "saga.replies.v1", "saga.order-fulfilment.outcomes.v1"
DEAD_ORDERS, DEAD_REPLIES = f"{ORDERS}-dlt", f"{REPLIES}-dlt"
PLACED, CANCELLED = "orders.order-placed.v1", "orders.order-cancelled.v1"
CONFIRMED, REJECTED = "orders.order-confirmed.v1", "orders.order-rejected.v1"
FAILURE, DONE = "saga.failure.v1", "saga.done.v1"

RESERVE, RELEASE = "inventory.reserve-stock.v1", "inventory.release-stock.v1"
CHARGE, REFUND = "payments.charge-card.v1", "payments.refund-card.v1"
REVIEW, SHIP, NOTIFY = "reviews.review-fraud.v1", "shipping.ship-order.v1", "notifications.notify-customer.v1"

STEPS = {
    RESERVE: ("reserve-stock", "forward"),
    RELEASE: ("reserve-stock", "compensation"),
    CHARGE: ("charge-card", "forward"),
    REFUND: ("charge-card", "compensation"),
    REVIEW: ("review-fraud", "forward"),
    SHIP: ("ship-order", "forward"),
    NOTIFY: ("notify-customer", "forward"),
}
PARTICIPANTS = ("inventory", "payments", "reviews", "shipping", "notifications")
COMMAND_TOPICS = tuple(f"{participant}.commands.v1" for participant in PARTICIPANTS)
ANSWERS: dict[str, tuple[str, dict[str, object]]] = {
    RESERVE: ("inventory.stock-reserved.v1", {"reservation_id": "R-77"}),
    RELEASE: (DONE, {}),
    CHARGE: ("payments.card-charged.v1", {"charge_id": "C-88"}),
    REFUND: (DONE, {}),
    REVIEW: (DONE, {}),
    SHIP: ("shipping.order-shipped.v1", {"tracking": "T-99"}),
    NOTIFY: (DONE, {}),
}
LINES = [
    {"sku": "kettle-1l", "quantity": 2, "unit_price": "19.95"},
    {"sku": "tea-towel", "quantity": 1, "unit_price": "10.00"},
]
ADDRESS = {"street": "Nørregade 7, 2. tv.", "city": "København", "postcode": "1165", "country": "DK"}

Fields = dict[str, Any]
Headers = list[tuple[str, bytes]]


def instance_of(order: str) -> str:
    """The id of the instance that looks after an order."""
    return str(uuid5(NAMESPACE_URL, f"saga:order-fulfilment/{order}"))


def command_id(order: str, type_: str, attempt: int = 1) -> str:
    """The id of a command."""
    step, direction = STEPS[type_]
    return str(uuid5(UUID(instance_of(order)), f"{step}/{direction}/{attempt}"))


def order_fields(order: str, total: object = "49.90", **changed: object) -> Fields:
    """The value of an order event."""
    fields: Fields = {
        "order_id": order,
        "customer_id": "customer-7",
        "currency": "DKK",
        "total": total,
        "lines": LINES,
        "ship_to": ADDRESS,
    }
    return fields | changed


def new_traceparent(trace_id: str | None = None) -> str:
    """A sampled trace context of our own."""
    return f"00-{trace_id or uuid4().hex}-{uuid4().hex[:16]}-01"


class Sent(NamedTuple):
    """What was published: the message's id, its `topic:partition:offset`, and its headers."""

    id: str
    place: str
    headers: Headers


@dataclass(frozen=True)
class Received:
    """A record that the coordinator has published."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes
    headers: Headers

    def __getitem__(self, name: str) -> str:
        """The text of a header that stands there once."""
        [value] = [raw for known, raw in self.headers if known == name]
        return value.decode()

    @property
    def type(self) -> str:
        return self["ce_type"]

    @property
    def order(self) -> str:
        return (self.key or b"").decode()

    @property
    def is_dead(self) -> bool:
        return self.topic in {DEAD_ORDERS, DEAD_REPLIES}

    @property
    def origin(self) -> str:
        """Where a dead letter was read, by the headers that say so in Spring's encoding."""
        headers = dict(self.headers)
        topic = headers["kafka_dlt-original-topic"].decode()
        partition = int.from_bytes(headers["kafka_dlt-original-partition"], "big")
        return f"{topic}:{partition}:{int.from_bytes(headers['kafka_dlt-original-offset'], 'big')}"

    @property
    def fields(self) -> Fields:
        return dict(json.loads(self.value))

    @property
    def trace_id(self) -> str:
        return self["traceparent"].split("-")[1]


@dataclass
class ForeignClient:
    """Sends what a shop and participants send, and keeps everything that the coordinator publishes."""

    bootstrap_servers: str
    received: list[Received] = field(default_factory=list, repr=False)
    expected: dict[str, list[str]] = field(default_factory=dict, repr=False)
    expected_dead: list[str] = field(default_factory=list, repr=False)

    def __enter__(self) -> Self:
        """Listen to every topic that the coordinator writes, from its beginning."""
        where = {"bootstrap.servers": self.bootstrap_servers}
        self._producer = Producer({**where, "acks": "all"})
        self._consumer = Consumer({**where, "group.id": f"foreign-{uuid4()}", "enable.auto.commit": False})
        there = self._consumer.list_topics(timeout=30).topics
        topics = (*COMMAND_TOPICS, OUTCOMES, DEAD_ORDERS, DEAD_REPLIES)
        self._consumer.assign([TopicPartition(topic, each, 0) for topic in topics for each in there[topic].partitions])
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._consumer.close()
        self._producer.flush(10)

    # --- what a shop says

    def place(self, order: str, total: str = "49.90", **headers: str | None) -> Sent:
        """Place an order."""
        return self.event(order, PLACED, order_fields(order, total), **headers)

    def cancel(self, order: str) -> Sent:
        """Cancel an order."""
        return self.event(order, CANCELLED, {"order_id": order, "reason": "I found it cheaper"})

    def event(self, order: str, type_: str, fields: object, **headers: str | None) -> Sent:
        """Publish a business event; header arguments replace the usual ones, None leaves one out."""
        required = {"ce_id": str(uuid4()), "ce_source": "/shop", "ce_type": type_, "traceparent": new_traceparent()}
        return self.send(ORDERS, order, fields, required | headers)

    # --- what a participant says

    def answer(self, command: Received, **headers: str | None) -> Sent:
        """Say that a command was carried out."""
        type_, fields = ANSWERS[command.type]
        return self.reply(command, type_, fields, **headers)

    def refuse(self, command: Received, code: str, *, retryable: bool = False) -> Sent:
        """Say that a command was not carried out."""
        failure = {"code": code, "message": f"{code}, says the participant", "retryable": retryable, "details": None}
        return self.reply(command, FAILURE, failure)

    def reply(self, command: Received, type_: str, fields: object, **headers: str | None) -> Sent:
        """Reply to a command; header arguments replace what a participant echoes, None leaves one out."""
        return self.send(command["ce_replyto"], command.order, fields, echoed(command, type_) | headers)

    def send(self, topic: str, key: str, value: object, headers: Mapping[str, str | None]) -> Sent:
        """Publish a record, and wait until it is there; bytes and None go as they are, all else as JSON."""
        delivered: list[Message] = []
        whole = {"ce_specversion": "1.0", "content-type": "application/json", **headers}
        raw = [(name, text.encode()) for name, text in whole.items() if text is not None]
        body = value if isinstance(value, bytes | None) else json.dumps(value).encode()
        self._producer.produce(
            topic, body, key.encode(), headers=dict(raw), on_delivery=lambda _, sent: delivered.append(sent)
        )
        assert self._producer.flush(30) == 0
        [sent] = delivered
        assert sent.error() is None, sent.error()
        return Sent(headers.get("ce_id") or "", f"{sent.topic()}:{sent.partition()}:{sent.offset()}", raw)

    # --- what the coordinator says

    def of(self, order: str) -> list[Received]:
        """All commands and outcomes that were received about an order so far."""
        return [each for each in self.received if each.order == order and not each.is_dead]

    def has_heard(self, order: str, *types: str) -> None:
        """Say that these messages about an order, and no others, were received; nothing more may come after this."""
        self.expected[order] = sorted(types)
        assert sorted(each.type for each in self.of(order)) == self.expected[order]

    def wait_for(self, order: str, type_: str, nth: int = 1) -> Received:
        """Wait for the n-th message of a type about an order."""
        return self._wait(lambda: [each for each in self.of(order) if each.type == type_], nth, f"{type_} for {order}")

    def dead(self, sent: Sent) -> Received:
        """Wait for the dead letter of a record."""
        self.expected_dead.append(sent.place)
        return self._wait(lambda: self._letters(sent.place), 1, f"the dead letter of {sent.place}")

    def drain(self) -> None:
        """Receive everything that is there: for when the coordinator has ended."""
        while self._poll(1.0):
            continue

    def _letters(self, place: str) -> list[Received]:
        return [each for each in self.received if each.is_dead and each.origin == place]

    def _wait(self, found: Callable[[], list[Received]], nth: int, what: str) -> Received:
        limit = time.monotonic() + 30
        while len(found()) < nth:
            assert time.monotonic() < limit, f"never received {what}, copy {nth}"
            self._poll(0.1)
        return found()[nth - 1]

    def _poll(self, seconds: float) -> bool:
        message = self._consumer.poll(seconds)
        if message is None:
            return False
        assert message.error() is None, message.error()
        self.received.append(_received(message))
        return True


def echoed(command: Received, type_: str) -> dict[str, str | None]:
    """The headers of a reply, as its page wants them: what is the participant's own, and what it echoes."""
    return {
        "ce_id": str(uuid4()),
        "ce_source": "/somebody-else",
        "ce_type": type_,
        "ce_correlationid": command["ce_correlationid"],
        "ce_causationid": command["ce_id"],
        "traceparent": command["traceparent"],
    }


def _received(message: Message) -> Received:
    return Received(
        message.topic() or "", message.partition() or 0, message.offset() or 0,
        message.key(), message.value() or b"", list(_headers(message)),
    )  # fmt: skip


def _headers(message: Message) -> Iterator[tuple[str, bytes]]:
    """The headers as a consumer gets them; the stubs allow all that a producer takes."""
    for name, raw in cast("Headers", message.headers() or []):
        assert raw is not None, f"header {name} of {message.topic()} has no value"
        yield name, raw
