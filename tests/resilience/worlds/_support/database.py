"""A database in memory that keeps what was committed and nothing else; its sessions end with the life that has them.

Transactions follow one another. One that hangs for too long loses its session, as with PostgreSQL's
`idle_in_transaction_session_timeout`. Instances are kept as text, as a real store keeps them.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import NoReturn, TypeVar

from saga_coordinator.handlers.ports import Conflict
from saga_coordinator.handlers.records import (
    Actor,
    Changes,
    DatabaseIdentity,
    DeadLetter,
    DeadLetterQueue,
    DecidedBatch,
    EarlyEvent,
    Entry,
    EventSubscription,
    InstanceRecord,
    Lease,
    LeaseMove,
    OutboxMessage,
    OutboxRow,
    ParentCommand,
    PartitionOfTopic,
    Place,
    RecordVerdict,
    SetPosition,
    UnreadableInstance,
)
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.handlers.trace_context import TraceContext
from saga_coordinator.sagas.machine import Snapshot, freeze, thaw
from tests.resilience.worlds._support.loop import Life, current_life

T = TypeVar("T")

SESSION_WITHIN = 3.0


class Lost(OSError):
    """The connection to the database is gone: nobody knows what became of the transaction."""


@dataclass(frozen=True, slots=True)
class Row:
    """An instance as it is kept."""

    saga: str
    version: int
    key: str
    snapshot: Snapshot
    trace: str
    revision: int
    home: int
    parent: ParentCommand | None
    next_timer_at: datetime | None
    has_ended: bool


DATABASE_ID, CLUSTER_ID = "the-database-of-the-world", "the-cluster-of-the-world"


@dataclass
class Mood:
    """What the database does to its clients now: shares from 0 to 1, and the longest that it lets them wait, in s."""

    fails: float = 0.0
    loses_answer: float = 0.0
    slow: float = 0.0


@dataclass
class Database:
    """What is committed. `all_rows` is every row that the outbox ever had, by its number, in order.

    `refuses_batch` is the share of batches in the short form that it refuses for no reason; `batches` counts what
    became of them: written, or why not. `commits` is how many transactions wrote something.
    """

    routes: Routes
    chance: Random
    is_shared: bool = True
    mood: Mood = field(default_factory=Mood)
    instances: dict[str, Row] = field(default_factory=dict)
    history: dict[str, list[Entry]] = field(default_factory=dict)
    all_rows: dict[int, OutboxMessage] = field(default_factory=dict)
    outbox: dict[int, OutboxMessage] = field(default_factory=dict)
    leases: dict[tuple[str, int], tuple[int, str, int | None]] = field(default_factory=dict)
    held: list[EarlyEvent] = field(default_factory=list)
    awaited: set[EventSubscription] = field(default_factory=set)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    verdicts: list[RecordVerdict] = field(default_factory=list)
    epochs: list[tuple[str, int, int]] = field(default_factory=list)
    refuses_batch: float = 0.0
    batches: Counter[str] = field(default_factory=Counter)
    commits: int = 0
    _holder: "Session | None" = None
    _waiting: "list[asyncio.Future[None]]" = field(default_factory=list)

    async def begin(self, session: "Session") -> None:
        """Wait until no other transaction is open; end one that hangs."""
        while self._holder is not None:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            holder = self._holder
            try:
                async with asyncio.timeout(SESSION_WITHIN):
                    await waiting
            except TimeoutError:
                if self._holder is holder:
                    self.end(holder)
        self._holder = session
        session.life.at_end.append(lambda: self.end(session))

    def end(self, session: "Session") -> None:
        """Let the next transaction begin. A session that did not end itself is gone."""
        session.is_open = False
        if self._holder is session:
            self._holder = None
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                if not each.done():
                    each.set_result(None)

    def take_all(self) -> None:
        """Take every lease in a new epoch, as one does whose takeover was late: its group has given them to others."""
        self.leases = {at: (epoch + 1, "too late", done) for at, (epoch, _, done) in self.leases.items()}

    def apply(self, staged: Sequence[Callable[[], None]]) -> None:
        """Commit."""
        self.commits += bool(staged)
        for write in staged:
            write()


class Session:
    """One transaction: `saga_coordinator.handlers.ports.Transaction` on the simulated database."""

    def __init__(self, database: Database, life: Life) -> None:
        self.life = life
        self.is_open = True
        self._database = database
        self._staged: list[Callable[[], None]] = []
        self._seq = max(database.all_rows, default=0)
        self.unreadable_instances: Mapping[str, UnreadableInstance] = {}

    async def advance(self, moves: Sequence[LeaseMove]) -> Sequence[Lease]:
        await self._hop()
        missed = []
        for act in moves:
            at = (act.topic, act.partition)
            epoch, owner, next_offset = self._database.leases.get(at, (0, "", None))
            if (epoch, next_offset) != (act.epoch, act.expected):
                missed.append(Lease(*at, epoch, next_offset))
                continue
            self._staged.append(lambda at=at, epoch=epoch, owner=owner, act=act: self._moved(at, epoch, owner, act))  # type: ignore[misc]  # the defaults bind what the loop has now
        return missed

    async def acquire(self, topic: str, partition: int, owner: str, start: int | None) -> Lease:
        await self._hop()
        epoch, _, known = self._database.leases.get((topic, partition), (0, "", None))
        next_offset = start if known is None else known
        self._staged.append(lambda: self._database.leases.update({(topic, partition): (epoch + 1, owner, next_offset)}))
        return Lease(topic, partition, epoch + 1, next_offset)

    async def register(self, partitions: Sequence[PartitionOfTopic]) -> None:
        await self._hop()
        new = {(at.topic, at.partition): (0, "", None) for at in partitions}
        self._staged.append(lambda: self._database.leases.update(new | self._database.leases))

    async def load(self, ids: Collection[str]) -> Mapping[str, InstanceRecord]:
        await self._hop()
        return {id_: self._stored(id_, row) for id_ in sorted(ids) if (row := self._database.instances.get(id_))}

    async def load_due(self, now: datetime, limit: int, homes: Sequence[Lease]) -> Sequence[InstanceRecord]:
        await self._hop()
        ours = {at.partition for at in homes if self._database.leases[at.topic, at.partition][0] == at.epoch}
        due = [
            (row.next_timer_at, id_, row)
            for id_, row in self._database.instances.items()
            if row.next_timer_at and row.next_timer_at <= now and row.home in ours
        ]
        return [self._stored(id_, row) for _, id_, row in sorted(due, key=lambda each: each[:2])[:limit]]

    async def load_early_events(self, addresses: Collection[str]) -> Sequence[EarlyEvent]:
        await self._hop()
        return [each for each in self._database.held if each.address in addresses]

    async def load_subscriptions(self, addresses: Collection[str]) -> Sequence[EventSubscription]:
        await self._hop()
        return sorted(each for each in self._database.awaited if each.address in addresses)

    async def load_expired_events(self, now: datetime, limit: int) -> Sequence[EarlyEvent]:
        await self._hop()
        return [each for each in self._database.held if each.expires_at <= now][:limit]

    async def load_dead_letters(self, place: Place, ids: Collection[str]) -> DeadLetterQueue:  # noqa: ARG002  the port's form
        await self._hop()
        raise NotImplementedError("nobody redrives anything in a world")

    async def save(self, changes: Changes) -> Sequence[OutboxRow]:
        await self._hop()
        for stored, loaded in changes.instances:
            there = self._database.instances.get(stored.instance.id)
            if (there and there.revision) != (loaded and loaded.revision):
                raise Conflict(f"{stored.instance.id} was changed by somebody else")
        unsent = [OutboxRow(self._seq + number, message) for number, message in enumerate(changes.outbox, 1)]
        self._staged.append(lambda: self._write(changes, unsent))
        return unsent

    async def write(self, batch: DecidedBatch) -> Sequence[OutboxRow]:
        """Write a batch if all is as it assumes; sometimes nothing is, for no reason."""
        if self._database.chance.random() < self._database.refuses_batch:
            self._conflict("refused")
        if await self.advance(batch.moves):
            self._conflict("lease")
        if any(each.address in batch.fresh for each in self._database.held):
            self._conflict("early event")
        try:
            rows = await self.save(batch.changes)
        except Conflict:
            self._conflict("instance")
        self._staged.append(lambda: self._database.batches.update(["written"]))
        return rows

    def _conflict(self, why: str) -> NoReturn:
        self._database.batches[why] += 1
        raise Conflict(why)

    async def commit(self) -> None:
        """Make it last; the answer may be lost on its way back."""
        await self._hop()
        self._database.apply(self._staged)
        if self._database.chance.random() < self._database.mood.loses_answer:
            raise Lost("the answer to the commit was lost")

    async def _hop(self) -> None:
        """Go to the database and back: anything may happen meanwhile."""
        await asyncio.sleep(self._database.chance.random() * self._database.mood.slow)
        if not self.is_open:
            raise Lost("the session was ended by the database")
        if self._database.chance.random() < self._database.mood.fails:
            raise OSError("the database failed, on purpose")

    def _moved(self, at: tuple[str, int], epoch: int, owner: str, act: LeaseMove) -> None:
        self._database.leases[at] = (epoch, owner, act.next_offset)
        self._database.epochs.append((*at, epoch))

    def _write(self, changes: Changes, unsent: Sequence[OutboxRow]) -> None:
        it = self._database
        for stored, _ in changes.instances:
            it.instances[stored.instance.id] = _row(stored)
        for entry in changes.entries:
            it.history.setdefault(entry.instance_id, []).append(entry)
        for seq, message in unsent:
            it.all_rows[seq] = it.outbox[seq] = message
        for seq in changes.acknowledged:
            it.outbox.pop(seq, None)
        it.dead_letters += changes.dead_letters
        it.held = [each for each in it.held if each not in changes.released] + changes.buffered
        it.verdicts += changes.verdicts
        it.awaited = (it.awaited | set(changes.subscribed)) - set(changes.unsubscribed)

    def _stored(self, id_: str, row: Row) -> InstanceRecord:
        saga = self._database.routes.saga_of(row.saga, row.version)
        instance, trace = thaw(saga, id_, row.key, row.snapshot), TraceContext.from_json(row.trace)
        return InstanceRecord(instance, row.revision, row.home, trace, row.parent)


class SimulatedStore:
    """`saga_coordinator.handlers.ports.Store` as one life of a coordinator has it."""

    def __init__(self, database: Database) -> None:
        self.is_shared = database.is_shared
        self._database = database
        self._running: set[asyncio.Task[object]] = set()

    async def transact(self, work: Callable[[Session], Awaitable[T]]) -> T:
        task = asyncio.ensure_future(self._transact(work))
        self._running.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def commit(self, batch: DecidedBatch) -> Sequence[OutboxRow]:
        return await self.transact(lambda tx: tx.write(batch))

    async def identity(self) -> DatabaseIdentity:
        await asyncio.sleep(0)
        return DatabaseIdentity(DATABASE_ID, CLUSTER_ID)

    async def register(self, cluster_id: str | None, partitions: Sequence[PartitionOfTopic]) -> None:
        assert cluster_id == CLUSTER_ID
        await self.transact(lambda tx: tx.register(partitions))

    async def acquire(
        self,
        topic: str,
        partition: int,
        owner: str,
        *,
        start: int | None = None,
        topic_id: str | None = None,  # noqa: ARG002  no topic is created again in a world
    ) -> Lease:
        return await self.transact(lambda tx: tx.acquire(topic, partition, owner, start))

    async def set_positions(self, positions: Sequence[SetPosition], cluster_id: str | None, by: Actor) -> None:
        raise NotImplementedError("nobody sets a position in a world")

    async def confirm(self, partitions: Collection[tuple[str, int]]) -> None:
        assert not partitions

    async def leases(self) -> Sequence[Lease]:
        await asyncio.sleep(0)
        held = sorted(self._database.leases.items())
        return [Lease(*at, epoch, next_offset) for at, (epoch, _, next_offset) in held]

    async def unsent(self) -> Sequence[OutboxRow]:
        await asyncio.sleep(0)
        return [OutboxRow(seq, message) for seq, message in sorted(self._database.outbox.items())]

    async def next_timer(self) -> datetime | None:
        await asyncio.sleep(0)
        timers = [row.next_timer_at for row in self._database.instances.values() if row.next_timer_at]
        return min([*timers, *(each.expires_at for each in self._database.held)], default=None)

    async def _transact(self, work: Callable[[Session], Awaitable[T]]) -> T:
        session = Session(self._database, current_life())
        await self._database.begin(session)
        session._seq = max(self._database.all_rows, default=0)  # noqa: SLF001  as it stands when it has the lock
        try:
            result = await work(session)
            await session.commit()
        finally:
            self._database.end(session)
        return result

    def _ended(self, task: "asyncio.Task[object]") -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()


def _row(stored: InstanceRecord) -> Row:
    instance = stored.instance
    return Row(
        saga=instance.saga,
        version=instance.version,
        key=instance.key,
        snapshot=freeze(instance),
        trace=stored.trace.to_json(),
        parent=stored.parent,
        revision=stored.revision,
        home=stored.home,
        next_timer_at=instance.next_timer_at,
        has_ended=instance.status.is_final,
    )
