"""A copy of the database of one moment, its way back, and the check of a database file."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.sqlite.errors import is_corruption, remedy_at_start
from saga_coordinator.service.storage.sqlite.lock import acquire_lock
from saga_coordinator.service.storage.sqlite.migrations import newest_schema

BUSY_TIMEOUT_MS: Final = 5_000
MAX_PROBLEMS: Final = 10
"""So many problems of a database are named."""

_COMPANIONS: Final = ("-wal", "-shm")


class Checked(NamedTuple):
    """What a check has found. A database without `problems` is whole."""

    schema: int
    instances: int
    problems: tuple[str, ...]


class Restored(NamedTuple):
    """The content of the database now, and where the file is that was there before, if there was one."""

    content: Checked
    replaced: Path | None


def backup(path: Path, target: Path) -> int:
    """Copy the database as of this moment to a new file, on disk, and return its bytes. A coordinator may run.

    Raises `FileNotFoundError`, `FileExistsError`, `OSError`, and `StoreError` if the database cannot be read.
    """
    _check_exists(path)
    with _new_file(target) as copy:
        _copy(path, copy)
        return copy.stat().st_size


def restore(path: Path, source: Path) -> Restored:
    """Replace the database by a backup, while no coordinator runs; the replaced file is kept beside it.

    The backup is checked and copied first, so that the database is the old one or the new one at every moment. Raises
    `FileNotFoundError`, `OSError`, and `StoreError` if a coordinator runs or the backup is not whole.
    """
    _check_exists(source)
    if path.exists() and path.samefile(source):
        raise StoreError(f"{source} is the database itself: name the file of a backup")
    path = path.resolve()
    with _locked(path), _draft(path) as draft:
        _copy(source, draft)
        content = check(draft)
        if content.problems:
            raise StoreError(f"backup {source} is not whole: {'; '.join(content.problems)}; restore another backup")
        replaced = _put_aside(path, draft)
        draft.replace(path)
        _sync(path.parent)
    return Restored(content, replaced)


def check(path: Path) -> Checked:
    """Read a whole database file, and return what is wrong with it. A coordinator may run.

    Raises `FileNotFoundError`.
    """
    _check_exists(path)
    try:
        with closing(_connect(path)) as connection:
            connection.execute("BEGIN")
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
            problems = tuple(_problems(connection, schema))
            (instances,) = (0,) if problems else connection.execute("SELECT count(*) FROM instance").fetchone()
            return Checked(schema, instances, problems)
    except sqlite3.Error as error:
        return Checked(0, 0, (str(error),))


def _problems(connection: sqlite3.Connection, schema: int) -> Iterator[str]:
    if schema == 0:
        yield "it is empty: no coordinator has written to it"
        return
    if schema > newest_schema():
        yield f"its schema is {schema}, and this program reads up to {newest_schema()}: use the newer program"
    for (problem,) in connection.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})"):
        if problem != "ok":
            yield problem
    dangling = connection.execute("PRAGMA foreign_key_check").fetchmany(MAX_PROBLEMS)
    for table, _, parent, _ in dangling:
        yield f"a row of {table} refers to a row of {parent} that is missing"


def _copy(source: Path, target: Path) -> None:
    """Copy a database in one read transaction: a copy page by page begins again at each commit."""
    try:
        with closing(_connect(source)) as connection:
            connection.execute("VACUUM INTO ?", (str(target.absolute()),))
    except sqlite3.Error as error:
        reason = "; ".join(check(source).problems) or f"{error}: has the disk of {target.parent.resolve()} room?"
        raise StoreError(f"{source} cannot be copied: {reason}") from error
    _sync(target)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return connection


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"there is no database {path}")


@contextmanager
def _new_file(target: Path) -> Iterator[Path]:
    """Yield a draft that becomes the target if the block ends well. The name is taken first, so nothing is replaced."""
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError as error:
        raise FileExistsError(f"{target} exists already, and a backup replaces nothing: name another file") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no folder {target.parent}: create it, or name another file") from error
    try:
        with _draft(target) as draft:
            yield draft
            draft.replace(target)
        _sync(target.parent)
    except BaseException:
        target.unlink()
        raise


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """Yield an empty file beside the target, that only its owner can read; what is left of it is removed."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".draft", dir=target.parent)
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep coordinators out."""
    try:
        guard = acquire_lock(path)
    except BlockingIOError as error:
        raise StoreError(f"a coordinator has {path} open: stop it, and restore again") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"there is no folder {path.parent}: create it, or correct SAGA_STORE") from error
    with guard:
        yield


def _put_aside(path: Path, successor: Path) -> Path | None:
    """Give the database that is to be replaced another name beside its own, and its permissions to its successor.

    What was not yet written back into it must not meet the successor, which would be damaged.
    """
    if path.exists():
        _write_back(path)
    kept = path.with_name(f"{path.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
    for suffix in _COMPANIONS:
        companion = path.with_name(path.name + suffix)
        if companion.exists():
            companion.rename(kept.with_name(kept.name + suffix))
    if not path.exists():
        return None
    os.link(path, kept)
    shutil.copymode(path, successor)
    if os.geteuid() == 0:
        os.chown(successor, path.stat().st_uid, path.stat().st_gid)
    return kept


def _write_back(path: Path) -> None:
    """Write the WAL back into the database; a damaged database keeps it."""
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            ((is_busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.DatabaseError as error:
        if not is_corruption(error):
            raise StoreError(f"database {path} cannot be replaced: {error}; {remedy_at_start(error)}") from error
    else:
        if is_busy:
            raise StoreError(f"another program reads {path}: end it, and restore again")


def _sync(path: Path) -> None:
    """Write a file or a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
