"""How dead letters, the records queued behind them, and the audit of what was done to them are stored in SQLite."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from saga_coordinator.handlers.records import Audit, Changes, DeadLetter, Place, QueuedRecord, Record
from saga_coordinator.service.storage.sqlite.columns import from_headers, from_time, to_headers, to_time
from saga_coordinator.service.storage.sqlite.one_trip import Statement

RECORD: Final = 'topic, partition, "offset", timestamp, key, headers, value, timestamp_type'
AT: Final = 'topic = ? AND partition = ? AND "offset" = ?'
LETTERS: Final = f"SELECT {RECORD}, at, cause, instance_id, parks FROM dead_letter"  # noqa: S608  own columns
QUEUED: Final = f"SELECT seq, instance_id, {RECORD}, at FROM parked"  # noqa: S608  own columns

_ONCE: Final = 'ON CONFLICT (topic, partition, "offset", instance_id) DO NOTHING'
_LETTER_AT: Final = f"{AT} AND instance_id = ?"


def statements(changes: Changes) -> Iterator[Statement]:
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


def record_row(record: Record) -> Sequence[object]:
    """Return the columns of a record, in the order of `RECORD`."""
    headers = from_headers(record.headers)
    return (*record.place, record.timestamp, record.key, headers, record.value, record.timestamp_type)


def record_of(row: Sequence[Any]) -> Record:
    """Return a record from its columns, in the order of `RECORD`."""
    topic, partition, offset, timestamp, key, headers, value, timestamp_type = row
    return Record(Place(topic, partition, offset), timestamp, key, value, to_headers(headers), timestamp_type)


def _letter_row(letter: DeadLetter) -> Sequence[object]:
    return (*record_row(letter.record), from_time(letter.at), letter.cause, letter.instance_id, int(letter.parks))


def _audit_row(audit: Audit) -> Sequence[object]:
    kept = audit.letter
    return (*record_row(kept.record), from_time(audit.at), *audit.by, audit.action, kept.cause, kept.instance_id)
