"""The instrument itself: what is recorded is what was done, and a cut leaves what was synced, and torn what was not."""

import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from tests.resilience.power._support.power_cut import SECTOR, after_power_cut
from tests.resilience.power._support.recording_disk import (
    Created,
    Deleted,
    DiskEvent,
    FolderSynced,
    Synced,
    Truncated,
    Written,
    recording,
)
from tests.resilience.power._support.sqlite_vfs import library

pytestmark = pytest.mark.skipif(
    library() is None, reason="the SQLite of this Python is built in, and lets nobody put a layer beneath it"
)

THERE: list[DiskEvent] = [Created("a"), FolderSynced(), Written("a", 0, b"x" * 2 * SECTOR), Synced("a")]


def lefts(*events: DiskEvent) -> list[dict[str, bytes]]:
    """What is left by many cuts, of a file that was there, and of what happened after that."""
    return [after_power_cut([*THERE, *events], Random(seed)) for seed in range(200)]


def test_what_is_recorded_is_what_stands_in_the_files(tmp_path: Path) -> None:
    events: list[DiskEvent] = []
    with recording(tmp_path, events.append):
        connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE t (a)")
        connection.executemany("INSERT INTO t VALUES (?)", [(f"{number}" * 500,) for number in range(100)])
        files = {file.name: file.read_bytes() for file in tmp_path.iterdir() if not file.name.endswith("-shm")}
        assert after_power_cut([*events, *map(Synced, files), FolderSynced()], Random(0)) == files
        connection.close()
    assert Synced("a.db") in events
    assert events[-1] == Deleted("a.db-wal")
    with closing(sqlite3.connect(tmp_path / "b.db")) as after:
        after.execute("CREATE TABLE t (a)")
    assert events[-1] == Deleted("a.db-wal"), "the layer is still there"


def test_files_elsewhere_are_not_recorded(tmp_path: Path) -> None:
    events: list[DiskEvent] = []
    (tmp_path / "ours").mkdir()
    with recording(tmp_path / "ours", events.append), closing(sqlite3.connect(tmp_path / "a.db")) as connection:
        connection.execute("CREATE TABLE t (a)")
    assert events == [FolderSynced()]


def test_a_sync_that_shall_fail_fails_the_transaction(tmp_path: Path) -> None:
    events: list[DiskEvent] = []
    with (
        recording(tmp_path, events.append, lambda name: name == "a.db"),
        closing(sqlite3.connect(tmp_path / "a.db")) as connection,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        connection.execute("CREATE TABLE t (a)")
    assert caught.value.sqlite_errorname == "SQLITE_IOERR_FSYNC"
    assert Synced("a.db", is_done=False) in events


def test_what_was_synced_survives_and_the_rest_may_be_torn_at_sectors_and_come_in_any_order() -> None:
    pending = Written("a", 0, b"y" * 2 * SECTOR), Written("a", SECTOR, b"z" * 2 * SECTOR)
    contents = {left["a"] for left in lefts(*pending)}
    sectors = {tuple(content[at : at + SECTOR] for at in range(0, len(content), SECTOR)) for content in contents}
    x, y, z = (letter * SECTOR for letter in (b"x", b"y", b"z"))
    assert {each[:2] for each in sectors} == {(first, second) for first in (x, y) for second in (x, y, z)}
    assert {each[2:] for each in sectors} == {(), (z,)}
    assert {left["a"] for left in lefts(*pending, Synced("a"))} == {y + z + z}


def test_beyond_what_was_lost_there_is_nothing_or_anything() -> None:
    contents = {left["a"] for left in lefts(Written("a", 5 * SECTOR, b"y"))}
    between = {content[2 * SECTOR : 5 * SECTOR] for content in contents if len(content) > 2 * SECTOR}
    assert bytes(3 * SECTOR) in between
    assert len(between) > 2


def test_what_a_failed_sync_has_lost_comes_with_no_later_one() -> None:
    events = Written("a", 0, b"y"), Synced("a", is_done=False), Written("a", 1, b"z"), Synced("a")
    assert {left["a"][:2] for left in lefts(*events)} == {b"yz", b"xz"}


def test_a_name_that_was_not_synced_may_be_missing_or_back_again() -> None:
    events = Deleted("a"), Created("b"), Written("b", 0, b"z"), Synced("b")
    assert {tuple(left) for left in lefts(*events)} == {("a",), (), ("b",)}
    assert {tuple(left) for left in lefts(*events, FolderSynced())} == {("b",)}


def test_a_file_that_was_cut_short_may_still_be_long() -> None:
    assert {len(left["a"]) for left in lefts(Truncated("a", 7))} == {7, 2 * SECTOR}
