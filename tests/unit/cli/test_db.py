"""`saga db`: a backup of one moment under load, its way back whatever lies there, and the check of a file."""

import asyncio
import os
import resource
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest

from saga_coordinator.service.storage.sqlite.backup import backup, check, restore
from saga_coordinator.service.storage.sqlite.lock import acquire_lock
from saga_coordinator.service.storage.sqlite.migrations import newest_schema
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import completed, placed, run_stories
from tests.unit.handlers._support.coordinator import open_coordinator
from tests.unit.handlers._support.order_log import Log

REMEDY = "restore a backup (`saga db restore FILE`), or use the one that `saga db check FILE` finds whole"


def test_a_backup_under_load_is_of_one_moment_and_ends(saga: Saga, store: Path, tmp_path: Path) -> None:
    copy = tmp_path / "backup.db"

    async def story() -> None:
        log, orders = Log(), 0
        async with open_coordinator(store) as it:
            await it.take(*(log.placed(f"o-{number}") for number in range(200)))
            copying = asyncio.ensure_future(asyncio.to_thread(saga.does, "db", "backup", str(copy)))
            while not copying.done():
                orders += 1
                await it.take(log.placed(f"later-{orders}"))
            await copying
            await it.take(log.placed("last"))

    asyncio.run(story())
    assert keys(store)[-1] == "last"
    assert keys(copy) == keys(store)[: len(keys(copy))], "it is the database as it was at one moment"
    assert 200 <= len(keys(copy)) < len(keys(store))
    with closing(sqlite3.connect(copy)) as connection:
        query = "SELECT (SELECT count(*) FROM history), (SELECT sum(revision) FROM instance)"
        [(entries, revisions)] = connection.execute(query)
    assert entries == revisions, "a transaction is in it as a whole, or not at all"
    assert saga.does("db", "check", str(copy)).out == (
        f"{copy} is whole: schema {newest_schema()}, {len(keys(copy))} instances.\n"
    )


def test_a_backup_is_on_disk_and_only_its_owner_can_read_it(
    saga: Saga, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, placed("o-1"))
    synced = synced_files(monkeypatch)

    saga.does("db", "backup", "backup.db")

    assert synced == [(tmp_path / "backup.db").stat().st_ino, tmp_path.stat().st_ino]
    assert (tmp_path / "backup.db").stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.glob("*backup*")) == ["backup.db"]


def test_a_backup_replaces_no_file(saga: Saga, store: Path, tmp_path: Path) -> None:
    run_stories(store, placed("o-1"))
    (tmp_path / "backup.db").write_text("an older one")

    said = saga("db", "backup", "backup.db")

    assert (said.code, said.err) == (
        1,
        "saga: backup.db exists already, and a backup replaces nothing: name another file\n",
    )
    assert (tmp_path / "backup.db").read_text() == "an older one"


def test_a_backup_creates_no_folder(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"))

    said = saga("db", "backup", "nowhere/backup.db")

    assert (said.code, said.err) == (1, "saga: there is no folder nowhere: create it, or name another file\n")
    assert not Path("nowhere").exists()


def test_a_backup_for_which_there_is_no_room_leaves_nothing(saga: Saga, store: Path, tmp_path: Path) -> None:
    run_stories(store, *(placed(f"o-{number}") for number in range(50)))

    with small_files(100_000):
        said = saga("db", "backup", "backup.db")

    assert said.code == 1
    assert said.err.startswith(f"saga: {store} cannot be copied: ")
    assert f"has the disk of {tmp_path} room?" in said.err
    assert list(tmp_path.glob("*backup*")) == []


def test_a_damaged_database_is_not_copied(saga: Saga, store: Path, tmp_path: Path) -> None:
    run_stories(store, *(placed(f"o-{number}") for number in range(50)))
    damage(store)

    said = saga("db", "backup", "backup.db")

    assert said.code == 1
    assert said.err == f"saga: {store} cannot be copied: database disk image is malformed\n"
    assert not (tmp_path / "backup.db").exists()


def test_a_restored_backup_replaces_the_database_and_what_lies_beside_it(
    saga: Saga, store: Path, tmp_path: Path
) -> None:
    run_stories(store, completed("o-1"))
    saga.does("db", "backup", "backup.db")
    as_after_a_kill(store)
    assert store.with_name("saga.db-wal").exists(), "a WAL that does not belong to the backup"

    said = saga.does("db", "restore", "backup.db")

    assert keys(store) == ["o-1"]
    [kept] = tmp_path.glob("saga.db.replaced-*")
    assert said.out == (
        f"{store} is now backup.db: schema {newest_schema()}, 1 instances. What was there before is {kept}. "
        "If the coordinator has worked since that backup, start it by `saga serve --recover`.\n"
    )
    assert keys(kept) == ["o-killed"]
    assert saga.does("db", "check").out.startswith(f"{store} is whole")
    assert saga.does("ls", "--json").json["instances"][0]["key"] == "o-1"


def test_a_backup_replaces_a_damaged_database(saga: Saga, store: Path, tmp_path: Path) -> None:
    run_stories(store, *(placed(f"o-{number}") for number in range(50)))
    saga.does("db", "backup", "backup.db")
    as_after_a_kill(store)
    damage(store)

    saga.does("db", "restore", "backup.db")

    assert len(keys(store)) == 50
    assert not check(store).problems
    assert len(list(tmp_path.glob("saga.db.replaced-*"))) >= 1


def test_a_backup_replaces_a_database_that_is_gone_and_keeps_its_permissions(
    saga: Saga, store: Path, tmp_path: Path
) -> None:
    run_stories(store, placed("o-1"))
    store.chmod(0o640)
    saga.does("db", "backup", "backup.db")
    saga.does("db", "restore", "backup.db")
    assert store.stat().st_mode & 0o777 == 0o640
    store.unlink()

    said = saga.does("db", "restore", "backup.db")

    assert "What was there before" not in said.out
    assert keys(store) == ["o-1"]
    assert (tmp_path / "backup.db").exists()


def test_nothing_is_restored_while_a_coordinator_runs(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"))
    saga.does("db", "backup", "backup.db")
    before = store.read_bytes()

    with acquire_lock(store):
        said = saga("db", "restore", "backup.db")

    assert (said.code, said.err) == (1, f"saga: a coordinator has {store} open: stop it, and restore again\n")
    assert store.read_bytes() == before


def _is_text(file: Path) -> None:
    file.write_text("no database, " * 1_000)


def _is_newer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA user_version = {newest_schema() + 1}")


def _has_lost_a_row(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM instance WHERE number = 7")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda file: file.write_bytes(b""), "it is empty: no coordinator has written to it"),
        (_is_text, "file is not a database"),
        (lambda file: damage(file), "malformed"),  # noqa: PLW0108  it is defined below
        (_is_newer, f"its schema is {newest_schema() + 1}, and this program reads up to {newest_schema()}"),
        (_has_lost_a_row, "a row of history refers to a row of instance that is missing"),
    ],
    ids=["empty", "text", "damaged", "newer", "row missing"],
)
def test_a_backup_that_is_not_whole_is_named_and_not_restored(
    saga: Saga, store: Path, tmp_path: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    copy = tmp_path / "backup.db"
    run_stories(store, *(placed(f"o-{number}") for number in range(50)))
    saga.does("db", "backup", "backup.db")
    spoil(copy)

    checked, restored = saga("db", "check", str(copy)), saga("db", "restore", str(copy))

    assert (checked.code, restored.code) == (1, 1)
    assert reason in checked.err
    assert checked.err.endswith(f"saga: {copy} is not whole: {REMEDY}\n")
    assert str(copy) in restored.err
    assert reason in restored.err
    assert saga("db", "check", str(copy), "--json").json["ok"] is False
    assert len(keys(store)) == 50
    assert list(tmp_path.glob("saga.db.replaced-*")) == []


@pytest.mark.parametrize("verb", ["restore", "check"])
def test_a_file_that_is_not_there_is_named(saga: Saga, verb: str) -> None:
    said = saga("db", verb, "nothing.db")
    assert (said.code, said.err) == (1, "saga: there is no database nothing.db\n")


def test_a_restore_creates_no_folder(saga: Saga, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stories(store, placed("o-1"))
    saga.does("db", "backup", "backup.db")
    monkeypatch.setenv("SAGA_STORE", f"sqlite:///{tmp_path}/nowhere/saga.db")

    said = saga("db", "restore", "backup.db")

    assert (said.code, said.err) == (
        1,
        f"saga: there is no folder {tmp_path}/nowhere: create it, or correct SAGA_STORE\n",
    )


def test_the_database_itself_is_no_backup(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-1"))
    said = saga("db", "restore", str(store))
    assert (said.code, said.err) == (1, f"saga: {store} is the database itself: name the file of a backup\n")


def test_a_restore_that_is_killed_at_any_moment_leaves_the_old_or_the_new_database(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    origin.mkdir()
    run_stories(origin / "saga.db", completed("o-1"))
    backup(origin / "saga.db", origin / "backup.db")
    as_after_a_kill(origin / "saga.db")
    left, ended = [], False

    for moment in range(1, 200):
        folder = tmp_path / str(moment)
        shutil.copytree(origin, folder)
        ended = killed_at(moment, partial(restore, folder / "saga.db", folder / "backup.db"))
        assert not check(folder / "saga.db").problems, f"killed at call {moment} of the system"
        left.append(keys(folder / "saga.db"))
        shutil.rmtree(folder)
        if ended:
            break

    assert ended, "the last restore was not killed"
    assert {tuple(each) for each in left} == {("o-killed",), ("o-1",)}
    assert left == sorted(left, reverse=True), "once it is the new one it stays so"


def killed_at(moment: int, work: Callable[[], object]) -> bool:
    """Run something in a process that ends at its nth call of the system; return whether it came to its end."""
    child = os.fork()
    if child == 0:
        calls = iter(range(1, moment))

        def die(event: str, _arguments: object) -> None:
            if event.startswith(("os.", "sqlite3.", "open")) and next(calls, None) is None:
                os._exit(9)

        try:
            sys.addaudithook(die)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, 9}
    return code == 0


def as_after_a_kill(store: Path) -> None:
    """Commit a change to the last instance, and leave it in the WAL, as a killed coordinator does."""
    live = store.with_name("live.db")
    shutil.copy(store, live)
    with closing(sqlite3.connect(live, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute(
            "UPDATE instance SET correlation = 'o-killed' WHERE number = (SELECT max(number) FROM instance)"
        )
        for suffix in ("", "-wal", "-shm"):
            shutil.copy(f"{live}{suffix}", f"{store}{suffix}")
    live.unlink()


@contextmanager
def small_files(limit: int) -> Iterator[None]:
    """Let no file grow beyond a size."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def damage(file: Path) -> None:
    """Write over the pages behind the first ones, as a disk may."""
    with file.open("r+b") as damaged:
        damaged.seek(4 * 4096)
        damaged.write(b"\xa5" * (file.stat().st_size - 4 * 4096))


def keys(file: Path) -> list[str]:
    """The keys of the instances of a database, in the order of their start."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return [key for (key,) in connection.execute("SELECT correlation FROM instance ORDER BY number")]


def synced_files(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the inodes that are synced from now on, each after the sync has returned."""
    inodes: list[int] = []
    sync = os.fsync

    def recorded(descriptor: int) -> None:
        sync(descriptor)
        inodes.append(os.fstat(descriptor).st_ino)

    monkeypatch.setattr(os, "fsync", recorded)
    return inodes
