"""What to do about a database file that cannot be used, by SQLite's error."""

import sqlite3
from pathlib import Path
from typing import Final

_SYNC_FAILURES: Final = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})

_CORRUPTION: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

DAMAGED: Final = "`saga db check` says what is damaged, and `saga db restore FILE` brings a backup back"


def is_sync_failure(error: sqlite3.Error | OSError) -> bool:
    """Return whether a sync failed.

    The operating system reports that once, and may have dropped what it could not write: another sync of the same file
    would succeed (see ATC 2020, "Can Applications Recover from fsync Failures?").
    """
    return getattr(error, "sqlite_errorcode", None) in _SYNC_FAILURES


def is_corruption(error: sqlite3.Error | OSError) -> bool:
    """Return whether the content of the file is damaged: no repetition reads it."""
    return _code(error) in _CORRUPTION


def remedy_at_start(error: sqlite3.Error | OSError) -> str:
    """Return what to do about a database that cannot be opened."""
    if is_corruption(error):
        return f"{DAMAGED}; or name another file by SAGA_STORE"
    return f"{_remedy(error) or 'name another file by SAGA_STORE'}, and start it again"


def no_folder(database: Path) -> str:
    """Return what to do about a folder that does not exist: one that is made would hide a lost volume, or a typo."""
    return (
        f"there is no folder {database.absolute().parent}: mount its volume, correct SAGA_STORE, or create the folder"
    )


def remedy_at_runtime(error: sqlite3.Error) -> str:
    """Return what to do about a database that fails transactions."""
    if is_sync_failure(error):
        return (
            "what was written did not reach the disk, and must not be retried from here, so the coordinator stops: "
            "see that the disk is whole, then start it again, and it continues with what is committed"
        )
    if is_corruption(error):
        return f"the file is damaged, so the coordinator stops: {DAMAGED}"
    remedy = _remedy(error)
    return f"{remedy}, and it continues" if remedy else "it is retried"


def remedy_at_reading(error: sqlite3.Error) -> str:
    """Return what to do about a database that cannot be read."""
    if is_corruption(error):
        return DAMAGED
    return _remedy(error) or "see that SAGA_STORE names a database, and that its disk is whole"


def _remedy(error: sqlite3.Error | OSError) -> str | None:
    match _code(error):
        case sqlite3.SQLITE_FULL:
            return "make room on its disk"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return "let this process write to the file and its folder"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "end the other program that writes to it"
        case sqlite3.SQLITE_IOERR:
            return "see that its disk has room, is whole and may be written to"
        case _:
            return None


def _code(error: sqlite3.Error | OSError) -> int:
    """Return SQLite's primary code; a file or folder that the system refuses counts as one that cannot be opened."""
    if isinstance(error, OSError):
        return sqlite3.SQLITE_CANTOPEN
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
