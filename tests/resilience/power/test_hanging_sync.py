"""A disk that does not answer is reported, whatever waits for it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import DecidedBatch
from saga_coordinator.service.storage.sqlite import store as sqlite_store
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from tests.conformance._support.stores import begun, known, starts
from tests.resilience.power._support.recording_disk import recording
from tests.resilience.power._support.sqlite_vfs import library
from tests.unit.handlers._support.eventually import eventually

pytestmark = pytest.mark.skipif(
    library() is None, reason="the SQLite of this Python is built in, and lets nobody put a layer beneath it"
)


class Disk:
    """A disk on which the syncs of one file do not return while `hangs` names it."""

    def __init__(self) -> None:
        self.hangs: str | None = None
        self._answers = threading.Event()

    def sync(self, name: str) -> bool:
        """Wait while the file hangs; no sync fails."""
        if name == self.hangs:
            self._answers.wait()
        return False

    @contextmanager
    def hanging(self, name: str) -> Iterator[None]:
        """Let the syncs of a file hang for as long as the block."""
        self.hangs = name
        try:
            yield
        finally:
            self.hangs = None
            self._answers.set()


def by_transaction(store: SqliteStore) -> Awaitable[object]:
    return store.acquire("t", 0, "me")


def by_batch(store: SqliteStore) -> Awaitable[object]:
    """Write in the short form, for whose commit the event loop itself waits, as long as that does not take long."""
    return store.commit(DecidedBatch((), starts(begun()), ()))


async def _awaited(write: Awaitable[object]) -> None:
    await write


@pytest.mark.parametrize("file", ["saga.db-wal", "saga.db"])
@pytest.mark.parametrize("write", [by_transaction, by_batch])
async def test_a_transaction_that_waits_for_the_disk_is_reported_until_it_has_ended_i34(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, write: Callable[[SqliteStore], Awaitable[object]]
) -> None:
    monkeypatch.setattr(sqlite_store, "SLOW", 0.05)
    disk, reports = Disk(), list[str | None]()
    with recording(tmp_path, lambda _: None, disk.sync):
        store = SqliteStore(tmp_path / "saga.db", known, reports.append)
        await store.open()
        try:
            await store.acquire("t", 0, "me")
            async with asyncio.TaskGroup() as tasks:
                with disk.hanging(file):
                    tasks.create_task(store.checkpoint())
                    tasks.create_task(_awaited(write(store)))
                    await eventually(lambda: "has not ended" in str(reports[-1]), "the transaction is reported")
            assert reports[-1] is None
        finally:
            await store.close()
