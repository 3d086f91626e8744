"""What the store reports of a database that fails: until that use of it works again, for good if it is damaged."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.sqlite import store as sqlite_store
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from tests.conformance._support.stores import begun, known, outbox_message, starts
from tests.unit.handlers._support.coordinator import Watcher

DAMAGED = (
    "the file is damaged, so the coordinator stops: `saga db check` says what is damaged, and `saga db restore FILE`"
)
pytestmark = pytest.mark.timeout(30)


class Opened:
    """An open store, and what it has reported."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reports: list[str | None] = []
        self.store = SqliteStore(path, known, self.reports.append)

    def is_damaged(self) -> None:
        """Write over everything but the first pages, as a disk may."""
        with self.path.open("r+b") as file:
            file.seek(3 * 4096)
            file.write(b"\xa5" * (self.path.stat().st_size - 3 * 4096))


@pytest.fixture
async def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opened]:
    """A store that has committed something, and written it back into its file."""
    monkeypatch.setattr(sqlite_store, "CHECKPOINT_INTERVAL", 0.01)
    opened = Opened(tmp_path / "saga.db")
    await opened.store.open()
    await opened.store.transact(lambda tx: tx.save(starts(begun(), outbox=[outbox_message("m-1")])))
    await opened.store.checkpoint()
    yield opened
    await opened.store.close()


async def test_a_damaged_page_that_is_read_ends_the_process_and_names_file_and_remedy(it: Opened) -> None:
    checkpoints = asyncio.create_task(it.store.run_checkpoints(Watcher()))
    it.is_damaged()

    with pytest.raises(StoreError, match="database disk image is malformed") as raised:
        await it.store.unsent()

    assert str(raised.value).startswith(f"{it.path}: database disk image is malformed; {DAMAGED}")
    assert it.reports[-1] == str(raised.value)
    with pytest.raises(StoreError, match="malformed"):
        await checkpoints
    with pytest.raises(StoreError, match="malformed"):
        await it.store.acquire("t", 0, "me")
    assert it.reports[-1] == str(raised.value), "nothing that still works hides it"


async def test_a_transaction_that_works_does_not_end_the_problem_of_a_checkpoint(it: Opened) -> None:
    connection = it.store._open_writer  # noqa: SLF001  in its way
    await connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError):
        await it.store.checkpoint()
    await connection.execute("ROLLBACK")

    await it.store.acquire("t", 0, "me")

    assert (
        it.reports[-1]
        == f"{it.path}: database table is locked; end the other program that writes to it, and it continues"
    )
    await it.store.checkpoint()
    assert it.reports[-1] is None
