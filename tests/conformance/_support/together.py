"""Two coordinators on one database, and races between them: one waits before it writes, the other does all it can."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar, cast

from saga_coordinator.handlers.bootstrap import Handlers, wire_handlers
from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import Changes, DecidedBatch, OutboxMessage, OutboxRow, Record
from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.service.storage.postgres.store import PostgresStore
from tests.support.postgres.databases import Database
from tests.unit.handlers._support.coordinator import HandClock, Wall, Watcher, sampled
from tests.unit.handlers._support.order_log import REPLIES

T = TypeVar("T")

LET_GO_AFTER = 0.3
"""Seconds that the one who waits gives the other, which waits for its locks if it has to."""


@dataclass
class Gate:
    """Where one waits, once, before it writes."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        self.reached.set()
        await self.opened.wait()


class GatedStore:
    """The real store, with a gate before the next write."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.gate: Gate | None = None

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        return await self.store.transact(lambda tx: work(cast("Transaction", _Gated(tx, self))))

    async def commit(self, batch: DecidedBatch) -> Sequence[OutboxRow]:
        await self.pass_gate()
        return await self.store.commit(batch)

    async def pass_gate(self) -> None:
        gate, self.gate = self.gate, None
        if gate is not None:
            await gate.wait()

    @property
    def is_shared(self) -> bool:
        return True

    async def unsent(self) -> Sequence[OutboxRow]:
        return await self.store.unsent()

    async def next_timer(self) -> datetime | None:
        return await self.store.next_timer()


class _Gated:
    """A transaction that waits at the gate after it has read everything."""

    def __init__(self, tx: Transaction, store: GatedStore) -> None:
        self._tx = tx
        self._store = store

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the transaction has
        return getattr(self._tx, name)

    async def save(self, changes: Changes) -> Sequence[OutboxRow]:
        await self._store.pass_gate()
        return await self._tx.save(changes)


@dataclass
class Member:
    """One coordinator of several. It owns the partition with its number of every topic."""

    number: int
    store: GatedStore
    handlers: Handlers
    clock: HandClock
    watcher: Watcher
    wall: Wall

    async def take(self, *records: Record) -> None:
        """Lease what is not leased yet, and take the records in, in one batch."""
        for at in sorted({record.place[:2] for record in records} - set(self.handlers.leases.owned())):
            self.handlers.leases.add(await self.store.store.acquire(*at, f"member-{self.number}"))
        await self.handlers.intake.receive(records)

    async def lease_homes(self) -> None:
        """Lease both partitions of the reply topic."""
        for home in (0, 1):
            self.handlers.leases.add(await self.store.store.acquire(REPLIES, home, f"member-{self.number}"))

    def sent(self, type_: str) -> list[OutboxMessage]:
        """The messages of a type that it has written, in order."""
        return [
            row
            for turn in self.watcher.turns
            for row in turn.changes.outbox
            if dict(row.headers).get("ce_type") == type_.encode()
        ]


@asynccontextmanager
async def members(database: Database, *catalog: AnySaga) -> AsyncIterator[tuple[Member, Member]]:
    """Two coordinators with the same catalog; the first owns both homes."""
    routes, clock = Routes(catalog), HandClock()
    both = []
    for number in (0, 1):
        store = GatedStore(PostgresStore(database.server, routes.saga_of))
        watcher, wall = Watcher(), Wall()
        wired = wire_handlers(routes, store=store, publisher=wall, clock=clock, observer=watcher, sampler=sampled)
        both.append(Member(number, store, wired, clock, watcher, wall))
        await store.store.open()
    try:
        await both[0].lease_homes()
        yield both[0], both[1]
    finally:
        for each in both:
            await each.store.store.close()


async def race(waiting: Member, one: Awaitable[object], other: Awaitable[object]) -> list[object]:
    """Let `one` wait before it writes, until `other` is done or waits for it; return their results."""
    gate = waiting.store.gate = Gate()
    first = asyncio.ensure_future(one)
    await asyncio.wait({first, asyncio.ensure_future(gate.reached.wait())}, return_when=asyncio.FIRST_COMPLETED)
    second = asyncio.ensure_future(other)
    await asyncio.wait({second}, timeout=LET_GO_AFTER)
    gate.opened.set()
    return list(await asyncio.gather(first, second))
