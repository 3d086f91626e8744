"""The kit on SQLite: one connection in a thread of its own, one transaction for a batch, a savepoint for a command."""

import asyncio
import json
import sqlite3
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from saga_coordinator.contracts.envelope import Headers
from saga_coordinator.service.participant.fence import Admission, FenceRow, StoredReply
from saga_coordinator.service.participant.ports import Settlement
from saga_coordinator.service.participant.records import OutgoingRecord
from saga_coordinator.service.participant.wire import IncomingCommand

T = TypeVar("T")

_ON_OPENING: Final = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA busy_timeout = 5000")

_UNAVAILABLE: Final = frozenset(
    {
        *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL),
        *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_NOTADB),
        *(sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY),
    }
)
"""Codes of the database's own trouble; all others are errors of the handler, such as a constraint that it violates."""

_SELECT: Final = (
    "SELECT state, type, fingerprint, command, reply_type, reply, compensated_by FROM saga_command WHERE id = ?"
)
_OF_TRANSACTIONS: Final = frozenset({"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"})

_BLOCK: Final = "INSERT INTO saga_command (id, state) VALUES (?, 'blocked') ON CONFLICT (id) DO NOTHING"
_RECEIVE: Final = "INSERT INTO saga_command (id, state) VALUES (?, 'received') ON CONFLICT (id) DO NOTHING"
_REPLY: Final = """
UPDATE saga_command SET state = 'replied', type = :type, fingerprint = :fingerprint, command = :command,
    compensates = :compensates, reply_type = :reply_type, reply = :reply, replied_at = :replied_at
WHERE id = :id
"""
_SEND: Final = "INSERT INTO saga_outbox (topic, key, value, headers) VALUES (?, ?, ?, ?)"


class SqliteSession:
    """The open transaction of one command, for its handler. Raises `ValueError` for a statement that would end it."""

    def __init__(self, database: "SqliteDatabase", command_id: str) -> None:
        self._database = database
        self.command_id: Final = command_id

    async def run(self, sql: str, *parameters: object) -> int:
        """Run one statement, and return how many rows it has changed."""
        return await self._database.call(lambda connection: _run(connection, sql, parameters).rowcount)

    async def rows(self, sql: str, *parameters: object) -> Sequence[tuple[Any, ...]]:
        """Run one query, and return its rows."""
        return await self._database.call(lambda connection: _run(connection, sql, parameters).fetchall())


class SqliteFence:
    """The fence and the outbox in an open transaction."""

    def __init__(self, database: "SqliteDatabase") -> None:
        self._database = database
        self._command: IncomingCommand[Any] | None = None

    @property
    def session(self) -> SqliteSession:
        return SqliteSession(self._database, self._admitted.envelope.id)

    async def admit(self, command: IncomingCommand[Any]) -> Admission:
        self._command = command
        return await self._database.call(partial(_admit, command))

    async def settle(self, settlement: Settlement) -> None:
        await self._database.call(partial(_settle, self._admitted, settlement))
        self._command = None

    async def withdraw(self) -> None:
        await self._database.call(_withdraw)
        self._command = None

    async def send(self, outgoing: OutgoingRecord) -> None:
        await self._database.call(partial(_send, outgoing))

    @property
    def _admitted(self) -> IncomingCommand[Any]:
        if self._command is None:
            raise RuntimeError("no command is admitted")
        return self._command


class SqliteDatabase:
    """One SQLite file with the participant's own tables and those of the kit, open in an `async with` block."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "participant-sqlite")
        self._connection: sqlite3.Connection | None = None
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the file, and create the tables of the kit. Raises `sqlite3.Error`."""
        loop = asyncio.get_running_loop()
        self._connection = await loop.run_in_executor(self._thread, partial(_open, self._path))

    async def close(self) -> None:
        """Close the file, once the statement that runs has ended."""
        if self._connection is not None:
            await self.call(sqlite3.Connection.close)
        self._connection = None
        self._thread.shutdown()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteFence]:
        async with self._lock:
            try:
                await self.call(lambda connection: connection.execute("BEGIN IMMEDIATE"))
                yield SqliteFence(self)
                await self.call(lambda connection: connection.execute("COMMIT"))
            except BaseException:
                await self.call(_roll_back)
                raise

    def is_unavailable(self, error: Exception) -> bool:
        """Return whether an error is the database's own trouble, or has ended the transaction."""
        return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _UNAVAILABLE

    async def outbox(self, limit: int) -> Sequence[tuple[int, OutgoingRecord]]:
        sql = "SELECT seq, topic, key, value, headers FROM saga_outbox ORDER BY seq LIMIT ?"
        async with self._lock:
            rows = await self.call(lambda connection: connection.execute(sql, (limit,)).fetchall())
        return [(seq, OutgoingRecord(topic, key, value, _unpack(headers))) for seq, topic, key, value, headers in rows]

    async def forget(self, numbers: Sequence[int]) -> None:
        rows = [(number,) for number in numbers]
        async with self.transaction():
            await self.call(lambda connection: connection.executemany("DELETE FROM saga_outbox WHERE seq = ?", rows))

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function in the thread of the connection; a cancelled caller waits for its end too."""
        if self._connection is None:
            raise RuntimeError("the database is not open: await open() first")
        future = asyncio.get_running_loop().run_in_executor(self._thread, function, self._connection)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise


def _run(connection: sqlite3.Connection, sql: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
    """Run a statement of a handler."""
    if sql.split(maxsplit=1)[0].rstrip(";").upper() in _OF_TRANSACTIONS:
        raise ValueError(f"{sql!r}: the kit begins and ends the transaction of a handler; return a Failure to undo it")
    _check_open(connection)
    return connection.execute(sql, parameters)


def _check_open(connection: sqlite3.Connection) -> None:
    """Raise `RuntimeError` outside a transaction: each statement would be committed alone.

    SQLite ends a transaction for `INSERT OR ROLLBACK` and for `RAISE(ROLLBACK, ...)` in a trigger.
    """
    if not connection.in_transaction:
        raise RuntimeError("a statement of a handler has ended its transaction: use ABORT in the place of ROLLBACK")


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        for pragma in _ON_OPENING:
            connection.execute(pragma)
        connection.executescript(ddl())
    except BaseException:
        connection.close()
        raise
    return connection


def ddl() -> str:
    """Return the statements that create the tables of the kit."""
    return (files("saga_coordinator.service.participant") / "tables.sqlite.sql").read_text(encoding="utf-8")


def _admit(command: IncomingCommand[Any], connection: sqlite3.Connection) -> Admission:
    id_, compensates = command.envelope.id, command.envelope.compensates
    connection.execute("SAVEPOINT command")
    original = None
    if compensates is not None:
        connection.execute(_BLOCK, (compensates,))
        original = _read(connection, compensates)
    is_new = connection.execute(_RECEIVE, (id_,)).rowcount == 1
    own = None if is_new else _read(connection, id_)
    connection.execute("SAVEPOINT handler")
    return Admission(own, original)


def _settle(command: IncomingCommand[Any], settlement: Settlement, connection: sqlite3.Connection) -> None:
    envelope = command.envelope
    _check_open(connection)
    if not settlement.keeps_effect:
        connection.execute("ROLLBACK TO handler")
    reply = {
        "reply_type": settlement.reply.type,
        "reply": settlement.reply.value,
        "replied_at": datetime.now(UTC).isoformat(),
    }
    row = {"id": envelope.id, "type": envelope.type, "compensates": envelope.compensates}
    connection.execute(_REPLY, {**row, **reply, "fingerprint": command.fingerprint, "command": command.payload})
    if settlement.undone is not None:
        connection.execute("UPDATE saga_command SET compensated_by = ? WHERE id = ?", (envelope.id, settlement.undone))
    _send(settlement.outgoing, connection)
    connection.execute("RELEASE command")


def _withdraw(connection: sqlite3.Connection) -> None:
    connection.execute("ROLLBACK TO command")
    connection.execute("RELEASE command")


def _send(outgoing: OutgoingRecord, connection: sqlite3.Connection) -> None:
    connection.execute(_SEND, (outgoing.topic, outgoing.key, outgoing.value, _pack(outgoing.headers)))


def _read(connection: sqlite3.Connection, id_: str) -> FenceRow:
    [(state, type_, fingerprint, command, reply_type, reply, compensated_by)] = connection.execute(_SELECT, (id_,))
    stored = StoredReply(reply_type, reply) if state == "replied" else None
    return FenceRow(type_, fingerprint, command, stored, compensated_by)


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _pack(headers: Headers) -> bytes:
    return json.dumps([[name, b64encode(value).decode()] for name, value in headers]).encode()


def _unpack(packed: bytes) -> Headers:
    return tuple((name, b64decode(text)) for name, text in json.loads(packed))
