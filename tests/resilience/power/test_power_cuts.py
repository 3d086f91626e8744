"""The power fails at any moment: what was acknowledged is there, nothing else has left, all orders end (I7, I24)."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from saga_coordinator.service.storage.sqlite.store import SqliteStore
from tests.conformance._support.stores import known
from tests.resilience.power._support.accounts import rows
from tests.resilience.power._support.lives import after_cuts
from tests.resilience.power._support.power_cut import after_power_cut
from tests.resilience.power._support.recording_disk import DiskEvent, recording
from tests.resilience.power._support.sqlite_vfs import library

pytestmark = pytest.mark.skipif(
    library() is None, reason="the SQLite of this Python is built in, and lets nobody put a layer beneath it"
)

FEW, MANY, LIVES = 2, 5, 8


@pytest.mark.parametrize("failing", [0, 2], ids=["sound", "failing-syncs"])
async def test_a_few_power_cuts_lose_nothing_and_bring_forth_nothing(tmp_path: Path, failing: int) -> None:
    for seed in range(FEW):
        await after_cuts(tmp_path, seed, lives=2, failing=failing)


@pytest.mark.slow
@pytest.mark.parametrize("failing", [0, 2], ids=["sound", "failing-syncs"])
async def test_many_power_cuts_lose_nothing_and_bring_forth_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], failing: int
) -> None:
    began, cuts = time.monotonic(), 0
    for seed in range(FEW, FEW + MANY):
        cuts += await after_cuts(tmp_path, seed, LIVES, failing)
    took = time.monotonic() - began
    with capsys.disabled():
        print(f"\n{cuts} power cuts survived, {cuts / took:.0f} a second")  # noqa: T201  the figure of the run


@pytest.mark.slow
async def test_a_first_start_that_is_cut_off_anywhere_is_made_good_by_the_next(tmp_path: Path) -> None:
    events: list[DiskEvent] = []
    (tmp_path / "first").mkdir()
    await opened_and_closed(tmp_path / "first", events.append)
    schema = rows(tmp_path / "first" / "saga.db", "SELECT sql FROM sqlite_schema ORDER BY name")
    for moment in range(len(events) + 1):
        folder = tmp_path / str(moment)
        folder.mkdir()
        for name, content in after_power_cut(events[:moment], Random(moment)).items():
            (folder / name).write_bytes(content)
        await opened_and_closed(folder, lambda _: None)
        assert rows(folder / "saga.db", "PRAGMA integrity_check") == [("ok",)]
        assert rows(folder / "saga.db", "SELECT sql FROM sqlite_schema ORDER BY name") == schema


async def opened_and_closed(folder: Path, on_event: Callable[[DiskEvent], None]) -> None:
    """Let a store make its database, or make it whole."""
    store = SqliteStore(folder / "saga.db", known)
    with recording(folder, on_event):
        await store.open()
        await store.close()
