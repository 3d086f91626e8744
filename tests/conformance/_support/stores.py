"""Every kind of store that must behave alike, how to open one, and what a test writes into it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from msgspec import structs

from saga_coordinator.contracts.messages.orders import OrderPlaced
from saga_coordinator.handlers.ports import LeaseStore, Store
from saga_coordinator.handlers.records import (
    Changes,
    DeadLetter,
    EarlyEvent,
    Entry,
    InstanceRecord,
    OutboxMessage,
    Place,
    Record,
    RecordVerdict,
    Verdict,
)
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.handlers.trace_context import PendingCommand, SpanContext, TraceContext
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Start, transition
from saga_coordinator.service.counts import Counts
from saga_coordinator.service.storage.postgres.store import PostgresStore
from saga_coordinator.service.storage.queries import Queries
from saga_coordinator.service.storage.sqlite import queries as sqlite_queries
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from tests.support.postgres.databases import Database, Postgres
from tests.unit.handlers._support.order_log import TIMESTAMP, placed_value

TIME = datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)
ODD_HEADERS = (("ce_id", b"1"), ("ce_id", b"2"), ("all", bytes(range(256))), ("", b""), ("text", "é\0ü€".encode()))
"""Headers that a store may not change: repeated, binary, empty, beyond ASCII."""


class OpenStore(Store, LeaseStore, Protocol):
    """A store that can be opened and closed."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def counts(self, now: datetime) -> Counts: ...


Definitions = Callable[[str, int], AnySaga]


@dataclass(frozen=True)
class Kind:
    """One kind of store: makes the one of a folder, and looks into its tables from outside, by portable SQL.

    `queries` opens the read port on it.
    """

    name: str
    new: Callable[[Path, Definitions], OpenStore]
    look: Callable[[Path, str], list[tuple[Any, ...]]]
    queries: Callable[[Path], AbstractContextManager[Queries]]


def _new_sqlite(folder: Path, definitions: Definitions) -> OpenStore:
    return SqliteStore(folder / "store.db", definitions)


def _look_into_sqlite(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        return connection.execute(sql).fetchall()


SQLITE = Kind("sqlite", _new_sqlite, _look_into_sqlite, lambda folder: sqlite_queries.open_queries(folder / "store.db"))


@contextmanager
def on_postgres(postgres: Postgres) -> Iterator[Kind]:
    """Stores on a server of PostgreSQL: each folder stands for an empty database of its own."""
    databases: dict[Path, Database] = {}

    def of(folder: Path) -> Database:
        return databases.get(folder) or databases.setdefault(folder, postgres.acquire())

    def new(folder: Path, definitions: Definitions) -> OpenStore:
        return PostgresStore(of(folder).server, definitions)

    try:
        yield Kind("postgres", new, lambda folder, sql: of(folder).rows(sql), lambda folder: of(folder).queries())
    finally:
        for database in databases.values():
            postgres.release(database)


def known(saga: str, version: int) -> AnySaga:
    """The definitions that a store reads instances with."""
    assert (saga, version) == (order_fulfilment.name, order_fulfilment.version)
    return order_fulfilment


def begun(order: str = "o-1", *, at: datetime = TIME) -> InstanceRecord:
    """An instance right after its start, at revision 1."""
    decision = transition(order_fulfilment, None, Start(at, OrderPlaced.model_validate_json(placed_value(order))))
    root = SpanContext("a" * 32, "b" * 16, sampled=True)
    asks = {send.command_id: PendingCommand(root.child(send.command_id), at) for send in decision.commands}
    return InstanceRecord(decision.instance, 1, 3, TraceContext(root, asks, f"placed-{order}"))


def later(stored: InstanceRecord, *, wake: timedelta = timedelta()) -> InstanceRecord:
    """The instance one revision on, its timers and deadline moved."""
    instance = stored.instance
    steps = {
        name: structs.replace(run, forward=structs.replace(run.forward, due_at=(run.forward.due_at or TIME) + wake))
        for name, run in instance.steps.items()
    }
    return structs.replace(stored, instance=structs.replace(instance, steps=steps), revision=stored.revision + 1)


def entry(stored: InstanceRecord, seq: int, **changed: Any) -> Entry:  # noqa: ANN401  fields of several types
    """A row of an instance's history."""
    usual = Entry(
        instance_id=stored.instance.id,
        seq=seq,
        at=TIME,
        kind="answer",
        verdict=Verdict.APPLIED,
        reason=None,
        message_id="m-1",
        message_type="saga.done.v1",
        message_source="/test",
        causation_id="c-1",
        value=b"{}",
        decided="{}",
        place=Place("saga.replies.v1", 0, seq),
        trace_id="a" * 32,
        span_id="b" * 16,
    )
    return structs.replace(usual, **changed)


def outbox_message(name: str) -> OutboxMessage:
    """A message to publish."""
    return OutboxMessage(name, 1, "payments.commands.v1", 1, b"o-1", ODD_HEADERS, b'{"order_id": "o-1"}')


def record(offset: int, *, topic: str = "orders.events.v1") -> Record:
    """A record as Kafka gave it."""
    return Record(Place(topic, 0, offset), TIMESTAMP, b"\xff key", b"\0 value", ODD_HEADERS)


def held(id_: str, offset: int, *, expires_at: datetime = TIME) -> EarlyEvent:
    """An event that has come before its instance."""
    return EarlyEvent(id_, record(offset), TIME, expires_at)


def dead(offset: int) -> DeadLetter:
    """A record that cannot be read."""
    return DeadLetter(record(offset), TIME, "it is no JSON")


def ruling(offset: int) -> RecordVerdict:
    """The verdict on a record that has reached no instance."""
    return RecordVerdict(
        Place("orders.events.v1", 0, offset), TIME, Verdict.UNMATCHED, "nobody", "m-1", None, b"\xff key"
    )


def starts(*instances: InstanceRecord, **more: Any) -> Changes:  # noqa: ANN401  fields of several types
    """The changes that write new instances, and more."""
    return Changes(instances=[(each, None) for each in instances], **more)
