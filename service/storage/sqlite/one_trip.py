"""Runs all writes of a transaction in one trip to aiosqlite's thread: one costs the event loop 100 us.

aiosqlite's public methods make a trip for each statement; the method below them runs any function.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import aiosqlite

from saga_coordinator.handlers.ports import Conflict


class Statement(NamedTuple):
    """A statement, and the rows that it is run for.

    `must_match`: each row must change one in the table, else another writer was first.
    """

    sql: str
    rows: Sequence[Sequence[object]]
    must_match: bool = False


async def write(connection: aiosqlite.Connection, statements: Iterable[Statement]) -> None:
    """Run statements in order. Raises `Conflict` if rows do not match, and SQLite's errors."""
    some = [each for each in statements if each.rows]
    await connection._execute(_run_all, connection._conn, some)  # type: ignore[no-untyped-call]  # noqa: SLF001  see above


def _run_all(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    for statement in statements:
        run(connection, *statement)


def run(connection: sqlite3.Connection, sql: str, rows: Sequence[Sequence[object]], must_match: bool) -> None:  # noqa: FBT001  a statement's own fields
    """Run one statement for all its rows. Called in aiosqlite's thread."""
    try:
        changed = connection.executemany(sql, rows).rowcount
    except sqlite3.IntegrityError as error:
        if must_match and error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_UNIQUE:
            raise Conflict(f"an instance was started by another writer: {error}") from error
        raise
    if must_match and changed != len(rows):
        raise Conflict(f"{len(rows) - changed} of {len(rows)} instances were changed by another writer")
