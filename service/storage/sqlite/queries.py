"""The read port on a SQLite file: one read-only transaction, each query bounded in rows and time."""

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from saga_coordinator.handlers.records import (
    Actor,
    Audit,
    DeadLetter,
    Entry,
    Place,
    QueuedRecord,
    Verdict,
)
from saga_coordinator.handlers.trace_context import TraceContext
from saga_coordinator.sagas.machine import Snapshot, Status
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.columns import RECORD, RecordTable, newest_records, record_of
from saga_coordinator.service.storage.queries import (
    Backlog,
    DeadLetterFilter,
    InstanceFilter,
    InstanceRow,
    KeptRecord,
    LiveVersion,
    ParkedBehind,
    PartitionRow,
    RecordCursor,
    RecordFilter,
    RecordRows,
)
from saga_coordinator.service.storage.sqlite.errors import remedy_at_reading
from saga_coordinator.service.storage.sqlite.migrations import newest_schema
from saga_coordinator.service.storage.sqlite.rows import (
    AT,
    EARLY_EVENTS,
    LETTERS,
    QUEUED,
    VERDICTS,
    early_event,
    from_time,
    letter,
    queued,
    to_time,
    verdict,
)

QUERY_TIMEOUT: Final = 5.0
"""Seconds that one query may take."""

MAX_COUNT: Final = 100_000
BUSY_TIMEOUT_MS: Final = 2_000
STEPS_BETWEEN_CHECKS: Final = 20_000

_INSTANCE: Final = (
    "number, id, saga, version, correlation, status, data, state, trail, revision, home, wake_at, started_at, ended_at,"
    " (SELECT max(at) FROM history WHERE instance = number AND verdict = 'contradictory'),"
    " (SELECT reason FROM history WHERE instance = number AND verdict = 'contradictory' ORDER BY at DESC LIMIT 1)"
)
_HISTORY: Final = (
    "seq, at, kind, verdict, reason, message_id, message_type, message_source, causation_id, value, decided,"
    ' topic, partition, "offset", trace_id, span_id'
)
_AUDIT_RECORD: Final = RECORD.replace("value", "before")

_LIVE: Final = {status for status in Status if not status.is_final}
_NEEDS_ATTENTION: Final = """number IN (SELECT instance FROM history WHERE verdict = 'contradictory' AND at >= :since
    UNION SELECT number FROM instance WHERE ended_at IS NULL AND (status = 'stalled' OR wake_at < :late
    OR id IN (SELECT instance_id FROM dead_letter WHERE parks = 1) OR EXISTS (
    SELECT 1 FROM json_each(state, '$.steps') AS step, json_each(step.value) AS command
    WHERE json_extract(command.value, '$.progress') IN ('asked', 'waiting')
      AND json_extract(command.value, '$.sendings') >= :sendings)))"""
_AWAITS_ANY: Final = """ended_at IS NULL AND started_at <= :started_before AND EXISTS (
    SELECT 1 FROM json_each(state, '$.steps') AS step, json_each(step.value) AS command
    WHERE step.key || '/' || command.key IN (SELECT value FROM json_each(:commands))
      AND json_extract(command.value, '$.progress') = 'asked')"""
_FIRST_OFFSETS: Final = " UNION ALL ".join(
    f'SELECT min("offset") AS first FROM {table} WHERE topic = lease.topic AND partition = lease.partition'  # noqa: S608  own tables
    for table in ("history", "verdict", "held_event", "dead_letter", "parked")
)


_NO_SUBJECT: Final = "''"


_LETTERS: Final = RecordTable(LETTERS, "instance_id", letter, {Verdict.DEAD_LETTERED})
_RECORDS: Final = (
    RecordTable(EARLY_EVENTS, "address", early_event, {Verdict.BUFFERED}),
    RecordTable(QUEUED, "instance_id", queued, {Verdict.BUFFERED}),
    _LETTERS,
    RecordTable(VERDICTS, _NO_SUBJECT, verdict, {Verdict.UNMATCHED, Verdict.IGNORED, Verdict.DEAD_LETTERED}),
)


@contextmanager
def open_queries(path: Path) -> Iterator["SqliteQueries"]:
    """Open a database for reading, as of this moment.

    Raises `FileNotFoundError` if there is none, `StoreError` if its schema is not the newest one, and `StoreError`
    if it cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"there is no database {path}: `saga serve` makes it; SAGA_STORE says where it is looked for"
        )
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        schema = _begin(connection, path)
        if schema != newest_schema():
            raise StoreError(
                f"database {path} has schema {schema}, this program reads {newest_schema()}: "
                "`saga serve` brings an older one up to date; a newer one needs the newer program"
            )
        yield SqliteQueries(connection, path)


def _begin(connection: sqlite3.Connection, path: Path) -> int:
    """Begin a transaction, and return the schema, 0 of a file that no coordinator has opened."""
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("BEGIN")
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        problem = f"database {path} cannot be read: {error}; {remedy_at_reading(error)}"
        raise StoreError(problem) from error


class SqliteQueries:
    """The `Queries` of a SQLite file, in one read transaction."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self.schema = newest_schema()

    def instances(self, which: InstanceFilter, limit: int) -> Sequence[InstanceRow]:
        late, sendings, since = which.attention or (None, None, None)
        commands, started_before = which.awaits or ((), None)
        condition = _all(
            {
                "id IN (SELECT value FROM json_each(:ids))": which.ids is not None,
                "saga = :saga": which.saga is not None,
                "version = :version": which.version is not None,
                "status = :status": which.status is not None,
                "ended_at IS NULL": which.status in _LIVE,  # lets the index of the live ones be used
                "number < :before": which.before is not None,
                _NEEDS_ATTENTION: which.attention is not None,
                _AWAITS_ANY: which.awaits is not None,
            }
        )
        parameters = {
            "ids": json.dumps(sorted(which.ids or ())),
            "saga": which.saga,
            "version": which.version,
            "status": which.status,
            "before": which.before,
            "late": late and from_time(late),
            "since": since and from_time(since),
            "sendings": sendings,
            "limit": limit,
            "commands": json.dumps(sorted(commands)),
            "started_before": started_before and from_time(started_before),
        }
        sql = f"SELECT {_INSTANCE} FROM instance WHERE {condition} ORDER BY number DESC LIMIT :limit"  # noqa: S608  own text
        return [_instance(row) for row in self._query(sql, parameters)]

    def history(self, row: InstanceRow, limit: int) -> Sequence[Entry]:
        sql = f"SELECT {_HISTORY} FROM history WHERE instance = ? ORDER BY seq DESC LIMIT ?"  # noqa: S608  own columns
        return [_entry(row.id, each) for each in reversed(self._query(sql, (row.number, limit)))]

    def record(self, place: Place) -> RecordRows:
        entries = self._query(
            f"SELECT (SELECT id FROM instance WHERE number = history.instance), {_HISTORY} FROM history WHERE {AT}",  # noqa: S608  own text
            place,
        )
        audits = self._query(
            f"SELECT {_AUDIT_RECORD}, at, who, why, action, cause, instance_id FROM dead_letter_audit WHERE {AT}"  # noqa: S608  own text
            " ORDER BY number",
            place,
        )
        return RecordRows(
            entries=[_entry(id_, row) for id_, *row in entries],
            early=[early_event(row) for row in self._query(f"{EARLY_EVENTS} WHERE {AT}", place)],
            queued=[queued(row) for row in self._query(f"{QUEUED} WHERE {AT}", place)],
            dead_letters=[letter(row) for row in self._query(f"{LETTERS} WHERE {AT}", place)],
            verdict=next((verdict(row) for row in self._query(f"{VERDICTS} WHERE {AT}", place)), None),
            audits=[_audit(row) for row in audits],
        )

    def records(self, which: RecordFilter, limit: int) -> Sequence[KeptRecord]:
        return newest_records(_RECORDS, which, limit, lambda table: self._records(table, which, limit))

    def _records(self, table: RecordTable, which: RecordFilter, limit: int) -> Sequence[Sequence[Any]]:
        of_subject = f"{table.subject} IN (SELECT value FROM json_each(:subjects))"  # noqa: S608  own columns
        of_key = "key = :key" if table.subject == _NO_SUBJECT else f"(key = :key OR {of_subject})"
        conditions = {
            "topic = :topic": which.topic is not None,
            of_key: which.key is not None,
            "verdict = :verdict": which.verdict is not None and table.sql is VERDICTS,
        }
        parameters = {
            "topic": which.topic,
            "key": which.key,
            "subjects": json.dumps(sorted(which.subjects)),
            "verdict": which.verdict,
        }
        return self._newest(table, conditions, parameters, which.before, limit)

    def dead_letters(self, which: DeadLetterFilter, limit: int) -> Sequence[DeadLetter]:
        conditions = {
            "topic = :topic": which.topic is not None,
            "instance_id = :instance_id": which.instance_id is not None,
            "instr(cause, :cause) > 0": which.cause is not None,
        }
        parameters = {"topic": which.topic, "instance_id": which.instance_id, "cause": which.cause}
        return [letter(row) for row in self._newest(_LETTERS, conditions, parameters, which.before, limit)]

    def _newest(
        self,
        table: RecordTable,
        conditions: Mapping[str, bool],
        parameters: Mapping[str, object],
        before: RecordCursor | None,
        limit: int,
    ) -> Sequence[Sequence[Any]]:
        """Return the rows of a source that meet the conditions, the newest first, those before a cursor."""
        at, place, subject = before or (None, Place("", 0, 0), "")
        here = f"({', '.join(table.order)}) < (:at, :of, :partition, :offset, :subject)"
        condition = _all({**conditions, here: at is not None})
        cursor = {
            "at": at and from_time(at),
            "of": place.topic,
            "partition": place.partition,
            "offset": place.offset,
            "subject": subject,
        }
        order = ", ".join(f"{column} DESC" for column in table.order)
        sql = f"{table.sql} WHERE {condition} ORDER BY {order} LIMIT :limit"
        return self._query(sql, {**parameters, **cursor, "limit": limit})

    def parked(self, ids: Collection[str]) -> Mapping[str, ParkedBehind]:
        named = (json.dumps(sorted(ids)),)
        among = "instance_id IN (SELECT value FROM json_each(?))"
        waiting = self._query(f"SELECT instance_id, count(*) FROM parked WHERE {among} GROUP BY 1", named)  # noqa: S608  own text
        counted = {str(id_): int(count) for id_, count in waiting}
        found = [letter(row) for row in self._query(f"{LETTERS} WHERE parks = 1 AND {among}", named)]
        return {each.instance_id: ParkedBehind(each, counted.get(each.instance_id, 0)) for each in found}

    def queue(self, instance_id: str, limit: int) -> Sequence[QueuedRecord]:
        rows = self._query(f"{QUEUED} WHERE instance_id = ? ORDER BY seq LIMIT ?", (instance_id, limit))
        return [queued(row) for row in rows]

    def partitions(self, topic: str | None = None) -> Sequence[PartitionRow]:
        sql = (
            f"SELECT topic, partition, (SELECT min(first) FROM ({_FIRST_OFFSETS})), next_offset, topic_id FROM lease"  # noqa: S608  own text
            " WHERE topic = ifnull(?, topic) ORDER BY topic, partition"
        )
        return [PartitionRow(*row) for row in self._query(sql, (topic,))]

    def is_unpublished(self, message_id: str) -> bool:
        return bool(self._query("SELECT 1 FROM outbox WHERE message_id = ? LIMIT 1", (message_id,)))

    def backlog(self) -> Backlog:
        """Return how many dead letters and unpublished messages there are, counted up to `MAX_COUNT`."""
        return Backlog(dead_letters=self._count("dead_letter"), unpublished=self._count("outbox"))

    def live_versions(self) -> Sequence[LiveVersion]:
        sql = (
            "SELECT saga, version, count(*), (SELECT outline FROM outline WHERE outline.saga = instance.saga"
            " AND outline.version = instance.version) FROM instance WHERE ended_at IS NULL GROUP BY saga, version"
        )
        return [LiveVersion(*row) for row in self._query(sql)]

    def _count(self, table: str) -> int:
        sql = f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT ?)"  # noqa: S608  own tables
        return int(self._query(sql, (MAX_COUNT,))[0][0])

    def _query(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Sequence[Any]]:
        """Return the rows of a query. Raises `TimeoutError` after `QUERY_TIMEOUT`."""
        until = time.monotonic() + QUERY_TIMEOUT
        self._connection.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_CHECKS)
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                raise TimeoutError(f"the database did not answer within {QUERY_TIMEOUT:g} s: ask for less") from error
            raise StoreError(f"{self._path}: {error}; {remedy_at_reading(error)}") from error


def _all(conditions: Mapping[str, bool]) -> str:
    """Return the conditions that apply, as one."""
    return " AND ".join(condition for condition, applies in conditions.items() if applies) or "TRUE"


def _instance(row: Sequence[Any]) -> InstanceRow:
    number, id_, saga, version, key, status, data, state, trace, revision, home, *times, contradiction = row
    times = [None if each is None else to_time(each) for each in times]
    snapshot, trace = Snapshot(data, state), TraceContext.from_json(trace)
    named = (number, id_, saga, version, key, status, snapshot, trace, revision, home)
    return InstanceRow._make((*named, *times, contradiction))


def _entry(instance_id: str, row: Sequence[Any]) -> Entry:
    seq, at, kind, verdict, *message, topic, partition, offset, trace_id, span_id = row
    place = None if topic is None else Place(topic, partition, offset)
    fields: Sequence[Any] = (instance_id, seq, to_time(at), kind, Verdict(verdict), *message, place, trace_id, span_id)
    return Entry(*fields)


def _audit(row: Sequence[Any]) -> Audit:
    *record, at, who, why, action, cause, instance_id = row
    before = DeadLetter(record_of(record), to_time(at), cause, instance_id)
    return Audit(to_time(at), Actor(who, why), action, before)
