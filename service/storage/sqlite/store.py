"""The store on SQLite: one file, one coordinator, one writing connection; every commit is on the disk.

WAL with `synchronous=FULL`. A transaction is one task that no cancellation of its caller can split. An operating
system's lock on a file beside the database keeps a second coordinator out. After a sync that failed it writes nothing
more: what the disk holds is known to nobody before the next start.
"""

import asyncio
import fcntl
import json
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

import aiosqlite

from saga_coordinator.handlers.records import Lease, OutboxMessage, OutboxRow
from saga_coordinator.handlers.routing import AnySaga, LiveVersions
from saga_coordinator.service.storage.sqlite import errors as remedy
from saga_coordinator.service.storage.sqlite.columns import to_headers, to_time
from saga_coordinator.service.storage.sqlite.migrations import StoreUnusable, migrate
from saga_coordinator.service.storage.sqlite.settling import rewrite_wal
from saga_coordinator.service.storage.sqlite.transaction import Counters, SqliteTransaction

T = TypeVar("T")

Definitions = Callable[[str, int], AnySaga]

Condition = Callable[[str | None], None]
"""Who is told that the database works (None), or why it does not."""

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = OFF",  # history is written in the order of its instances, by one writer
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 0",  # `checkpoint` does it: SQLite's own tells nobody that a sync has failed
)

SLOW = 10.0
_SLOW = f"a transaction has not ended for {SLOW:g} s; see that the disk answers, and it goes on by itself"

MAX_KEYS = 3
"""Of so many live instances the keys are told."""

_LIVING = """
SELECT saga, version, count, (
    SELECT json_group_array(correlation) FROM (
        SELECT correlation FROM instance AS one INDEXED BY instance_live
        WHERE one.ended_at IS NULL AND one.saga = live.saga AND one.version = live.version
        ORDER BY number LIMIT :few))
FROM (SELECT saga, version, count(*) AS count FROM instance WHERE ended_at IS NULL GROUP BY saga, version) AS live
"""


class SqliteStore:
    """A store on one SQLite file. Opened with `open`, closed with `close` on every path.

    `condition` hears how every transaction went, as far as the database is concerned.
    """

    def __init__(self, path: Path, definitions: Definitions, condition: Condition = lambda _: None) -> None:
        self._path = path
        self._definitions = definitions
        self._condition = condition
        self._lock = asyncio.Lock()
        self._guard: IO[str] | None = None
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._counters = Counters(0, 0)
        self._silent: set[str] = set()
        self._running: set[asyncio.Task[Any]] = set()
        self._unusable: str | None = None

    async def open(self) -> None:
        """Lock the file, bring its schema up to date, and be ready. Raises `StoreUnusable`."""
        try:
            await self._open()
        except (sqlite3.Error, OSError) as error:
            await self.close()
            told = f"database {self._path} cannot be used: {error}; {remedy.remedy_at_start(error)}"
            raise StoreUnusable(told) from error
        except BaseException:
            await self.close()
            raise

    async def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._guard = _acquire_lock(lock_path(self._path))
        rewrite_wal(self._path.resolve())
        sqlite3.connect(self._path).close()  # aiosqlite leaves a thread behind when it cannot
        self._writer = await aiosqlite.connect(self._path, isolation_level=None)
        for pragma in _PRAGMAS:
            await self._writer.execute_fetchall(pragma)  # to its end: an error may come after its first row
        await _check_wal_mode(self._writer, self._path)
        await migrate(self._writer, str(self._path))
        reading = f"{self._path.absolute().as_uri()}?mode=ro"
        self._reader = await aiosqlite.connect(reading, uri=True, isolation_level=None)
        number = await self._value("SELECT max(number) FROM instance")
        seq = await self._value("SELECT max(seq) FROM outbox")
        self._counters = Counters(number or 0, seq or 0)

    async def close(self) -> None:
        """Wait for the transaction that is running, and release everything."""
        if self._running:
            await asyncio.wait(self._running)
        # who closes last writes back, and syncs what must not be synced again; the reader cannot
        for connection in (self._writer, self._reader) if self._unusable else (self._reader, self._writer):
            if connection is not None:
                await connection.close()
        self._reader = self._writer = None
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    async def transact(self, work: Callable[[SqliteTransaction], Awaitable[T]]) -> T:
        """Run `work` in one transaction; see `handlers.ports.Store`. Raises `StoreUnusable` after a failed sync."""
        return await self._shielded(self._transact(work))

    async def checkpoint(self) -> None:
        """Bring what the WAL holds into the database. Raises `StoreUnusable` after a failed sync, here or earlier."""
        await self._shielded(self._checkpoint())

    async def take(self, topic: str, partition: int, owner: str) -> Lease:
        """Take a partition over, in a new epoch."""
        return await self.transact(lambda tx: tx.take(topic, partition, owner))

    @property
    def is_shared(self) -> bool:
        """Say that nobody else writes to it: the lock on the file sees to that."""
        return False

    async def leases(self) -> Sequence[Lease]:
        """Return how all leases stand."""
        sql = "SELECT topic, partition, epoch, next_offset FROM lease ORDER BY topic, partition"
        async with self._open_reader.execute(sql) as cursor:
            return [Lease(*row) for row in await cursor.fetchall()]

    async def unsent(self) -> Sequence[OutboxRow]:
        """Return all rows of the outbox, in order."""
        sql = "SELECT seq, message_id, home, topic, partition, key, headers, value FROM outbox ORDER BY seq"
        async with self._open_reader.execute(sql) as cursor:
            return [
                OutboxRow(seq, OutboxMessage(message_id, home, topic, partition, key, to_headers(headers), value))
                for seq, message_id, home, topic, partition, key, headers, value in await cursor.fetchall()
            ]

    async def next_timer(self) -> datetime | None:
        """Return when the next alarm, or the end of the next held event, is due."""
        value = await self._value(
            "SELECT min(at) FROM (SELECT min(wake_at) AS at FROM instance WHERE wake_at IS NOT NULL"
            " UNION ALL SELECT min(expires_at) FROM held_event)"
        )
        return None if value is None else to_time(value)

    async def live_versions(self) -> Sequence[LiveVersions]:
        """Return the sagas and versions that have live instances, how many, and the keys of a few."""
        async with self._open_reader.execute(_LIVING, {"few": MAX_KEYS}) as cursor:
            return [
                LiveVersions(saga, version, count, tuple(json.loads(keys)))
                for saga, version, count, keys in await cursor.fetchall()
            ]

    async def count_by_status(self) -> Sequence[tuple[str, str, int]]:
        """Return saga, status and number of the live instances."""
        sql = "SELECT saga, status, count(*) FROM instance WHERE ended_at IS NULL GROUP BY saga, status"
        async with self._open_reader.execute(sql) as cursor:
            return [(saga, status, count) for saga, status, count in await cursor.fetchall()]

    async def count_dead_letters(self) -> tuple[int, int]:
        """Return how many dead letters wait for somebody, and behind how many of them an instance is parked."""
        sql = "SELECT (SELECT count(*) FROM dead_letter), (SELECT count(*) FROM dead_letter WHERE parks = 1)"
        async with self._open_reader.execute(sql) as cursor:
            [(letters, parked)] = await cursor.fetchall()
        return letters, parked

    async def _transact(self, work: Callable[[SqliteTransaction], Awaitable[T]]) -> T:
        async with self._lock:
            self._check_usable()
            slow = asyncio.get_running_loop().call_later(SLOW, self._condition, f"{self._path}: {_SLOW}")
            try:
                result = await self._committed(self._open_writer, work)
            except sqlite3.Error as error:
                self._troubled(error)
                raise
            finally:
                slow.cancel()
            self._condition(None)
            return result

    async def _checkpoint(self) -> None:
        async with self._lock:
            self._check_usable()
            try:
                await self._open_writer.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error as error:
                if remedy.is_sync_failure(error):
                    self._troubled(error)
                self._check_usable()
                raise

    def _troubled(self, error: sqlite3.Error) -> None:
        """Tell what is wrong with the database."""
        trouble = f"{self._path}: {error}; {remedy.remedy_at_runtime(error)}"
        if remedy.is_sync_failure(error):
            self._unusable = trouble
        self._condition(trouble)

    def _check_usable(self) -> None:
        if self._unusable is not None:
            raise StoreUnusable(self._unusable)

    async def _shielded(self, unit: Coroutine[Any, Any, T]) -> T:
        """Run something that no cancellation of its caller can split, nor the end of the store cut off."""
        task = asyncio.ensure_future(unit)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _committed(self, writer: aiosqlite.Connection, work: Callable[[SqliteTransaction], Awaitable[T]]) -> T:
        await writer.execute("BEGIN IMMEDIATE")
        try:
            result = await work(SqliteTransaction(writer, self._counters, self._definitions, self._silent))
            await writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                await writer.execute("ROLLBACK")
            raise
        return result

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """Forget a transaction; one whose caller was cancelled has nobody else to hear of its error."""
        self._running.discard(task)
        if not task.cancelled():
            task.exception()

    async def _value(self, sql: str) -> int | None:
        async with self._open_reader.execute(sql) as cursor:
            row = await cursor.fetchone()
        return row[0] if row else None

    @property
    def _open_writer(self) -> aiosqlite.Connection:
        return _opened(self._writer)

    @property
    def _open_reader(self) -> aiosqlite.Connection:
        return _opened(self._reader)


async def _check_wal_mode(writer: aiosqlite.Connection, path: Path) -> None:
    """See that WAL mode was taken: where it is not possible SQLite goes on in the old mode, and says nothing."""
    ((mode,),) = await writer.execute_fetchall("PRAGMA journal_mode")
    if mode != "wal":
        raise StoreUnusable(
            f"database {path} cannot be in WAL mode and stays in mode {mode!r}, in which commits may be lost: "
            "let SAGA_STORE name a file on a local disk, on which processes can share memory"
        )


def _opened(connection: aiosqlite.Connection | None) -> aiosqlite.Connection:
    if connection is None:
        raise RuntimeError("the store is not open: await open() first")
    return connection


def lock_path(path: Path) -> Path:
    """Return the file whose lock belongs to a database, by whatever name that is reached: two locks would be none."""
    file = path.resolve()
    return file.with_name(file.name + ".lock")


def _acquire_lock(path: Path) -> IO[str]:
    """Hold an exclusive lock on a file for as long as it is open."""
    guard = path.open("a", encoding="utf-8")
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        guard.close()
        raise StoreUnusable(
            f"another coordinator has {path.with_suffix('')} open (lock {path}): "
            "stop it first, or give this one a file of its own by SAGA_STORE"
        ) from None
    return guard
