"""Those whom a coordinator serves: a shop that places orders, and participants that answer, badly; with a ledger."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Final

from saga_coordinator.contracts import envelope as wire
from saga_coordinator.handlers.records import RawHeaders
from tests.resilience.worlds._support import trips
from tests.resilience.worlds._support.broker import Broker, Polled
from tests.unit.handlers._support.order_log import ANSWERS, EVENTS, FAILURE, REPLIES, attributes, placed_value

COMMAND_TOPICS: Final = (
    "inventory.commands.v1", "payments.commands.v1", "reviews.commands.v1", "shipping.commands.v1",
    "notifications.commands.v1", *trips.TOPICS,
)  # fmt: skip
ALL_ANSWERS: Final = ANSWERS | trips.ANSWERS


@dataclass
class Manners:
    """How participants behave: shares from 0 to 1. They never forget what they did."""

    refuses: float = 0.0
    postpones: float = 0.0
    loses_reply: float = 0.0
    repeats_reply: float = 0.0
    answers_late: float = 0.0
    works_late: float = 0.0
    talks_nonsense: float = 0.0


@dataclass
class Participants:
    """All of them. Each answers a copy of a command by its id, and bars what comes after its own undo."""

    broker: Broker
    chance: Random
    manners: Manners
    effects: dict[str, tuple[str, str]] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    answers: dict[str, tuple[str, dict[str, object]]] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)

    def listen(self) -> None:
        for topic in COMMAND_TOPICS:
            self.broker.listeners.setdefault(topic, []).append(self._come)

    def net(self, order: str) -> Counter[str]:
        """How often each step of an order stands done now."""
        return Counter(step for id_, (of, step) in self.effects.items() if of == order and id_ not in self.undone)

    def _come(self, record: Polled) -> None:
        """A command has come; it is carried out in a while."""
        late = self.chance.random() < self.manners.works_late
        self._after(self.chance.random() * (6.0 if late else 0.05), self._work, record)

    def _work(self, record: Polled) -> None:
        envelope, _ = wire.read(record.headers, record.value)
        if envelope.id not in self.answers:
            self.answers[envelope.id] = self._first(record, envelope)
        manners, chance = self.manners, self.chance
        if chance.random() < manners.talks_nonsense:
            self._reply(record, envelope, "saga.done.v1" if chance.random() < 0.5 else "nonsense", {"?": 1}, stray=True)
        if chance.random() < manners.loses_reply:
            return
        copies = 1 + (chance.random() < manners.repeats_reply)
        for _ in range(copies):
            late = 6.0 if chance.random() < manners.answers_late else 0.02
            self._after(chance.random() * late, self._reply, record, envelope, *self.answers[envelope.id])

    def _first(self, record: Polled, envelope: wire.Envelope) -> tuple[str, dict[str, object]]:
        """Decide what becomes of a command that was never seen before."""
        self.times[envelope.id] += 1
        order = (record.key or b"").decode()
        if envelope.compensates:
            if self.chance.random() < self.manners.postpones:
                return FAILURE, {"code": "busy", "message": "", "retryable": True}
            self.undone.add(envelope.compensates)
        elif envelope.id in self.undone:
            return FAILURE, {"code": "undone", "message": "its undo came first", "retryable": False}
        elif self.chance.random() < self.manners.refuses and envelope.step != "notify-customer":
            return FAILURE, {"code": "no", "message": "never", "retryable": False}
        elif self.chance.random() < self.manners.postpones:
            return FAILURE, {"code": "busy", "message": "", "retryable": True}
        else:
            self.effects[envelope.id] = (order, envelope.step or "")
        type_, fields = ALL_ANSWERS[envelope.type]
        return type_, dict(fields)

    def _reply(
        self,
        record: Polled,
        envelope: wire.Envelope,
        type_: str,
        fields: dict[str, object],
        stray: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        causation = f"stray-{envelope.id}" if stray and type_ != "nonsense" else envelope.id
        ids = {"ce_correlationid": envelope.correlation_id or "", "ce_causationid": causation}
        headers: RawHeaders = tuple(attributes(f"re-{envelope.id}", type_, **ids).items())
        key = record.key or b""
        self.broker.append(REPLIES, self.broker.partition(REPLIES, key), key, json.dumps(fields).encode(), headers)

    def _after(self, seconds: float, work: object, *args: object) -> None:
        asyncio.get_running_loop().call_later(seconds, work, *args)  # type: ignore[arg-type]  # what is called takes them


@dataclass
class Shop:
    """Places orders, some twice, some cancelled, one or the other before it is placed."""

    broker: Broker
    chance: Random
    orders: list[str] = field(default_factory=list)

    def open(self, count: int, within: float) -> None:
        for number in range(count):
            order = f"o-{number}"
            self.orders.append(order)
            at = self.chance.random() * within
            value = placed_value(order, total="2000" if self.chance.random() < 0.2 else "79.98")
            for _ in range(1 + (self.chance.random() < 0.2)):
                self._later(at + self.chance.random() * 0.3, order, "orders.order-placed.v1", value)
            if self.chance.random() < 0.3:
                at += self.chance.random() * 2 - 0.3
                cancel = json.dumps({"order_id": order, "reason": "changed my mind"}).encode()
                self._later(max(0.0, at), order, "orders.order-cancelled.v1", cancel)
            if self.chance.random() < 0.1:
                self._later(at, order, "orders.order-placed.v1", b"not JSON")

    def _later(self, at: float, order: str, type_: str, value: bytes) -> None:
        headers = tuple(attributes(f"{type_}-{order}", type_).items())
        key = order.encode()
        place = (EVENTS, self.broker.partition(EVENTS, key))
        asyncio.get_running_loop().call_later(max(0.0, at), self.broker.append, *place, key, value, headers)
