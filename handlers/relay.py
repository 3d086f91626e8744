"""The outbox to Kafka: rows leave in their order, independently for each partition of each topic.

Rows come from memory after the commit, and from the table after a crash, until Kafka has acknowledged them. Such a
row is deleted with the next transaction, or with a small one of the relay's own when there is none. What was sent and
not acknowledged is sent again: a duplicate may follow, but nothing overtakes its predecessor's first copy. To that
end the rows of an instance leave through one relay, that of its home; in a shared store it looks for them itself.
"""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Sequence

from saga_coordinator.handlers.backoff import Backoff
from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.ports import Observer, Publisher, Store
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
        self._lanes: defaultdict[tuple[str, int], deque[OutboxRow]] = defaultdict(deque)
        self._busy: set[tuple[str, int]] = set()
        self._known: set[int] = set()
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
        return sum(map(len, self._lanes.values()))

    def exceeds(self, limit: int, max_bytes: int) -> bool:
        """Return whether more rows, or more bytes of values, are not acknowledged yet."""
        return self.pending > limit or self._bytes > max_bytes

    @property
    def age(self) -> float:
        """For how many seconds the oldest of them has waited."""
        oldest = min((lane[0].seq for lane in self._lanes.values() if lane), default=None)
        while self._pushes and (oldest is None or self._pushes[0][0] < oldest):
            self._pushes.popleft()
        return time.monotonic() - self._pushes[0][1] if self._pushes else 0.0

    def unsent(self) -> frozenset[str] | None:
        """Return the ids of the messages that have not left yet: none is acknowledged. None: they are being read."""
        if self._early is not None:
            return None
        return frozenset(row.message.message_id for lane in self._lanes.values() for row in lane)

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

    def _queue(self, rows: Sequence[OutboxRow]) -> None:
        """Let rows of our homes leave, in their order."""
        rows = [row for row in rows if self._leases.is_home(row.message.home)]
        for row in rows:
            if row.seq not in self._known:
                self._known.add(row.seq)
                self._bytes += len(row.message.value or b"")
                self._idle.clear()
                self._lanes[row.message.topic, row.message.partition].append(row)
        if rows:
            self._pushes.append((rows[-1].seq, time.monotonic()))
        for lane in dict.fromkeys((row.message.topic, row.message.partition) for row in rows):
            self._start(lane)

    def acknowledged(self) -> Sequence[int]:
        """Return the rows that may be deleted now."""
        return tuple(self._acknowledged)

    async def run(self) -> None:
        """Publish until cancelled. First come the rows that a crash has left."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                for lane in tuple(self._lanes):
                    self._start(lane)
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

    def _start(self, lane: tuple[str, int]) -> None:
        if self._tasks is not None and lane not in self._busy and self._lanes[lane]:
            self._busy.add(lane)
            self._tasks.create_task(self._publish(lane), name=f"relay {lane[0]}:{lane[1]}")

    async def _publish(self, lane: tuple[str, int]) -> None:
        """Publish one lane until it is empty. After a failure begin with one row: others may be to blame for it."""
        waiting, backoff, most = self._lanes[lane], Backoff(), MAX_BATCH
        try:
            while waiting:
                rows = [waiting[index] for index in range(min(len(waiting), most))]
                try:
                    await self._publisher.publish(*lane, [row.message for row in rows])
                except Exception as error:  # noqa: BLE001  whatever it is, the rows stay and are tried again
                    self._observer.on_error(f"{len(rows)} messages to {lane[0]}:{lane[1]} were not acknowledged", error)
                    await asyncio.sleep(backoff.next())
                    most = 1
                else:
                    backoff.reset()
                    most = min(most * 2, MAX_BATCH)
                    for row in rows:
                        waiting.popleft()
                        self._bytes -= len(row.message.value or b"")
                        self._acknowledged.append(row.seq)
        finally:
            self._busy.discard(lane)
            if not self.pending:
                self._idle.set()
