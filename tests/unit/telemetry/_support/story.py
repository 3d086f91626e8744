"""Orders as the coordinator lives through them: the real handlers' batch, in virtual time, without Kafka or a store."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

from saga_coordinator.contracts import Done, Envelope, Failure, Reply
from saga_coordinator.contracts import envelope as wire
from saga_coordinator.contracts.messages.inventory import ReserveStock, StockReserved
from saga_coordinator.contracts.messages.orders import OrderCancelled, OrderPlaced
from saga_coordinator.contracts.messages.payments import CardCharged, ChargeCard
from saga_coordinator.contracts.messages.shipping import OrderShipped, ShipOrder
from saga_coordinator.handlers.decode import read
from saga_coordinator.handlers.dispatch import Dispatcher
from saga_coordinator.handlers.encode import Encoder
from saga_coordinator.handlers.names import DEFAULT_NAMES
from saga_coordinator.handlers.ports import Lane
from saga_coordinator.handlers.records import (
    Committed,
    InstanceRecord,
    OutboxMessage,
    Place,
    Record,
    TransitionRecord,
)
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.trace_context import Sampler
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Instance, TimerFired

BEGINNING = datetime(2026, 1, 1, 12, tzinfo=UTC)
TOOK = timedelta(milliseconds=4)

REPLIED: Mapping[str, Reply] = {
    ReserveStock.message_type: StockReserved(reservation_id="r-1"),
    ChargeCard.message_type: CardCharged(charge_id="c-1"),
    ShipOrder.message_type: OrderShipped(tracking="t-1"),
}

Participant = Callable[[Envelope], Reply | None]
Relayed = Callable[[str | None], str | None]
"""What a participant makes of the trace context of a command: echo it, drop it, or something of its own."""


def echoed(traceparent: str | None) -> str | None:
    return traceparent


def dropped(_traceparent: str | None) -> None:
    return None


def willing(command: Envelope) -> Reply:
    """Carry out every command."""
    return REPLIED.get(command.type, Done())


def declining(step: str, *, retryable: bool = False) -> Participant:
    """Carry out every command but those of one step."""

    def participant(command: Envelope) -> Reply:
        if command.step == step and command.direction == "forward":
            return Failure(code="declined", message="not today", retryable=retryable)
        return willing(command)

    return participant


def order_placed(order: str, traceparent: str | None = None) -> Record:
    """The event that starts an order, as Kafka brings it."""
    body = {
        "order_id": order,
        "customer_id": "customer-1",
        "currency": "EUR",
        "total": "49.99",
        "lines": [{"sku": "sku-1", "quantity": 1, "unit_price": "49.99"}],
        "ship_to": {"street": "Street 1", "city": "City", "postcode": "1000", "country": "DE"},
    }
    envelope = Envelope(id=f"event-{order}", type=OrderPlaced.message_type, source="/shop", traceparent=traceparent)
    return _record(OrderPlaced.topic, order.encode(), json.dumps(body).encode(), envelope)


def order_cancelled(order: str) -> Record:
    """The event that cancels an order."""
    envelope = Envelope(id=f"cancel-{order}", type=OrderCancelled.message_type, source="/shop")
    body = {"order_id": order, "reason": "changed my mind"}
    return _record(OrderCancelled.topic, order.encode(), json.dumps(body).encode(), envelope)


def reply_to(row: OutboxMessage, reply: Reply, relayed: Relayed = echoed) -> Record:
    """A participant's answer to a command."""
    command, _ = wire.read(row.headers, row.value)
    envelope = Envelope(
        id=f"reply-to-{command.id}",
        type=reply.message_type,
        source="/participant",
        correlation_id=command.correlation_id,
        causation_id=command.id,
        traceparent=relayed(command.traceparent),
    )
    return _record(DEFAULT_NAMES.replies, row.key or b"", reply.model_dump_json().encode(), envelope)


class Nobody:
    """An observer that watches nothing."""

    def on_commit(self, turn: Committed) -> None: ...

    def on_error(self, what: str, error: BaseException) -> None: ...

    def on_stopped(self, at: Lane, reason: str) -> None: ...


class Story:
    """One coordinator's life. Every acting method is one transaction, and returns it as observers learn of it."""

    def __init__(self, sampler: Sampler = lambda _: True) -> None:
        self.at = BEGINNING
        self.turns: list[Committed] = []
        self._encoder = Encoder(lambda _topic, key: len(key) % 2)
        self._sampler = sampler
        self._routes = Routes([order_fulfilment])
        self._dispatcher = Dispatcher(self._routes, Nobody())
        self._stored: dict[str, InstanceRecord] = {}

    @property
    def transitions(self) -> list[TransitionRecord]:
        """Everything that happened."""
        return [hop for turn in self.turns for hop in turn.transitions]

    @property
    def instance(self) -> Instance[Any]:
        """The only instance there is."""
        (stored,) = self._stored.values()
        return stored.instance

    def takes(self, *records: Record) -> Committed:
        """Take a batch of records in."""

        def take_all(batch: Session) -> None:
            for record in records:
                self._dispatcher.dispatch(batch, read(self._routes, record))

        return self._commit(take_all)

    def wakes(self, after: timedelta) -> Committed:
        """Let time pass, and fire every timer that is due then."""
        self.at += after
        due = [each for each in self._stored.values() if (at := each.instance.next_timer_at) and at <= self.at]
        assert due, f"nothing is due at {self.at}"
        return self._commit(lambda batch: [batch.apply(order_fulfilment, each, TimerFired(batch.at)) for each in due])

    def runs(self, *records: Record, by: Participant = willing, relayed: Relayed = echoed) -> Sequence[Committed]:
        """Take records in, let participants answer, and go on until nobody has anything to say."""
        before = len(self.turns)
        turn = self.takes(*records)
        while answers := self.answers(turn, by, relayed):
            turn = self.takes(*answers)
        return self.turns[before:]

    def answers(self, turn: Committed, by: Participant = willing, relayed: Relayed = echoed) -> list[Record]:
        """Return what participants answer to the commands of a transaction."""
        answered = []
        for hop in turn.transitions:
            for row, _ in hop.sent:
                command, _ = wire.read(row.headers, row.value)
                reply = by(command) if command.reply_to else None
                if reply is not None:
                    answered.append(reply_to(row, reply, relayed))
        return answered

    def _commit(self, work: Callable[[Session], object]) -> Committed:
        """Run one transaction that takes 4 ms; the next begins 20 ms after it has begun."""
        batch = Session(self._encoder, self._sampler, self.at + TOOK / 2)
        batch.add_loaded(self._stored, {})
        work(batch)
        changes = batch.finish()
        self._stored.update({stored.instance.id: stored for stored, _ in changes.instances})
        turn = Committed(batch.transitions, changes, self.at, self.at + TOOK)
        self.turns.append(turn)
        self.at += 5 * TOOK
        return turn


def _record(topic: str, key: bytes, value: bytes, envelope: Envelope) -> Record:
    """Put a message at a place of its own."""
    return Record(Place(topic, 0, crc32(envelope.id.encode())), 1_767_268_800_000, key, value, wire.write(envelope))
