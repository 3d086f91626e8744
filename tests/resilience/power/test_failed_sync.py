"""A failed sync is reported once: the store writes nothing more, and the next life begins with what is on disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Changes, DecidedBatch, OutboxMessage
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.sqlite import store as sqlite_store
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from tests.conformance._support.stores import begun, known, starts
from tests.resilience.power._support.recording_disk import (
    Created,
    Deleted,
    DiskEvent,
    Synced,
    Truncated,
    Written,
    recording,
)
from tests.resilience.power._support.sqlite_vfs import library
from tests.unit.handlers._support.coordinator import Watcher
from tests.unit.handlers._support.eventually import eventually

pytestmark = pytest.mark.skipif(
    library() is None, reason="the SQLite of this Python is built in, and lets nobody put a layer beneath it"
)

DATABASE, WAL = "saga.db", "saga.db-wal"
NO_SYNC = r"saga\.db: disk I/O error; what was written did not reach the disk, .* start it again"


class Opened:
    """A store on a disk that remembers, and whose next sync of a file may fail.

    That many events describe what was `found` before it was opened.
    """

    def __init__(self, path: Path) -> None:
        self.events: list[DiskEvent] = []
        self.reports: list[str | None] = []
        self.fails: str | None = None
        self.found = 0
        self.store = SqliteStore(path, known, self.reports.append)

    def is_failing(self, name: str) -> bool:
        """Let one sync fail, if it is that of this file."""
        fails = name == self.fails
        self.fails = None if fails else self.fails
        return fails

    def written(self, name: str) -> list[DiskEvent]:
        """What was done to a file."""
        return [each for each in self.events if isinstance(each, Written | Truncated | Synced) and each.name == name]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Opened]:
    """A store that is open, and closed in the end."""
    it = Opened(folder / DATABASE)
    with recording(folder, it.events.append, it.is_failing):
        it.found = len(it.events)
        await it.store.open()
        try:
            yield it
        finally:
            await it.store.close()


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Opened]:
    """A store that has committed something."""
    async with opened(tmp_path) as it:
        await it.store.acquire("t", 0, "me")
        yield it


@pytest.mark.parametrize("failing", [WAL, DATABASE])
async def test_after_a_failed_sync_nothing_is_written_any_more_and_it_says_so_i32(it: Opened, failing: str) -> None:
    it.fails = failing
    with pytest.raises(StoreError, match="disk I/O error"):
        await (it.store.acquire("t", 1, "me") if failing == WAL else it.store.checkpoint())
    assert it.events[-1] == Synced(failing, is_done=False)
    happened = len(it.events)

    for _ in range(2):
        with pytest.raises(StoreError, match=NO_SYNC):
            await it.store.transact(lambda tx: tx.save(starts(begun())))
        with pytest.raises(StoreError, match=NO_SYNC):
            await it.store.checkpoint()
    assert [(each.topic, each.epoch) for each in await it.store.leases()] == [("t", 1)], "it may be read"
    await it.store.close()
    assert it.events[happened:] == []
    assert it.reports[-1] is not None
    assert "did not reach the disk" in it.reports[-1]


@pytest.mark.parametrize("error", [StoreError, asyncio.CancelledError])
async def test_after_the_failed_sync_of_a_batch_nothing_is_written_any_more_i32(
    it: Opened, error: type[BaseException]
) -> None:
    batch = DecidedBatch((), starts(begun()), ())
    it.fails = WAL
    caller = asyncio.create_task(it.store.commit(batch))
    if error is asyncio.CancelledError:
        await asyncio.sleep(0)
        caller.cancel()
    with pytest.raises(error):
        await caller
    with pytest.raises(StoreError, match=NO_SYNC):
        await it.store.commit(batch)
    with pytest.raises(StoreError, match=NO_SYNC):
        await it.store.acquire("t", 1, "me")
    assert it.events[-1] == Synced(WAL, is_done=False)
    assert "did not reach the disk" in str(it.reports[-1])


async def test_the_wal_is_written_back_only_when_its_syncs_are_looked_at_i32(it: Opened) -> None:
    await it.store.checkpoint()
    done = len(it.written(DATABASE))
    rows = [OutboxMessage(f"m-{number}", 0, "t", 0, b"k", (), b"x" * 4_000) for number in range(5_000)]
    await it.store.transact(lambda tx: tx.save(Changes(outbox=rows)))
    await it.store.acquire("t", 0, "me")
    assert len(it.written(DATABASE)) == done, "SQLite has checkpointed, and reports no result"
    await it.store.checkpoint()
    assert len(it.written(DATABASE)) > done + 5_000
    assert it.written(DATABASE)[-1] == Synced(DATABASE)


async def test_a_failed_checkpoint_is_reported_and_repeated(it: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "CHECKPOINT_INTERVAL", 0.01)
    connection, watcher, done = it.store._open_writer, Watcher(), len(it.written(DATABASE))  # noqa: SLF001  in its way
    await connection.execute("BEGIN IMMEDIATE")
    loop = asyncio.create_task(it.store.run_checkpoints(watcher))
    await eventually(lambda: len(watcher.troubles) > 1, "reported, and tried again")
    assert {what for what, _ in watcher.troubles} == {"the WAL was not written back into the database"}
    await connection.execute("ROLLBACK")
    await eventually(lambda: len(it.written(DATABASE)) > done, "written back")
    loop.cancel()


async def test_the_wal_restarts_after_a_checkpoint(it: Opened) -> None:
    await it.store.transact(lambda tx: tx.save(starts(begun())))
    await it.store.checkpoint()
    await it.store.checkpoint()
    happened = len(it.events)
    await it.store.acquire("t", 0, "me")
    first = next(each for each in it.events[happened:] if isinstance(each, Written))
    assert (first.name, first.offset) == (WAL, 0)


async def test_what_another_life_has_left_in_the_wal_is_synced_before_it_is_read_i32(tmp_path: Path) -> None:
    async with opened(tmp_path) as first:
        first.fails = WAL
        with pytest.raises(StoreError, match="disk I/O error"):
            await first.store.transact(lambda tx: tx.save(starts(begun())))
    left = (tmp_path / WAL).read_bytes()

    async with opened(tmp_path) as second:
        assert second.events[second.found :][:2] == [Written(WAL, 0, left), Synced(WAL)]
    assert second.events[-1] == Deleted(WAL), "an orderly end leaves no WAL"
    async with opened(tmp_path) as third:
        assert third.events[third.found] == Created(WAL)
