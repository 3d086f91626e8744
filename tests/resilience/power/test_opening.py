"""A store opens in WAL mode or not at all: in any other a commit may be lost, and who reads keeps us from writing."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from tests.conformance._support.stores import known
from tests.resilience.power._support.recording_disk import recording
from tests.resilience.power._support.sqlite_vfs import library

pytestmark = pytest.mark.skipif(
    library() is None, reason="the SQLite of this Python is built in, and lets nobody put a layer beneath it"
)


@asynccontextmanager
async def closing(path: Path) -> AsyncIterator[SqliteStore]:
    """A store that is not open yet, and is closed in the end."""
    store = SqliteStore(path, known)
    try:
        yield store
    finally:
        await store.close()


async def test_a_sync_that_fails_while_the_file_is_made_is_an_error_and_no_other_mode_i32(tmp_path: Path) -> None:
    failing = iter([True])
    with recording(tmp_path, lambda _: None, lambda name: name == "saga.db" and next(failing, False)):
        async with closing(tmp_path / "saga.db") as store:
            with pytest.raises(StoreError, match="disk I/O error; see that its disk"):
                await store.open()
            await store.open()


async def test_a_disk_on_which_there_can_be_no_wal_is_refused(tmp_path: Path) -> None:
    with recording(tmp_path, lambda _: None, shares_memory=False):
        async with closing(tmp_path / "saga.db") as store:
            with pytest.raises(StoreError, match=r"saga\.db cannot be in WAL mode and stays in mode 'delete'.* disk"):
                await store.open()
