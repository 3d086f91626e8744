"""Checks before the start whether a coordinator could work with a database file. Nothing is written."""

import fcntl
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from saga_coordinator.service.health import Finding
from saga_coordinator.service.storage.sqlite.errors import DAMAGED, no_folder, remedy_at_reading
from saga_coordinator.service.storage.sqlite.lock import lock_path

CONTENT_TIMEOUT: Final = 3.0
STEPS_BETWEEN_CHECKS: Final = 20_000


def check_access(path: Path) -> Finding:
    """Check whether the file, or a new one in its folder, could be written."""
    folder = path.absolute().parent
    if not folder.is_dir():
        return Finding("database", f"{path} has no folder", no_folder(path))
    for place in (path, folder) if path.exists() else (folder,):
        if not os.access(place, os.W_OK):
            remedy = "let the service's user write it and its folder, or set SAGA_STORE to another place"
            return Finding("database", f"{place} cannot be written", remedy)
    return Finding("database", f"{path.absolute()} can be written")


def check_content(path: Path, seconds: float = CONTENT_TIMEOUT) -> Finding:
    """Check the pages of the file, as far as that is possible in so many seconds."""
    until = time.monotonic() + seconds
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_CHECKS)
            [problem, *_] = [text for (text,) in connection.execute("PRAGMA quick_check(1)")]
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            return Finding("content", f"no damage found within {seconds:g} s; `saga db check` reads all of it")
        return Finding("content", f"{path}: {error}", remedy_at_reading(error))
    if problem != "ok":
        return Finding("content", f"{path}: {problem}", DAMAGED)
    return Finding("content", "no damage found")


def check_lock(path: Path) -> Finding:
    """Check whether a coordinator has the database open, which is no failure."""
    lock = lock_path(path)
    try:
        with lock.open("rb") as guard:
            fcntl.flock(guard, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Finding("coordinator", f"one runs on this database: it holds {lock}")
    except FileNotFoundError:
        return Finding("coordinator", "none has ever run on this database")
    except OSError as error:
        return Finding("coordinator", f"{lock}: {error}", "let the service's user read it")
    return Finding("coordinator", "none runs on this database")
