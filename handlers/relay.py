"""The outbox to Kafka: rows leave in their order, independently for each partition of each topic.

Rows come from memory after the commit, and from the table after a crash, until Kafka has acknowledged them. Such a
row is deleted with the next transaction, or with a small one of the relay's own when there is none. What was sent and
not acknowledged is sent again: a duplicate may follow, but nothing overtakes its predecessor's first copy. To that
end the rows of an instance leave through one relay, that of its home; in a shared store it looks for them itself.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from saga_coordinator.handlers.backoff import Backoff
from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.ports import Lane, Observer, Publisher, Store
from saga_coordinator.handlers.records import Changes, OutboxRow

MAX_BATCH = 1_000
MAX_PUSHES = 10_000
SWEEP_EVERY = 0.25


class Relay:
    """Publishes the outbox. `push` and `acknowledged` are for those that write transactions; `run` is its loop."""

    def __init__(self, store: Store, publisher: Publisher, leases: Leases, observer: Observer) -> None:
        self._store = store
        self._leases = leases
        self._publisher = publisher
        self._observer = observer
        self._lanes: dict[Lane, _Queue] = {}
        self._known: set[int] = set()
        self._pending = 0
        self._bytes = 0
        self._early: list[OutboxRow] | None = None
        self._acknowledged: list[int] = []
        self._pushes: deque[tuple[int, float]] = deque(maxlen=MAX_PUSHES)
        self._look = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: asyncio.TaskGroup | None = None

    @property
    def pending(self) -> int:
        """How many rows are not acknowledged yet."""
        return self._pending

    def exceeds(self, limit: int, max_bytes: int) -> bool:
        """Return whether more rows, or more bytes of values, are not acknowledged yet."""
        return self._pending > limit or self._bytes > max_bytes

    @property
    def age(self) -> float:
        """For how many seconds the oldest of them has waited."""
        oldest = min((lane.rows[0].seq for lane in self._lanes.values() if lane.rows), default=None)
        while self._pushes and (oldest is None or self._pushes[0][0] < oldest):
            self._pushes.popleft()
        return time.monotonic() - self._pushes[0][1] if self._pushes else 0.0

    def unsent(self) -> frozenset[str] | None:
        """Return the ids of the messages that have not left yet: none is acknowledged. None: they are being read."""
        if self._early is not None:
            return None
        return frozenset(row.message.message_id for lane in self._lanes.values() for row in lane.rows)

    def push(self, rows: Sequence[OutboxRow], *, deleted: Sequence[int] = ()) -> None:
        """Take over committed rows, and forget those that the same transaction has deleted."""
        if deleted:
            gone = set(deleted)
            self._acknowledged = [seq for seq in self._acknowledged if seq not in gone]
            self._known -= gone
        if rows and self._store.is_shared:
            self._look.set()
        elif self._early is not None:
            self._early += rows
        else:
            self._queue(rows)

    async def load(self) -> None:
        """Take over what the table holds; rows that are pushed meanwhile wait, so that they overtake no older one."""
        self._early = []
        try:
            older = await self._store.unsent()
        finally:
            newer, self._early = self._early, None
        rows = {row.seq: row for row in (*older, *newer)}
        self._queue([rows[seq] for seq in sorted(rows)])

    def _queue(self, rows: Iterable[OutboxRow]) -> None:
        """Let rows of our homes leave, in their order."""
        changed: dict[_Queue, None] = {}
        for row in rows:
            message = row.message
            if row.seq in self._known or not self._leases.is_home(message.home):
                continue
            self._known.add(row.seq)
            self._pending += 1
            self._bytes += len(message.value or b"")
            at = message.topic, message.partition
            lane = self._lanes.get(at) or self._lanes.setdefault(at, _Queue(at))
            lane.rows.append(row)
            changed[lane] = None
        if changed:
            self._idle.clear()
            self._pushes.append((row.seq, time.monotonic()))
            self._post(changed)

    def acknowledged(self) -> Sequence[int]:
        """Return the rows that may be deleted now."""
        return tuple(self._acknowledged)

    async def run(self) -> None:
        """Publish until cancelled. First come the rows that a crash has left."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                self._post(self._lanes.values())
                while True:
                    await self._wait_for_work()
                    try:
                        await self.sweep()
                    except Exception as error:  # noqa: BLE001  the rows stay acknowledged, and are deleted later
                        self._observer.on_error("acknowledged messages were not deleted from the outbox", error)
            finally:
                self._tasks = None

    async def sweep(self) -> None:
        """Delete what is acknowledged, if no other transaction has done it meanwhile; look for what others wrote."""
        deleted = self.acknowledged()
        if deleted:
            await self._store.transact(lambda tx: tx.save(Changes(acknowledged=deleted)))
            self.push((), deleted=deleted)
        if self._store.is_shared and self._leases.homes():
            self._queue(await self._store.unsent())

    async def wait_until_drained(self) -> None:
        """Return when nothing is pending and the table is empty."""
        await self._idle.wait()
        await self.sweep()

    async def _wait_for_work(self) -> None:
        """Wait a while, or until rows were written: in a shared store an instance's older rows may be another's."""
        try:
            async with asyncio.timeout(SWEEP_EVERY):
                await self._look.wait()
        except TimeoutError:
            return
        self._look.clear()

    def _post(self, lanes: Iterable["_Queue"]) -> None:
        """Publish the first rows of those lanes that have rows and wait for nothing, all lanes at once."""
        if self._tasks is None:
            return
        posted = {}
        for lane in lanes:
            if lane.rows and not lane.posted:
                posted[lane.at] = [row.message for row in islice(lane.rows, lane.most)]
                lane.posted = len(posted[lane.at])
        if posted:
            self._publisher.post(posted, self._done)

    def _done(self, at: Lane, outcome: int | Exception) -> None:
        """Continue a lane after its rows were acknowledged; after a failure they stay, and are sent again later."""
        lane = self._lanes[at]
        if isinstance(outcome, int):
            self._acknowledge(lane, outcome)
            lane.on_success()
            self._post((lane,))
        elif self._tasks is None:
            lane.posted = 0
        else:
            self._observer.on_error(f"{lane.posted} messages to {at[0]}:{at[1]} were not acknowledged", outcome)
            self._tasks.create_task(self._retry(lane), name=f"relay {at[0]}:{at[1]}")

    def _acknowledge(self, lane: "_Queue", count: int) -> None:
        """Note that the first rows of a lane are in Kafka."""
        for _ in range(count):
            row = lane.rows.popleft()
            self._bytes -= len(row.message.value or b"")
            self._acknowledged.append(row.seq)
        self._pending -= count
        if not self._pending:
            self._idle.set()

    async def _retry(self, lane: "_Queue") -> None:
        """Publish a lane again after a delay. Begin with one row: others may be to blame for the failure."""
        try:
            await asyncio.sleep(lane.backoff.next())
        finally:
            lane.posted = 0
        lane.most = 1
        self._post((lane,))


@dataclass(eq=False, slots=True)
class _Queue:
    """The rows of a lane that are not acknowledged; the first `posted` of them are on their way, at most `most`."""

    at: Lane
    rows: deque[OutboxRow] = field(default_factory=deque)
    posted: int = 0
    most: int = MAX_BATCH
    backoff: Backoff = field(default_factory=Backoff)

    def on_success(self) -> None:
        """Allow the next rows, twice as many as before."""
        self.posted = 0
        self.most = min(2 * self.most, MAX_BATCH)
        self.backoff.reset()
