"""What to do about a database file that cannot be used, by the error that was met."""

import sqlite3


def at_start(error: sqlite3.Error | OSError) -> str:
    """Say what to do about a database that cannot be opened."""
    if _code(error) in {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}:
        return "restore a backup, or name another file by SAGA_STORE"
    return f"{_what_to_do(error) or 'name another file by SAGA_STORE'}, and start it again"


def while_it_runs(error: sqlite3.Error) -> str:
    """Say what to do about a database that takes no transaction."""
    remedy = _what_to_do(error)
    return f"{remedy}, and it goes on by itself" if remedy else "it is tried again"


def _what_to_do(error: sqlite3.Error | OSError) -> str | None:
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
    """Return SQLite's primary code; a file or folder that the system refuses is one that cannot be opened."""
    if isinstance(error, OSError):
        return sqlite3.SQLITE_CANTOPEN
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
