"""The write-ahead log: it shrinks when it is used again, and a program that keeps it from that is named."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Changes, OutboxMessage
from saga_coordinator.service.storage.sqlite import store as sqlite_store
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from saga_coordinator.service.storage.sqlite.wal import describe_readers, size_of, wal_of
from tests.conformance._support.stores import known
from tests.unit.handlers._support.coordinator import Watcher
from tests.unit.handlers._support.eventually import eventually

LIMIT = 1 << 20
READS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN")
connection.execute("SELECT count(*) FROM outbox").fetchone()
print("reads", flush=True)
sys.stdin.read()
"""
pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(not Path("/proc/locks").exists(), reason="this system does not show who holds a lock"),
]


async def test_a_program_that_reads_for_long_is_named_and_the_log_shrinks_when_it_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_store, "SIZE_LIMIT", LIMIT)
    monkeypatch.setattr(sqlite_store, "CHECKPOINT_INTERVAL", 0.01)
    path, watcher = tmp_path / "saga.db", Watcher()
    store = SqliteStore(path, known)
    await store.open()
    await store._open_writer.execute(f"PRAGMA journal_size_limit = {LIMIT}")  # noqa: SLF001  as the limit says
    checkpoints = asyncio.create_task(store.run_checkpoints(watcher))
    try:
        with subprocess.Popen(  # noqa: ASYNC220  it starts in no time
            [sys.executable, "-c", READS, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as reader:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "reads\n"
            await write(store, 4 * LIMIT)
            await eventually(lambda: bool(watcher.troubles), "the growth is reported")
            what, error = watcher.troubles[0]
            assert what.startswith(f"{wal_of(path)} has ")
            assert f"process {reader.pid} (" in str(error)
            assert reader.stdin is not None
            reader.stdin.close()
        await store.checkpoint()
        await write(store, 1)
        assert size_of(wal_of(path)) <= LIMIT
        assert describe_readers(path) == "another program reads it"
    finally:
        checkpoints.cancel()
        await store.close()


async def write(store: SqliteStore, size: int) -> None:
    rows = [OutboxMessage("m", 0, "t", 0, b"k", (), b"x" * (size // 64 + 1)) for _ in range(64)]
    await store.transact(lambda tx: tx.save(Changes(outbox=rows)))
