"""A coordinator in one hand: the real handlers on a real file, a clock that stands still, a wire that remembers."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from saga_coordinator.handlers.bootstrap import Handlers, wire_handlers
from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES
from saga_coordinator.handlers.ports import Done, Lane, Publisher, Store
from saga_coordinator.handlers.records import Committed, InstanceRecord, OutboxMessage, Place, Record
from saga_coordinator.handlers.relay import Relay
from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.service.storage.sqlite.store import Report, SqliteStore
from tests.unit.handlers._support.order_log import type_of

TIME = datetime(2026, 1, 1, 12, tzinfo=UTC)


class HandClock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.time = TIME

    def now(self) -> datetime:
        return self.time

    def pass_by(self, time: timedelta) -> None:
        """Let time pass."""
        self.time += time


class Posting:
    """A publisher whose batches are published by a coroutine each, which a test writes."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    async def publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        """Return when all rows are acknowledged. When it raises, any may have been written."""
        raise NotImplementedError

    def post(self, lanes: Mapping[Lane, Sequence[OutboxMessage]], done: Done) -> None:
        for lane, rows in lanes.items():
            task = asyncio.get_running_loop().create_task(self._publish(lane, rows, done))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _publish(self, lane: Lane, rows: Sequence[OutboxMessage], done: Done) -> None:
        outcome: int | Exception = len(rows)
        try:
            await self.publish(*lane, rows)
        except Exception as error:  # noqa: BLE001  whatever a test raises
            outcome = error
        done(lane, outcome)


class Wall(Posting):
    """A publisher that remembers what it was given, in order; keys of even length belong to partition 0."""

    def __init__(self) -> None:
        super().__init__()
        self.published: list[OutboxMessage] = []
        self.limits: dict[str, int] = {}

    def partition(self, topic: str, key: bytes) -> int:  # noqa: ARG002  the port's form
        return len(key) % 2

    def max_message_bytes(self, topic: str) -> int:
        return self.limits.get(topic, MAX_MESSAGE_BYTES)

    async def publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        assert {(row.topic, row.partition) for row in rows} == {(topic, partition)}
        self.published.extend(rows)


@dataclass
class Watcher:
    """An observer that records its calls."""

    turns: list[Committed] = field(default_factory=list)
    troubles: list[tuple[str, BaseException]] = field(default_factory=list)
    stopped: list[tuple[Lane, str]] = field(default_factory=list)

    def on_commit(self, turn: Committed) -> None:
        self.turns.append(turn)

    def on_error(self, what: str, error: BaseException) -> None:
        self.troubles.append((what, error))

    def on_stopped(self, at: Lane, reason: str) -> None:
        self.stopped.append((at, reason))


def sampled(trace_id: str) -> bool:  # noqa: ARG001  a sampler's form
    """A sampler that takes every trace."""
    return True


class Verdict(NamedTuple):
    """What became of a record."""

    verdict: str
    reason: str | None


class Audit(NamedTuple):
    """What an operator did with a dead letter."""

    who: str
    why: str
    action: str
    topic: str
    offset: int
    before: bytes | None
    cause: str


@dataclass
class Coordinator:
    """The handlers, wired as the service wires them, and what a test wants to see of them."""

    path: Path
    routes: Routes
    store: SqliteStore
    clock: HandClock
    watcher: Watcher
    handlers: Handlers

    def __post_init__(self) -> None:
        """Hold what tests want to see at hand."""
        self.leases, self.instance_cache, self.relay = (
            self.handlers.leases,
            self.handlers.instance_cache,
            self.handlers.relay,
        )
        self.intake, self.timers = self.handlers.intake, self.handlers.timers
        self.operator, self.redrive = self.handlers.operator, self.handlers.redrive

    async def take(self, *records: Record) -> None:
        """Lease what is not leased yet, and take the records in, in one batch."""
        for topic, partition in sorted({record.place[:2] for record in records} - set(self.leases.owned())):
            self.leases.add(await self.store.acquire(topic, partition, "test"))
        await self.intake.receive(records)

    async def fire_due(self) -> bool:
        """Publish the outbox, and fire due timers: a command in the outbox does not time out."""
        async with relaying(self.relay):
            await self.relay.wait_until_drained()
        return await self.timers.fire_due()

    @property
    def messages(self) -> list[OutboxMessage]:
        """All messages that were ever written to the outbox, in order."""
        return [row for turn in self.watcher.turns for row in turn.changes.outbox]

    def sent(self, type_: str, order: str = "o-1") -> list[OutboxMessage]:
        """All messages of one type that were written for one order, in order."""
        return [row for row in self.messages if row.key == order.encode() and type_of(row) == type_]

    def types(self, order: str = "o-1") -> list[str]:
        """The types of all messages that were written for one order, in order."""
        return [type_of(row) for row in self.messages if row.key == order.encode()]

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """What stands in the database, read by a connection of its own."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(sql, parameters).fetchall()

    def execute(self, sql: str) -> None:
        """Change the database behind the store's back."""
        with closing(sqlite3.connect(self.path, timeout=5)) as connection:
            connection.executescript(sql)

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of all tables."""
        tables = self.rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        return {name: self.rows(f"SELECT * FROM {name} ORDER BY 1, 2") for (name,) in tables}  # noqa: S608  own names

    def status(self, order: str = "o-1") -> str:
        """The status of an order's instance."""
        ((status,),) = self.rows("SELECT status FROM instance WHERE correlation = ?", order)
        return str(status)

    def verdict(self, place: Place) -> Verdict:
        """What became of a record, of which exactly one thing became."""
        (verdict,) = self.verdicts(place)
        return verdict

    def verdicts(self, place: Place) -> list[Verdict]:
        """What became of a record: exactly one, unless several sagas took it. Nothing is stored of unwanted ones."""
        unwanted = [each for turn in self.watcher.turns for each in turn.changes.unwanted if each.place == place]
        where = 'WHERE topic = ? AND partition = ? AND "offset" = ?'
        found = self.rows(
            f"SELECT verdict, reason FROM history {where} UNION ALL SELECT verdict, reason FROM verdict {where}"  # noqa: S608  own text
            f" UNION ALL SELECT 'buffered', NULL FROM held_event {where}"
            f" UNION ALL SELECT 'buffered', NULL FROM parked {where}"
            f" UNION ALL SELECT 'dead-lettered', cause FROM dead_letter {where}",
            *place * 5,
        )
        return [Verdict(*row) for row in found] + [Verdict(each.verdict, each.reason) for each in unwanted]

    def audits(self) -> list[Audit]:
        """What operators did with dead letters, in order."""
        found = self.rows(
            'SELECT who, why, action, topic, "offset", before, cause FROM dead_letter_audit ORDER BY number'
        )
        return [Audit(*row) for row in found]

    async def stored(self, id_: str) -> InstanceRecord:
        """An instance as it stands in the database."""
        return (await self.store.transact(lambda tx: tx.load([id_])))[id_]


@asynccontextmanager
async def open_coordinator(
    path: Path,
    *catalog: AnySaga,
    publisher: Publisher | None = None,
    worn: Callable[[SqliteStore], Store] | None = None,
    clock: HandClock | None = None,
    on_result: Report = lambda _: None,
    routes: Routes | None = None,
) -> AsyncIterator[Coordinator]:
    """A coordinator on a database file; without a catalog it fulfils orders. `worn` puts something around its store.

    `on_result` is called after every transaction. `routes` replace those of the catalog.
    """
    routes = routes or Routes(catalog or (order_fulfilment,))
    sqlite = SqliteStore(path, routes.saga_of, on_result)
    store: Store = worn(sqlite) if worn else sqlite
    publisher = publisher or Wall()
    clock, watcher = clock or HandClock(), Watcher()
    handlers = wire_handlers(routes, store=store, publisher=publisher, clock=clock, observer=watcher, sampler=sampled)
    await sqlite.open()
    try:
        for home in (0, 1):
            handlers.leases.add(await sqlite.acquire(routes.names.replies, home, "test"))
        yield Coordinator(path, routes, sqlite, clock, watcher, handlers)
    finally:
        await sqlite.close()


@asynccontextmanager
async def relaying(relay: Relay) -> AsyncIterator[None]:
    """Let a relay run, and end it as a crash would: at once."""
    running = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
