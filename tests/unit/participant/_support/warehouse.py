"""A participant of the tests: it reserves and releases stock in its own tables, and keeps a list of each effect."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from saga_coordinator.contracts import Command, Done, Envelope, Failure
from saga_coordinator.contracts import envelope as cloudevents
from saga_coordinator.contracts.messages.inventory import ReleaseStock, ReserveStock, StockReserved
from saga_coordinator.contracts.messages.orders import Line
from saga_coordinator.service.participant import wire
from saga_coordinator.service.participant.batch import Batch
from saga_coordinator.service.participant.declaration import Original, Participant, transactional
from saga_coordinator.service.participant.records import IncomingRecord, OutgoingRecord
from saga_coordinator.service.participant.sqlite import SqliteDatabase, SqliteSession

TOPIC = ReserveStock.topic
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
REPLIES = "saga.replies.v1"
LINES = (Line(sku="chair", quantity=2, unit_price=Decimal("9.99")),)


@dataclass
class Warehouse:
    """The participant, what its handlers do at their next calls (nothing: they succeed), and its open database."""

    database: SqliteDatabase
    outcomes: list[Failure | Exception] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.participant = Participant(
            "warehouse",
            transactional(ReserveStock, self.reserve),
            transactional(ReleaseStock, self.release, compensates=ReserveStock),
        )
        self.batch = Batch(self.participant, self.database)

    async def reserve(self, command: ReserveStock, session: SqliteSession) -> StockReserved | Failure:
        self.calls.append(session.command_id)
        await session.run("INSERT INTO effect (command, net) VALUES (?, 1)", session.command_id)
        return self._outcome() or StockReserved(reservation_id=f"r-{command.order_id}")

    async def release(
        self, command: ReleaseStock, original: Original[StockReserved], session: SqliteSession
    ) -> Done | Failure:
        assert original.reply.reservation_id == f"r-{command.order_id}"
        self.calls.append(session.command_id)
        await session.run("INSERT INTO effect (command, net) VALUES (?, -1)", original.id)
        return self._outcome() or Done()

    async def receives(self, *records: IncomingRecord) -> Sequence[wire.IncomingCommand[SqliteSession]]:
        """Carry out one batch, and return what is postponed."""
        read = [wire.read(self.participant, each, frozenset({REPLIES})) for each in records]
        return await self.batch.execute([each for each in read if each is not None])

    async def effects(self) -> dict[str, list[int]]:
        """Return the committed effects by the id of the forward command, in their order."""
        found: dict[str, list[int]] = {}
        for command, net in await self.database.call(lambda db: db.execute("SELECT * FROM effect").fetchall()):
            found.setdefault(command, []).append(net)
        return found

    async def sent(self) -> list[OutgoingRecord]:
        return [record for _, record in await self.database.outbox(1000)]

    async def replies(self) -> list[tuple[str, str, bytes]]:
        """Return each reply as the id of its command, its type and its value."""
        answers = [each for each in await self.sent() if each.topic == REPLIES]
        return [(e.causation_id or "", e.type, value) for e, value in map(opened, answers)]

    def _outcome(self) -> Failure | None:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@asynccontextmanager
async def warehouse(path: Path) -> AsyncIterator[Warehouse]:
    database = SqliteDatabase(path)
    await database.open()
    try:
        await database.call(lambda db: db.execute("CREATE TABLE IF NOT EXISTS effect (command TEXT, net INTEGER)"))
        yield Warehouse(database)
    finally:
        await database.close()


def opened(record: OutgoingRecord) -> tuple[Envelope, bytes]:
    return cloudevents.read(record.headers, record.value)


def reserve(id_: str, *, order: str = "o-1") -> IncomingRecord:
    return record(id_, ReserveStock(order_id=order, lines=LINES), order)


def release(id_: str, original: str, *, order: str = "o-1") -> IncomingRecord:
    return record(id_, ReleaseStock(order_id=order, reservation_id=None), order, original)


def record(id_: str, message: Command[Any], key: str, compensates: str | None = None) -> IncomingRecord:
    sent = Envelope(
        id=id_,
        type=message.message_type,
        source="/saga",
        correlation_id=f"instance of {key}",
        reply_to=REPLIES,
        compensates=compensates,
        traceparent=TRACEPARENT,
    )
    value = message.model_dump_json().encode()
    return IncomingRecord(TOPIC, 0, 7, 1_000, key.encode(), value, cloudevents.write(sent))


def with_header(given: IncomingRecord, name: str, text: str) -> IncomingRecord:
    """Return a record in which one header has another value."""
    return replace(given, headers=(*given.headers, (name, text.encode())))


DONE = (Done.message_type, b"{}")
RESERVED = (StockReserved.message_type, b'{"reservation_id":"r-o-1"}')
REFUSED = Failure(code="out-of-stock", message="no chairs", retryable=False)
FAILED = (Failure.message_type, REFUSED.model_dump_json().encode())
UNDONE = (
    Failure.message_type,
    Failure(code="undone", message="its compensation came first", retryable=False).model_dump_json().encode(),
)
