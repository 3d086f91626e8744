"""The store on PostgreSQL: one session that writes, one that reads, one that counts; each is replaced when it breaks.

A transaction is one task that no cancellation of its caller can split. When its connection is lost its outcome is
unknown, and it is an error like any other: the writer acquires its leases again and reads again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, TypeVar

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
from saga_coordinator.service.storage.columns import UNSENT, Definitions, unsent_row
from saga_coordinator.service.storage.postgres import leases, migrations, short_form
from saga_coordinator.service.storage.postgres.counting import count
from saga_coordinator.service.storage.postgres.session import PostgresSession, Row, Server
from saga_coordinator.service.storage.postgres.transaction import Numbers, PostgresTransaction

T = TypeVar("T")

Report = Callable[[str | None], None]
"""Called after each use of the database: with None if it works, else with what is wrong and what to do."""

_TRANSACTIONS, _READS = "transactions", "reads"

MAX_KEYS: Final = 3
"""So many live instances of an orphaned version are named."""

_UNSENT: Final = f"SELECT {UNSENT} FROM saga.outbox ORDER BY seq"  # noqa: S608  own columns
_NEXT_TIMER: Final = """
WITH RECURSIVE home AS (
    (SELECT home AS number FROM saga.instance WHERE wake_at IS NOT NULL ORDER BY home LIMIT 1)
    UNION ALL
    SELECT (
        SELECT home FROM saga.instance WHERE wake_at IS NOT NULL AND instance.home > home.number ORDER BY home LIMIT 1
    ) FROM home WHERE home.number IS NOT NULL
)
SELECT least(
    (SELECT min((
        SELECT min(wake_at) FROM saga.instance WHERE instance.home = home.number AND wake_at IS NOT NULL
    )) FROM home),
    (SELECT min(expires_at) FROM saga.held_event)
)
"""
"""An index by home and time finds the homes of instances that have a timer, and the first timer of each."""
_LIVING: Final = (
    "SELECT saga, version, count(*), (array_agg(correlation ORDER BY number))[:$1] FROM saga.instance"
    " WHERE ended_at IS NULL GROUP BY saga, version"
)


class PostgresStore:
    """A store on a PostgreSQL database. Opened with `open`, closed with `close` on every path.

    Its methods raise `StoreError`.
    """

    def __init__(self, server: Server, definitions: Definitions, report: Report = lambda _: None) -> None:
        self._server = server
        self._definitions = definitions
        self._report = report
        self._lock = asyncio.Lock()
        self._writer, self._reader, self._counter = (
            PostgresSession(server),
            PostgresSession(server),
            PostgresSession(server),
        )
        self._reading, self._counting = asyncio.Lock(), asyncio.Lock()
        self._numbers = Numbers()
        self._silent: set[str] = set()
        self._running: set[asyncio.Task[Any]] = set()
        self._problems: dict[str, str] = {}

    async def open(self) -> None:
        """Connect, and check that the database is one that this program can use."""
        try:
            await migrations.check(self._writer, self._server.name)
            await _check_durable(self._writer, self._server.name)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Wait for the running transaction, and release everything."""
        if self._running:
            await asyncio.wait(self._running)
        for session in (self._reader, self._counter, self._writer):
            await session.close()

    async def transact(self, work: Callable[[PostgresTransaction], Awaitable[T]]) -> T:
        """Run `work` in one transaction; see `handlers.ports.Store`."""
        return await self._shielded(self._locked(partial(self._commit_long, work)))

    async def commit(self, batch: DecidedBatch) -> Sequence[OutboxRow]:
        """Write a batch if all is as it assumes; see `handlers.ports.Store`."""
        return await self._shielded(self._locked(partial(self._commit_short, batch)))

    async def run_checkpoints(self, observer: Observer) -> None:  # noqa: ARG002  the port's form
        """Do nothing: the server does what is needed beside the transactions."""
        await asyncio.Event().wait()

    async def identity(self) -> DatabaseIdentity:
        ((id_, cluster_id),) = await self._query(leases.IDENTITY)
        return DatabaseIdentity(id_, cluster_id)

    async def acquire(
        self, topic: str, partition: int, owner: str, *, start: int | None = None, topic_id: str | None = None
    ) -> Lease:
        at = PartitionOfTopic(topic, partition, topic_id)
        return await self.transact(lambda tx: leases.acquire(tx.session, at, owner, start))

    async def register(self, cluster_id: str | None, partitions: Sequence[PartitionOfTopic]) -> None:
        await self.transact(lambda tx: leases.register(tx.session, cluster_id, partitions))

    async def set_positions(self, positions: Sequence[SetPosition], cluster_id: str | None, by: Actor) -> None:
        await self.transact(lambda tx: leases.set_positions(tx.session, positions, cluster_id, by))

    async def confirm(self, partitions: Collection[tuple[str, int]]) -> None:
        await self.transact(lambda tx: leases.confirm(tx.session, partitions))

    @property
    def is_shared(self) -> bool:
        """Return True: any number of coordinators may write to it."""
        return True

    async def leases(self) -> Sequence[Lease]:
        return [leases.to_lease(row) for row in await self._query(f"{leases.LEASES} ORDER BY topic, partition")]

    async def unsent(self) -> Sequence[OutboxRow]:
        return [unsent_row(row) for row in await self._query(_UNSENT)]

    async def next_timer(self) -> datetime | None:
        """Return when the next timer is due, or the next early event expires."""
        ((at,),) = await self._query(_NEXT_TIMER)
        return at if isinstance(at, datetime) else None

    async def live_versions(self) -> Sequence[LiveVersions]:
        """Return the sagas and versions that have live instances, how many, and the keys of a few."""
        return [
            LiveVersions(saga, version, number, tuple(keys))
            for saga, version, number, keys in await self._query(_LIVING, MAX_KEYS)
        ]

    async def outlines(self) -> Mapping[tuple[str, int], str]:
        rows = await self._query("SELECT saga, version, outline FROM saga.outline")
        return {(saga, version): outline for saga, version, outline in rows}

    async def set_outlines(self, outlines: Mapping[tuple[str, int], str]) -> None:
        await self.transact(lambda tx: tx.set_outlines(outlines))

    async def newest_entry(self) -> datetime:
        """Return the time of the newest entry of a history. It reads all of them."""
        ((at,),) = await self._query("SELECT max(at) FROM saga.history")
        return at if isinstance(at, datetime) else datetime(1970, 1, 1, tzinfo=UTC)

    async def doubts(self) -> Mapping[str, str]:
        """Return the instances that stall when they start, each with the reason."""
        rows = await self._query("SELECT instance_id, reason FROM saga.doubt")
        return {row[0]: row[1] for row in rows}

    async def set_doubts(self, doubts: Mapping[str, str]) -> None:
        """Replace them."""
        await self.transact(lambda tx: tx.set_doubts(doubts))

    async def counts(self, now: datetime) -> Counts:
        """Return what the metrics show of the database."""

        async def counted() -> Counts:
            async with self._counting:
                return await count(self._counter.fetch, now, len(self._silent))

        return await self._shielded(counted())

    async def _locked(self, write: Callable[[], Awaitable[T]]) -> T:
        """Run a transaction after the one that is running, and report whether the database works."""
        async with self._lock:
            try:
                result = await write()
            except StoreError as error:
                self._note(_TRANSACTIONS, str(error))
                raise
            self._note(_TRANSACTIONS, None)
            return result

    async def _commit_long(self, work: Callable[[PostgresTransaction], Awaitable[T]]) -> T:
        try:
            await self._writer.begin()
            result = await work(PostgresTransaction(self._writer, self._numbers, self._definitions, self._silent))
            await self._writer.commit()
        except BaseException:
            await self._writer.rollback()
            raise
        return result

    async def _commit_short(self, batch: DecidedBatch) -> Sequence[OutboxRow]:
        changes = batch.changes
        new = sum(loaded is None for _, loaded in changes.instances)
        statement, arguments = short_form.build(batch, await self._numbers.take(self._writer, new))
        ((_, _, seqs),) = await self._writer.fetch(statement, *arguments)
        return [OutboxRow(seq, message) for seq, message in zip(seqs, changes.outbox, strict=True)]

    async def _query(self, sql: str, *parameters: object) -> Sequence[Row]:
        async def read() -> Sequence[Row]:
            async with self._reading:
                try:
                    rows = await self._reader.fetch(sql, *parameters)
                except StoreError as error:
                    self._note(_READS, str(error))
                    raise
                self._note(_READS, None)
                return rows

        return await self._shielded(read())

    def _note(self, use: str, problem: str | None) -> None:
        """Report all problems: that one use of the database works does not end the problem of another."""
        if problem is None:
            self._problems.pop(use, None)
        else:
            self._problems[use] = problem
        self._report("; ".join(dict.fromkeys(self._problems.values())) or None)

    async def _shielded(self, unit: Coroutine[Any, Any, T]) -> T:
        """Run something that neither a cancellation of its caller nor `close` interrupts."""
        task = asyncio.ensure_future(unit)
        self._running.add(task)
        task.add_done_callback(self._discard)
        return await asyncio.shield(task)

    def _discard(self, task: asyncio.Task[Any]) -> None:
        """Forget a transaction, and mark its error as retrieved: its caller may have been cancelled."""
        self._running.discard(task)
        if not task.cancelled():
            task.exception()


async def _check_durable(session: PostgresSession, database: str) -> None:
    """Raise `StoreError` if a commit may be lost with the server's memory."""
    ((commit,),) = await session.fetch("SELECT current_setting('synchronous_commit')")
    if commit == "off":
        raise StoreError(f"{database}: synchronous_commit is off, so commits may be lost: set it to on")
