"""A store that fails where a test wants it to: before or after each part of a transaction, or in its commit."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import (
    Changes,
    DeadLetterQueue,
    DecidedBatch,
    EarlyEvent,
    EventSubscription,
    InstanceRecord,
    Lease,
    LeaseMove,
    OutboxRow,
    Place,
    UnreadableInstance,
)
from saga_coordinator.service.storage.sqlite.store import SqliteStore

T = TypeVar("T")


class Broken(OSError):
    """What a full disk or a lost connection would raise."""


class BrittleStore:
    """The real store; the next transaction fails at the point that `fails_at` names, once."""

    def __init__(self, store: SqliteStore) -> None:
        self.fails_at: str | None = None
        self.fails_with: Callable[[str], Exception] = Broken
        self._store = store

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Commit nothing and fail, fail after the commit, or do as the real one."""

        async def brittle(tx: Transaction) -> T:
            result = await work(BrittleTransaction(self, tx))
            self.reach("commit")
            return result

        result = await self._store.transact(brittle)
        self.reach("after commit")
        return result

    async def commit(self, batch: DecidedBatch) -> Sequence[OutboxRow]:
        """Commit nothing and fail, fail after the commit, or do as the real one."""
        self.reach("commit")
        rows = await self._store.commit(batch)
        self.reach("after commit")
        return rows

    async def acquire(self, topic: str, partition: int, owner: str) -> Lease:
        return await self._store.acquire(topic, partition, owner)

    @property
    def is_shared(self) -> bool:
        return self._store.is_shared

    async def leases(self) -> Sequence[Lease]:
        return await self._store.leases()

    async def unsent(self) -> Sequence[OutboxRow]:
        return await self._store.unsent()

    async def next_timer(self) -> datetime | None:
        return await self._store.next_timer()

    def reach(self, point: str) -> None:
        """Fail if this is the point to fail at."""
        if point == self.fails_at:
            self.fails_at = None
            raise self.fails_with(f"on purpose: {point}")


class Stores:
    """Puts a brittle store around the real one, and keeps it at hand."""

    brittle: BrittleStore

    def worn(self, store: SqliteStore) -> BrittleStore:
        """Wear the store."""
        self.brittle = BrittleStore(store)
        return self.brittle


class BrittleTransaction:
    """The real transaction, failing after each of its calls."""

    def __init__(self, store: BrittleStore, real: Transaction) -> None:
        self._store = store
        self._real = real

    async def advance(self, moves: Sequence[LeaseMove]) -> Sequence[Lease]:
        return self._passed("advance", await self._real.advance(moves))

    async def load(self, ids: Collection[str]) -> Mapping[str, InstanceRecord]:
        return self._passed("load", await self._real.load(ids))

    @property
    def unreadable_instances(self) -> Mapping[str, UnreadableInstance]:
        return self._real.unreadable_instances

    async def load_due(self, now: datetime, limit: int, homes: Sequence[Lease]) -> Sequence[InstanceRecord]:
        return self._passed("load_due", await self._real.load_due(now, limit, homes))

    async def load_early_events(self, addresses: Collection[str]) -> Sequence[EarlyEvent]:
        return self._passed("load_early_events", await self._real.load_early_events(addresses))

    async def load_subscriptions(self, addresses: Collection[str]) -> Sequence[EventSubscription]:
        return self._passed("load_subscriptions", await self._real.load_subscriptions(addresses))

    async def load_expired_events(self, now: datetime, limit: int) -> Sequence[EarlyEvent]:
        return self._passed("load_expired_events", await self._real.load_expired_events(now, limit))

    async def load_dead_letters(self, place: Place, ids: Collection[str]) -> DeadLetterQueue:
        return self._passed("load_dead_letters", await self._real.load_dead_letters(place, ids))

    async def save(self, changes: Changes) -> Sequence[OutboxRow]:
        return self._passed("save", await self._real.save(changes))

    def _passed(self, point: str, result: T) -> T:
        self._store.reach(point)
        return result
