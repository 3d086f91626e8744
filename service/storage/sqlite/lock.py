"""The lock of a database file: only the process that holds it writes to the database."""

import fcntl
from pathlib import Path
from typing import IO


def lock_path(path: Path) -> Path:
    """Return the lock file of a database. It is the same for all names of the database: two locks would be none."""
    file = path.resolve()
    return file.with_name(file.name + ".lock")


def acquire_lock(path: Path) -> IO[str]:
    """Return the lock file of a database, which is locked until it is closed. Raises `BlockingIOError`, `OSError`."""
    guard = lock_path(path).open("a", encoding="utf-8")
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        guard.close()
        raise
    return guard
