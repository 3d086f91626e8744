"""What the handlers need from the world: a store, a publisher, a clock, somebody who watches."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from saga_coordinator.handlers.records import (
    Changes,
    Committed,
    DeadLetterQueue,
    EarlyEvent,
    EventSubscription,
    InstanceRecord,
    Lease,
    LeaseMove,
    OutboxMessage,
    OutboxRow,
    Place,
    UnreadableInstance,
)

T = TypeVar("T")


class Transaction(Protocol):
    """One transaction of the store. What it reads is what it writes upon."""

    async def advance(self, moves: Sequence[LeaseMove]) -> Sequence[Lease]:
        """Move the leases; the first statement. Returns the leases that did not stand as expected, as they are."""
        ...

    async def load(self, ids: Collection[str]) -> Mapping[str, InstanceRecord]:
        """Return those of the instances that exist and can be read, by id."""
        ...

    @property
    def unreadable_instances(self) -> Mapping[str, UnreadableInstance]:
        """The instances that this transaction was asked for and could not read, by id."""
        ...

    async def load_due(self, now: datetime, most: int, homes: Sequence[Lease]) -> Sequence[InstanceRecord]:
        """Return the instances whose alarm is due and whose home is one of these leases, as it is now; oldest first.

        Those that cannot be read are left out; a later call looks behind them.
        """
        ...

    async def load_early_events(self, addresses: Collection[str]) -> Sequence[EarlyEvent]:
        """Return what is held at these addresses, in order of arrival."""
        ...

    async def load_subscriptions(self, addresses: Collection[str]) -> Sequence[EventSubscription]:
        """Return the instances that await an event at these addresses."""
        ...

    async def load_expired_events(self, now: datetime, most: int) -> Sequence[EarlyEvent]:
        """Return what was held for too long."""
        ...

    async def load_dead_letters(self, place: Place, ids: Collection[str]) -> DeadLetterQueue:
        """Return what was set aside or queued at a place, and for these instances."""
        ...

    async def save(self, changes: Changes) -> Sequence[OutboxRow]:
        """Write everything, and return the outbox rows in order. Raises `Conflict` if an instance has moved on."""
        ...


class Store(Protocol):
    """Where instances live. The truth."""

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in one transaction, committed when it returns, rolled back when it raises.

        A cancelled caller does not split it. When the commit itself fails its outcome is unknown.
        """
        ...

    async def take(self, topic: str, partition: int, owner: str) -> Lease:
        """Take a partition over, in a new epoch."""
        ...

    @property
    def is_shared(self) -> bool:
        """Say whether other coordinators write to it too."""
        ...

    async def leases(self) -> Sequence[Lease]:
        """Return how all leases stand."""
        ...

    async def unsent(self) -> Sequence[OutboxRow]:
        """Return all rows of the outbox, in order. They are as many as the intake lets become unsent."""
        ...

    async def next_timer(self) -> datetime | None:
        """Return when the next alarm is due."""
        ...


class Publisher(Protocol):
    """Who brings messages to Kafka."""

    def partition(self, topic: str, key: bytes) -> int:
        """Return the partition of a topic that a key belongs to."""
        ...

    def most(self, topic: str) -> int:
        """Return how many bytes a message to a topic may have, with its headers and its frame."""
        ...

    async def publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        """Publish rows in order, and return when all are acknowledged. When it raises, any may have been written."""
        ...


class Clock(Protocol):
    """What time it is."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        ...


class Observer(Protocol):
    """Somebody who watches: traces, metrics, logs. It is told after the commit, and must neither wait nor raise."""

    def on_commit(self, turn: Committed) -> None:
        """Learn of a committed transaction."""
        ...

    def on_error(self, what: str, error: BaseException) -> None:
        """Learn that something did not work and will be tried again."""
        ...


class Conflict(Exception):
    """An instance was changed by somebody else between load and save: nothing is written, and the batch begins anew."""
