"""How times are stored, dead letters in rows, and how rows are written.

Times are stored as microseconds. All writes of a transaction are one trip to aiosqlite's thread.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, NamedTuple

import aiosqlite

from saga_coordinator.handlers.ports import Conflict
from saga_coordinator.handlers.records import (
    Audit,
    Changes,
    DeadLetter,
    EarlyEvent,
    Place,
    QueuedRecord,
    RecordVerdict,
    Verdict,
)
from saga_coordinator.service.storage.columns import RECORD, record_of, record_row
from saga_coordinator.service.storage.sqlite import aiosqlite_internals

AT: Final = 'topic = ? AND partition = ? AND "offset" = ?'
LETTERS: Final = f"SELECT {RECORD}, at, cause, instance_id, parks FROM dead_letter"  # noqa: S608  own columns
VERDICT: Final = 'topic, partition, "offset", at, verdict, reason, message_id, message_type, key'
VERDICTS: Final = f"SELECT {VERDICT} FROM verdict"  # noqa: S608  own columns
EARLY_EVENTS: Final = f"SELECT {RECORD}, address, at, expires_at FROM held_event"  # noqa: S608  own columns
OUTLINES: Final = "SELECT saga, version, outline FROM outline"
QUEUED: Final = f"SELECT seq, instance_id, {RECORD}, at FROM parked"  # noqa: S608  own columns

_ONCE: Final = 'ON CONFLICT (topic, partition, "offset", instance_id) DO NOTHING'
_LETTER_AT: Final = f"{AT} AND instance_id = ?"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Statement(NamedTuple):
    """A statement, and the rows that it is run for.

    `must_match`: each row must change one in the table, else another writer was first.
    """

    sql: str
    rows: Sequence[Sequence[object]]
    must_match: bool = False


def from_time(at: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def from_optional_time(at: datetime | None) -> int | None:
    """Return an optional time as microseconds since 1970."""
    return None if at is None else from_time(at)


def to_time(microseconds: int) -> datetime:
    """Return a stored time, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


# --- records and dead letters


def dead_letter_statements(changes: Changes) -> Iterator[Statement]:
    """Yield the statements that write dead letters, queued records and audits."""
    yield Statement(
        f"DELETE FROM dead_letter WHERE {_LETTER_AT}",  # noqa: S608  own columns
        [(*each.record.place, each.instance_id) for each in changes.resolved],
    )
    columns = f"{RECORD}, at, cause, instance_id, parks"
    yield Statement("DELETE FROM parked WHERE seq = ?", [(each.seq,) for each in changes.dequeued])
    yield Statement(
        f"INSERT INTO dead_letter ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?) {_ONCE}",  # noqa: S608  own columns
        [_letter_row(each) for each in changes.dead_letters],
    )
    yield Statement(
        f"UPDATE dead_letter SET value = ?, cause = ? WHERE {_LETTER_AT}",  # noqa: S608  own columns
        [(each.record.value, each.cause, *each.record.place, each.instance_id) for each in changes.edited],
    )
    yield Statement(
        f"INSERT INTO parked ({RECORD}, instance_id, at) VALUES (?,?,?,?,?,?,?,?,?,?) {_ONCE}",  # noqa: S608  own text
        [(*record_row(each.record), each.instance_id, from_time(each.at)) for each in changes.queued],
    )
    columns = f"{RECORD.replace('value', 'before')}, at, who, why, action, cause, instance_id"
    yield Statement(
        f"INSERT INTO dead_letter_audit ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608  own columns
        [_audit_row(each) for each in changes.audits],
    )


def letter(row: Sequence[Any]) -> DeadLetter:
    """Return a row of `LETTERS` as a value."""
    *record, at, cause, instance_id, parks = row
    return DeadLetter(record_of(record), to_time(at), cause, instance_id, bool(parks))


def queued(row: Sequence[Any]) -> QueuedRecord:
    """Return a row of `QUEUED` as a value."""
    seq, instance_id, *record, at = row
    return QueuedRecord(seq, instance_id, record_of(record), to_time(at))


def early_event(row: Sequence[Any]) -> EarlyEvent:
    """Return a row of `EARLY_EVENTS` as a value."""
    *record, address, at, expires_at = row
    return EarlyEvent(address, record_of(record), to_time(at), to_time(expires_at))


def verdict(row: Sequence[Any]) -> RecordVerdict:
    """Return a row of `VERDICTS` as a value."""
    topic, partition, offset, at, verdict, *rest = row
    return RecordVerdict(Place(topic, partition, offset), to_time(at), Verdict(verdict), *rest)


def _letter_row(letter: DeadLetter) -> Sequence[object]:
    return (*record_row(letter.record), from_time(letter.at), letter.cause, letter.instance_id, int(letter.parks))


def _audit_row(audit: Audit) -> Sequence[object]:
    kept = audit.letter
    return (*record_row(kept.record), from_time(audit.at), *audit.by, audit.action, kept.cause, kept.instance_id)


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
