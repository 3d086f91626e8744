"""How dead letters are stored in rows, and how rows are written: in one trip to aiosqlite's thread a transaction."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

import aiosqlite

from saga_coordinator.handlers.ports import Conflict
from saga_coordinator.handlers.records import Changes
from saga_coordinator.service.storage.columns import AUDIT, LETTER, RECORD, audit_row, from_time, letter_row, queued_row
from saga_coordinator.service.storage.sqlite import aiosqlite_internals

AT: Final = 'topic = ? AND partition = ? AND "offset" = ?'
OUTLINES: Final = "SELECT saga, version, outline FROM outline"

_ONCE: Final = 'ON CONFLICT (topic, partition, "offset", instance_id) DO NOTHING'
_LETTER_AT: Final = f"{AT} AND instance_id = ?"


class Statement(NamedTuple):
    """A statement, and the rows that it is run for.

    `must_match`: each row must change one in the table, else another writer was first.
    """

    sql: str
    rows: Sequence[Sequence[object]]
    must_match: bool = False


def from_optional_time(at: datetime | None) -> int | None:
    """Return an optional time as microseconds since 1970."""
    return None if at is None else from_time(at)


def in_microseconds(rows: Iterable[Sequence[object]]) -> list[Sequence[object]]:
    """Return rows with their times as microseconds since 1970."""
    return [tuple(from_time(each) if isinstance(each, datetime) else each for each in row) for row in rows]


# --- records and dead letters


def dead_letter_statements(changes: Changes) -> Iterator[Statement]:
    """Yield the statements that write dead letters, queued records and audits."""
    yield Statement(
        f"DELETE FROM dead_letter WHERE {_LETTER_AT}",  # noqa: S608  own columns
        [(*each.record.place, each.instance_id) for each in changes.resolved],
    )
    yield Statement("DELETE FROM parked WHERE seq = ?", [(each.seq,) for each in changes.dequeued])
    yield Statement(
        f"INSERT INTO dead_letter ({LETTER}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) {_ONCE}",  # noqa: S608  own columns
        in_microseconds(map(letter_row, changes.dead_letters)),
    )
    yield Statement(
        f"UPDATE dead_letter SET value = ?, cause = ? WHERE {_LETTER_AT}",  # noqa: S608  own columns
        [(each.record.value, each.cause, *each.record.place, each.instance_id) for each in changes.edited],
    )
    yield Statement(
        f"INSERT INTO parked ({RECORD}, instance_id, at) VALUES (?,?,?,?,?,?,?,?,?,?) {_ONCE}",  # noqa: S608  own text
        in_microseconds(map(queued_row, changes.queued)),
    )
    yield Statement(
        f"INSERT INTO dead_letter_audit ({AUDIT}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608  own columns
        in_microseconds(map(audit_row, changes.audits)),
    )


# --- statements


async def write(connection: aiosqlite.Connection, statements: Sequence[Statement]) -> None:
    """Run statements in order. Raises `Conflict` if rows do not match, and SQLite's errors."""
    await aiosqlite_internals.run(connection, partial(run_all, statements=statements))


def run_all(connection: sqlite3.Connection, statements: Sequence[Statement]) -> None:
    """Run those statements that have rows, in order. Called in aiosqlite's thread."""
    for statement in statements:
        if statement.rows:
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


def fetch(connection: sqlite3.Connection, sql: str, parameters: Sequence[object] = ()) -> Sequence[Sequence[Any]]:
    """Run one statement, and return its rows. Called in aiosqlite's thread."""
    return connection.execute(sql, parameters).fetchall()
