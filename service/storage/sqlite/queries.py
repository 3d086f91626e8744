"""Questions to a SQLite store beside its coordinator: read-only, of one moment, bounded in rows and time."""

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from saga_coordinator.handlers.records import EarlyEvent, Entry, Lease, Place, RecordVerdict, Verdict
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.handlers.trace_context import TraceContext
from saga_coordinator.sagas.machine import Instance, Snapshot, Status, thaw
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.sqlite.columns import from_time, to_time
from saga_coordinator.service.storage.sqlite.dead_letters import AT, RECORD, record_of

QUERY_TIMEOUT: Final = 5.0
"""Seconds that one question may take."""

MAX_COUNT: Final = 100_000
BUSY_TIMEOUT_MS: Final = 2_000
STEPS_BETWEEN_CHECKS: Final = 20_000

_INSTANCE: Final = (
    "number, id, saga, version, correlation, status, data, state, trail, revision, home, wake_at, started_at, ended_at"
)
_HISTORY: Final = (
    "seq, at, kind, verdict, reason, message_id, message_type, causation_id, value, decided,"
    ' topic, partition, "offset", trace_id, span_id'
)

_LIVE: Final = {status for status in Status if not status.is_final}
_NEEDS_ATTENTION: Final = """(status = 'stalled' OR wake_at < :late
    OR id IN (SELECT instance_id FROM dead_letter WHERE parks = 1) OR EXISTS (
    SELECT 1 FROM json_each(state, '$.steps') AS step, json_each(step.value) AS leg
    WHERE json_extract(leg.value, '$.progress') IN ('asked', 'waiting')
      AND json_extract(leg.value, '$.sendings') >= :sendings))"""
_AWAITS_ANY: Final = """EXISTS (
    SELECT 1 FROM json_each(state, '$.steps') AS step, json_each(step.value) AS leg
    WHERE step.key || '/' || leg.key IN (SELECT value FROM json_each(:legs))
      AND json_extract(leg.value, '$.progress') = 'asked')"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRow:
    """One instance as it stands in its table. `number` counts starts; `next_timer_at` is its earliest timer."""

    number: int
    id: str
    saga: str
    version: int
    key: str
    status: str
    snapshot: Snapshot
    trace: TraceContext
    revision: int
    home: int
    next_timer_at: datetime | None
    started_at: datetime
    ended_at: datetime | None

    def instance(self, saga: AnySaga) -> Instance[Any]:
        """Read the instance, by its own definition."""
        return thaw(saga, self.id, self.key, self.snapshot)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFilter:
    """Which instances: of one saga, in one status, started before a number, with live legs or alarms that are late.

    `late` and `sendings` together ask for those that need attention: stalled, parked, an alarm before `late`, or a
    command that is not settled after so many sendings.
    """

    saga: str | None = None
    status: str | None = None
    before: int | None = None
    late: datetime | None = None
    sendings: int = 0


@contextmanager
def open_queries(path: Path) -> Iterator["Reading"]:
    """Open a database for reading, as it is at this moment.

    Raises `FileNotFoundError` if there is none, `StoreError` if it is of another version than these questions, and
    `sqlite3.Error` if it cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"there is no database {path}: `saga serve` makes it; SAGA_STORE says where it is looked for"
        )
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        reading = Reading(connection)
        schema = _begun(connection, reading, path)
        if schema != newest_schema():
            raise StoreError(
                f"database {path} has schema {schema}, this program reads {newest_schema()}: "
                "`saga serve` brings an older one up to date; a newer one needs the newer program"
            )
        yield reading


def _begun(connection: sqlite3.Connection, reading: "Reading", path: Path) -> int:
    """Begin to read, and return the schema."""
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("BEGIN")
        schema = reading.schema
    except sqlite3.Error as error:
        told = f"database {path} cannot be read: {error}; let SAGA_STORE name one, or restore a backup"
        raise sqlite3.DatabaseError(told) from error
    return schema


def newest_schema() -> int:
    """Return the schema that the migrations lead to."""
    folder = files("saga_coordinator.service.storage.sqlite") / "migrations"
    return max(int(file.name.split("_", 1)[0]) for file in folder.iterdir() if file.name.endswith(".sql"))


class Reading:
    """One look at a store. Every question raises `TimeoutError` when it takes too long."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @property
    def schema(self) -> int:
        """The version of the schema; 0 in a file that no coordinator has ever opened."""
        return int(self.ask("PRAGMA user_version")[0][0])

    # --- instances

    def instances(self, which: InstanceFilter, most: int) -> Sequence[InstanceRow]:
        """Return instances, the one that was started last first."""
        conditions = ["number < :before"] if which.before is not None else []
        conditions += ["saga = :saga"] if which.saga is not None else []
        conditions += ["status = :status"] if which.status is not None else []
        conditions += ["ended_at IS NULL"] if which.status in _LIVE else []  # lets the index of the live ones be used
        conditions += ["ended_at IS NULL", _NEEDS_ATTENTION] if which.late is not None else []
        late = None if which.late is None else from_time(which.late)
        named = {"saga": which.saga, "status": which.status, "before": which.before, "late": late}
        return self._instances(" AND ".join(conditions) or "TRUE", named | {"sendings": which.sendings, "most": most})

    def instances_by_id(self, ids: Collection[str]) -> Sequence[InstanceRow]:
        """Return those of the instances that exist."""
        named = {"ids": json.dumps(sorted(ids)), "most": len(ids)}
        return self._instances("id IN (SELECT value FROM json_each(:ids))", named)

    def awaiting(self, legs: Collection[str], before: datetime, most: int) -> Sequence[InstanceRow]:
        """Return live instances started before a time that await one of these answers; a leg is `STEP/DIRECTION`."""
        named = {"legs": json.dumps(sorted(legs)), "before": from_time(before), "most": most}
        return self._instances(f"ended_at IS NULL AND started_at <= :before AND {_AWAITS_ANY}", named)

    def history(self, row: InstanceRow, most: int) -> Sequence[Entry]:
        """Return the newest entries of an instance's history, in order."""
        sql = f"SELECT {_HISTORY} FROM history WHERE instance = ? ORDER BY seq DESC LIMIT ?"  # noqa: S608  own columns
        return [_entry(row.id, each) for each in reversed(self.ask(sql, (row.number, most)))]

    def live_versions(self) -> Sequence[tuple[str, int, int]]:
        """Return the sagas and versions that have live instances, and how many."""
        sql = "SELECT saga, version, count(*) FROM instance WHERE ended_at IS NULL GROUP BY saga, version"
        return [(saga, version, count) for saga, version, count in self.ask(sql)]

    # --- what became of a record

    def entries_at(self, place: Place) -> Sequence[Entry]:
        """Return the entries that a record has left in the histories of instances."""
        rows = self.ask(
            f"SELECT (SELECT id FROM instance WHERE number = history.instance), {_HISTORY} FROM history WHERE {AT}",  # noqa: S608  own text
            place,
        )
        return [_entry(id_, row) for id_, *row in rows]

    def buffered_at(self, place: Place) -> Sequence[EarlyEvent]:
        """Return the record as it is held, once for each instance that it is held for."""
        sql = f"SELECT {RECORD}, address, at, expires_at FROM held_event WHERE {AT}"  # noqa: S608  own columns
        return [
            EarlyEvent(id_, record_of(record), to_time(at), to_time(expires_at))
            for *record, id_, at, expires_at in self.ask(sql, place)
        ]

    def verdict_at(self, place: Place) -> RecordVerdict | None:
        """Return the verdict on a record that has reached no instance."""
        sql = f"SELECT at, verdict, reason, message_id, message_type FROM verdict WHERE {AT}"  # noqa: S608  own text
        for at, verdict, reason, message_id, message_type in self.ask(sql, place):
            return RecordVerdict(place, to_time(at), Verdict(verdict), reason, message_id, message_type)
        return None

    def leases(self, topic: str) -> Sequence[Lease]:
        """Return who owns the partitions of a topic, and how far they are done."""
        sql = "SELECT topic, partition, epoch, next_offset FROM lease WHERE topic = ? ORDER BY partition"
        return [Lease(*row) for row in self.ask(sql, (topic,))]

    # --- numbers

    def unsent(self, message_id: str) -> bool:
        """Say whether a message is still owed to Kafka."""
        return bool(self.ask("SELECT 1 FROM outbox WHERE message_id = ? LIMIT 1", (message_id,)))

    def owed(self) -> int:
        """Return how many messages are owed to Kafka, counted up to `MAX_COUNT`."""
        return int(self.ask("SELECT count(*) FROM (SELECT 1 FROM outbox LIMIT ?)", (MAX_COUNT,))[0][0])

    def dead_letters(self) -> int:
        """Return how many records were set aside, counted up to `MAX_COUNT`."""
        return int(self.ask("SELECT count(*) FROM (SELECT 1 FROM dead_letter LIMIT ?)", (MAX_COUNT,))[0][0])

    def _instances(self, condition: str, named: Mapping[str, object]) -> Sequence[InstanceRow]:
        sql = f"SELECT {_INSTANCE} FROM instance WHERE {condition} ORDER BY number DESC LIMIT :most"  # noqa: S608  own text
        return [_instance(row) for row in self.ask(sql, named)]

    def ask(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> list[Sequence[Any]]:
        """Ask any question."""
        until = time.monotonic() + QUERY_TIMEOUT
        self._connection.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_CHECKS)
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise TimeoutError(f"the database did not answer within {QUERY_TIMEOUT:g} s: ask for less") from error
            raise


def _instance(row: Sequence[Any]) -> InstanceRow:
    number, id_, saga, version, key, status, data, state, trace, revision, home, wake_at, started_at, ended_at = row
    return InstanceRow(
        number=number,
        id=id_,
        saga=saga,
        version=version,
        key=key,
        status=status,
        snapshot=Snapshot(data, state),
        trace=TraceContext.from_json(trace),
        revision=revision,
        home=home,
        next_timer_at=None if wake_at is None else to_time(wake_at),
        started_at=to_time(started_at),
        ended_at=None if ended_at is None else to_time(ended_at),
    )


def _entry(id_: str, row: Sequence[Any]) -> Entry:
    seq, at, kind, verdict, reason, message_id, type_, causation_id, value, decided, *place, trace_id, span_id = row
    topic, partition, offset = place
    return Entry(
        instance_id=id_,
        seq=seq,
        at=to_time(at),
        kind=kind,
        verdict=Verdict(verdict),
        reason=reason,
        message_id=message_id,
        message_type=type_,
        causation_id=causation_id,
        value=value,
        decided=decided,
        place=None if topic is None else Place(topic, partition, offset),
        trace_id=trace_id,
        span_id=span_id,
    )
