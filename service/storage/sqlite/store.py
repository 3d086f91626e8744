"""The store on SQLite: one file, one coordinator, one writing connection; every commit is on the disk.

WAL with `synchronous=FULL`. A transaction is one task that no cancellation of its caller can split. An operating
system's lock on a file beside the database keeps a second coordinator out. After a failed sync nothing more is
written: what the disk holds is unknown before the next start.
"""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import aiosqlite

from saga_coordinator.handlers.ports import Observer
from saga_coordinator.handlers.records import (
    Actor,
    DatabaseIdentity,
    DecidedBatch,
    Lease,
    OutboxRow,
    PartitionOfTopic,
    SetPosition,
)
from saga_coordinator.handlers.routing import LiveVersions
from saga_coordinator.service.counts import Counts
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.columns import UNSENT, Definitions, to_time, unsent_row
from saga_coordinator.service.storage.sqlite import aiosqlite_internals, leases, short_form
from saga_coordinator.service.storage.sqlite.aiosqlite_internals import BoundedWait
from saga_coordinator.service.storage.sqlite.counting import count
from saga_coordinator.service.storage.sqlite.errors import (
    is_corruption,
    is_sync_failure,
    no_folder,
    remedy_at_runtime,
    remedy_at_start,
)
from saga_coordinator.service.storage.sqlite.lock import acquire_lock, lock_path
from saga_coordinator.service.storage.sqlite.migrations import migrate
from saga_coordinator.service.storage.sqlite.rows import OUTLINES
from saga_coordinator.service.storage.sqlite.transaction import Counters, SqliteTransaction, statements_of
from saga_coordinator.service.storage.sqlite.wal import SIZE_LIMIT, describe_readers, rewrite_wal, size_of, wal_of

T = TypeVar("T")

Report = Callable[[str | None], None]
"""Called after each use of the database: with None if it works, else with what is wrong and what to do."""

_TRANSACTIONS, _READS, _CHECKPOINTS = "transactions", "reads", "checkpoints"

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = OFF",  # history is written in the order of its instances, by one writer
    "PRAGMA cache_size = -65536",
    f"PRAGMA journal_size_limit = {SIZE_LIMIT}",
    "PRAGMA wal_autocheckpoint = 0",  # `checkpoint` does it: SQLite's own does not report a failed sync
)

SLOW = 10.0
_SLOW = f"a transaction has not ended for {SLOW:g} s; see that the disk answers, and it continues"

CHECKPOINT_INTERVAL: Final = 1.0
"""Seconds. The WAL holds what is written in so long, and is used again."""

MAX_WAITED: Final = 64
"""The event loop waits for the commit of a batch with fewer signals: one with more gains nothing by it."""

MAX_KEYS = 3
"""So many live instances of an orphaned version are named."""

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

    Its methods raise `StoreError`.
    """

    def __init__(self, path: Path, definitions: Definitions, report: Report = lambda _: None) -> None:
        self._path = path
        self._definitions = definitions
        self._report = report
        self._lock = asyncio.Lock()
        self._guard: IO[str] | None = None
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._counter: aiosqlite.Connection | None = None
        self._counters = Counters(0, 0)
        self._silent: set[str] = set()
        self._bounded_wait = BoundedWait()
        self._running: set[asyncio.Task[Any]] = set()
        self._problems: dict[str, str] = {}
        self._unusable: str | None = None

    async def open(self) -> None:
        """Lock the file and bring its schema up to date."""
        try:
            await self._open()
        except (sqlite3.Error, OSError) as error:
            await self.close()
            problem = f"database {self._path} cannot be used: {error}; {remedy_at_start(error)}"
            raise StoreError(problem) from error
        except BaseException:
            await self.close()
            raise

    async def _open(self) -> None:
        if not self._path.parent.is_dir():
            raise StoreError(f"database {self._path} cannot be used: {no_folder(self._path)}")
        self._guard = _acquire_lock(self._path)
        rewrite_wal(self._path.resolve())
        sqlite3.connect(self._path).close()  # aiosqlite leaves a thread behind when it cannot
        self._writer = await aiosqlite.connect(self._path, isolation_level=None)
        for pragma in _PRAGMAS:
            await self._writer.execute_fetchall(pragma)  # to its end: an error may come after its first row
        await _check_wal_mode(self._writer, self._path)
        await migrate(self._writer, str(self._path))
        reading = f"{self._path.absolute().as_uri()}?mode=ro"
        self._reader = await aiosqlite.connect(reading, uri=True, isolation_level=None)
        self._counter = await aiosqlite.connect(reading, uri=True, isolation_level=None)  # it may take seconds
        self._counters = await _last_numbers(self._reader)

    async def close(self) -> None:
        """Wait for the running transaction, and release everything."""
        if self._running:
            await asyncio.wait(self._running)
        # the last to close writes a checkpoint, and syncs what must not be synced again; the reader cannot
        readers = (self._reader, self._counter)
        for connection in (self._writer, *readers) if self._unusable else (*readers, self._writer):
            if connection is not None:
                await connection.close()
        self._reader = self._counter = self._writer = None
        if self._guard is not None:
            self._guard.close()
            self._guard = None

    async def transact(self, work: Callable[[SqliteTransaction], Awaitable[T]]) -> T:
        """Run `work` in one transaction; see `handlers.ports.Store`."""
        return await self._shielded(self._transact(lambda: self._commit(self._open_writer, work)))

    async def commit(self, batch: DecidedBatch) -> Sequence[OutboxRow]:
        """Write a batch if all is as it assumes; see `handlers.ports.Store`."""
        return await self._shielded(self._transact(lambda: self._commit_batch(self._open_writer, batch)))

    async def checkpoint(self) -> None:
        """Write the WAL back into the database. Raises `sqlite3.Error` if that can be retried, else `StoreError`."""
        await self._shielded(self._checkpoint())

    async def run_checkpoints(self, observer: Observer) -> None:
        """Checkpoint at intervals, beside the transactions.

        Raises `StoreError` after a failed sync or when the file is damaged, here or there.
        """
        while True:
            await asyncio.sleep(CHECKPOINT_INTERVAL)
            try:
                await self.checkpoint()
                self._report_growth(observer)
            except sqlite3.Error as error:
                observer.on_error("the WAL was not written back into the database", error)

    async def identity(self) -> DatabaseIdentity:
        ((id_, cluster_id),) = await self._query(leases.IDENTITY)
        return DatabaseIdentity(id_, cluster_id)

    def _report_growth(self, observer: Observer) -> None:
        """Report a WAL that is too large: after a checkpoint only a program that reads keeps it from being reused."""
        if (size := size_of(wal_of(self._path))) > 2 * SIZE_LIMIT:
            what = f"{wal_of(self._path)} has {size >> 20} MiB and only grows"
            observer.on_error(what, TimeoutError(f"{describe_readers(self._path)}: end it, and the log is cut"))

    async def acquire(
        self, topic: str, partition: int, owner: str, *, start: int | None = None, topic_id: str | None = None
    ) -> Lease:
        at = PartitionOfTopic(topic, partition, topic_id)
        return await self.transact(lambda tx: leases.acquire(tx.connection, at, owner, start))

    async def register(self, cluster_id: str | None, partitions: Sequence[PartitionOfTopic]) -> None:
        await self.transact(lambda tx: leases.register(tx.connection, cluster_id, partitions))

    async def set_positions(self, positions: Sequence[SetPosition], cluster_id: str | None, by: Actor) -> None:
        await self.transact(lambda tx: leases.set_positions(tx.connection, positions, cluster_id, by))

    async def confirm(self, partitions: Collection[tuple[str, int]]) -> None:
        await self.transact(lambda tx: leases.confirm(tx.connection, partitions))

    @property
    def is_shared(self) -> bool:
        """Return False: the lock on the file allows one coordinator."""
        return False

    async def leases(self) -> Sequence[Lease]:
        return [leases.to_lease(row) for row in await self._query(f"{leases.LEASES} ORDER BY topic, partition")]

    async def unsent(self) -> Sequence[OutboxRow]:
        sql = f"SELECT {UNSENT} FROM outbox ORDER BY seq"  # noqa: S608  own columns
        return [unsent_row(row) for row in await self._query(sql)]

    async def next_timer(self) -> datetime | None:
        """Return when the next timer is due, or the next early event expires."""
        [(value,)] = await self._query(
            "SELECT min(at) FROM (SELECT min(wake_at) AS at FROM instance WHERE wake_at IS NOT NULL"
            " UNION ALL SELECT min(expires_at) FROM held_event)"
        )
        return None if value is None else to_time(value)

    async def live_versions(self) -> Sequence[LiveVersions]:
        """Return the sagas and versions that have live instances, how many, and the keys of a few."""
        return [
            LiveVersions(saga, version, count, tuple(json.loads(keys)))
            for saga, version, count, keys in await self._query(_LIVING, {"few": MAX_KEYS})
        ]

    async def outlines(self) -> Mapping[tuple[str, int], str]:
        return {(saga, version): outline for saga, version, outline in await self._query(OUTLINES)}

    async def set_outlines(self, outlines: Mapping[tuple[str, int], str]) -> None:
        await self.transact(lambda tx: tx.set_outlines(outlines))

    async def newest_entry(self) -> datetime:
        """Return the time of the newest entry of a history. It reads all of them."""
        [(at,)] = await self._query("SELECT max(at) FROM history")
        return to_time(at or 0)

    async def doubts(self) -> Mapping[str, str]:
        """Return the instances that stall when they start, each with the reason."""
        return {row[0]: row[1] for row in await self._query("SELECT instance_id, reason FROM doubt")}

    async def set_doubts(self, doubts: Mapping[str, str]) -> None:
        """Replace them."""
        await self.transact(lambda tx: tx.set_doubts(doubts))

    async def counts(self, now: datetime) -> Counts:
        """Return what the metrics show of the database."""
        query = partial(self._query_on, _opened(self._counter))
        return await count(query, self._path, now, len(self._silent))

    async def _transact(self, commit: Callable[[], Awaitable[T]]) -> T:
        """Run one transaction when no other is running, and report what is wrong with the database."""
        is_slow = partial(self._note, _TRANSACTIONS, f"{self._path}: {_SLOW}")
        slow = asyncio.get_running_loop().call_later(SLOW, is_slow)
        try:
            async with self._lock:  # a checkpoint that the disk does not answer keeps it, too
                self._check_usable()
                try:
                    result = await commit()
                except sqlite3.Error as error:
                    raise self._failed(_TRANSACTIONS, error) from error
                slow.cancel()
                self._note(_TRANSACTIONS, None)
                return result
        finally:
            slow.cancel()

    async def _checkpoint(self) -> None:
        async with self._lock:
            self._check_usable()
            try:
                await self._open_writer.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
            except sqlite3.Error as error:
                failure = self._failed(_CHECKPOINTS, error)
                if self._unusable is None:
                    raise
                raise failure from error
            self._note(_CHECKPOINTS, None)

    def _failed(self, use: str, error: sqlite3.Error) -> StoreError:
        """Report what is wrong with the database, and return it as an error.

        After a failed sync, or when the file is damaged, it is unusable.
        """
        problem = f"{self._path}: {error}; {remedy_at_runtime(error)}"
        if is_sync_failure(error) or is_corruption(error):
            self._unusable = problem
        self._note(use, problem)
        return StoreError(problem)

    def _note(self, use: str, problem: str | None) -> None:
        """Report all problems: that one use of the database works does not end the problem of another."""
        if problem is None:
            self._problems.pop(use, None)
        else:
            self._problems[use] = problem
        self._report("; ".join(dict.fromkeys(self._problems.values())) or None)

    def _check_usable(self) -> None:
        if self._unusable is not None:
            raise StoreError(self._unusable)

    async def _shielded(self, unit: Coroutine[Any, Any, T]) -> T:
        """Run something that neither a cancellation of its caller nor `close` interrupts."""
        task = asyncio.ensure_future(unit)
        self._running.add(task)
        task.add_done_callback(self._discard)
        return await asyncio.shield(task)

    async def _commit(self, writer: aiosqlite.Connection, work: Callable[[SqliteTransaction], Awaitable[T]]) -> T:
        await writer.execute("BEGIN IMMEDIATE")
        try:
            result = await work(SqliteTransaction(writer, self._counters, self._definitions, self._silent))
            await writer.execute("COMMIT")
        except BaseException:
            if writer.in_transaction:
                await writer.execute("ROLLBACK")
            raise
        return result

    async def _commit_batch(self, writer: aiosqlite.Connection, batch: DecidedBatch) -> Sequence[OutboxRow]:
        rows = self._counters.number(batch.changes.outbox)
        statements = statements_of(batch.changes, rows, self._counters)
        run = self._bounded_wait.run if len(batch.changes.entries) < MAX_WAITED else aiosqlite_internals.run
        await run(writer, partial(short_form.commit, batch=batch, statements=statements))
        return rows

    def _discard(self, task: asyncio.Task[Any]) -> None:
        """Forget a transaction, and mark its error as retrieved: its caller may have been cancelled."""
        self._running.discard(task)
        if not task.cancelled():
            task.exception()

    async def _query(self, sql: str, parameters: Mapping[str, object] | None = None) -> Sequence[Sequence[Any]]:
        return await self._query_on(_opened(self._reader), sql, parameters)

    async def _query_on(
        self, connection: aiosqlite.Connection, sql: str, parameters: Mapping[str, object] | None
    ) -> Sequence[Sequence[Any]]:
        try:
            rows = list(await connection.execute_fetchall(sql, parameters or {}))
        except sqlite3.Error as error:
            raise self._failed(_READS, error) from error
        if _READS in self._problems:
            self._note(_READS, None)
        return rows

    @property
    def _open_writer(self) -> aiosqlite.Connection:
        return _opened(self._writer)


async def _last_numbers(reader: aiosqlite.Connection) -> Counters:
    sql = "SELECT (SELECT max(number) FROM instance), (SELECT max(seq) FROM outbox)"
    [(number, seq)] = await reader.execute_fetchall(sql)
    return Counters(number or 0, seq or 0)


async def _check_wal_mode(writer: aiosqlite.Connection, path: Path) -> None:
    """Raise `StoreError` if the database is not in WAL mode: where that is impossible SQLite silently keeps another."""
    ((mode,),) = await writer.execute_fetchall("PRAGMA journal_mode")
    if mode != "wal":
        raise StoreError(
            f"database {path} cannot be in WAL mode and stays in mode {mode!r}, in which commits may be lost: "
            "let SAGA_STORE name a file on a local disk, on which processes can share memory"
        )


def _opened(connection: aiosqlite.Connection | None) -> aiosqlite.Connection:
    if connection is None:
        raise RuntimeError("the store is not open: await open() first")
    return connection


def _acquire_lock(path: Path) -> IO[str]:
    """Return the lock of a database. Raises `StoreError` if another coordinator has it."""
    try:
        return acquire_lock(path)
    except BlockingIOError:
        raise StoreError(
            f"another coordinator has {path.resolve()} open (lock {lock_path(path)}): "
            "stop it, if it is the same one; one that is to run beside it needs another name and another database, by "
            "SAGA_NAME and SAGA_STORE"
        ) from None
