"""Checks before the start whether a coordinator could work with a database file. Nothing is written."""

import fcntl
import os
from pathlib import Path

from saga_coordinator.service.health import Finding
from saga_coordinator.service.storage.sqlite.lock import lock_path


def check_access(path: Path) -> Finding:
    """Check whether the file, or a new one in its folder, could be written."""
    folder = next(each for each in path.absolute().parents if each.exists())
    for place in (path, folder) if path.exists() else (folder,):
        if not os.access(place, os.W_OK):
            remedy = "let the service's user write it and its folder, or set SAGA_STORE to another place"
            return Finding("database", f"{place} cannot be written", remedy)
    return Finding("database", f"{path.absolute()} can be written")


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
