"""The read port on PostgreSQL: one read-only transaction as of one moment, each query bounded in rows and time."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from saga_coordinator.sagas.machine import Snapshot
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.columns import RecordTable, newest_records, record_of
from saga_coordinator.service.storage.postgres.blocking import Blocking, blocking_session
from saga_coordinator.service.storage.postgres.errors import is_timeout
from saga_coordinator.service.storage.postgres.migrations import check
from saga_coordinator.service.storage.postgres.rows import (
    AUDIT,
    EARLY_EVENTS,
    HISTORY,
    LETTERS,
    QUEUE,
    VERDICTS,
    early_event,
    is_instance_id,
    letter,
    queued,
    verdict,
)
from saga_coordinator.service.storage.postgres.session import PostgresSession, Row, Server
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

QUERY_TIMEOUT: Final = 5.0
"""Seconds that one query may take."""

MAX_COUNT: Final = 100_000

_SETTINGS: Final = {"application_name": "saga", "timezone": "UTC", "statement_timeout": f"{QUERY_TIMEOUT:g}s"}

_INSTANCE: Final = (
    "number, id::text, saga, version, correlation, status, data, state, trail, revision, home, wake_at, started_at,"
    " ended_at, (SELECT max(at) FROM saga.history WHERE instance = number AND verdict = 'contradictory'),"
    " (SELECT reason FROM saga.history WHERE instance = number AND verdict = 'contradictory' ORDER BY at DESC LIMIT 1)"
)
_NEEDS_ATTENTION: Final = (
    "number IN (SELECT instance FROM saga.history WHERE verdict = 'contradictory' AND at >= {} UNION"
    " SELECT number FROM saga.instance WHERE ended_at IS NULL AND (status = 'stalled' OR wake_at < {}"
    " OR open_sendings >= {} OR id::text IN (SELECT instance_id FROM saga.dead_letter WHERE parks)))"
)
_AWAITS_ANY: Final = "ended_at IS NULL AND open_commands && {}::text[] AND started_at <= {}"
_AT: Final = 'topic = $1 AND partition = $2 AND "offset" = $3'
_FIRST_OFFSETS: Final = " UNION ALL ".join(
    f'SELECT min("offset") AS first FROM saga.{table} WHERE topic = lease.topic AND partition = lease.partition'  # noqa: S608  own tables
    for table in ("history", "verdict", "held_event", "dead_letter", "parked")
)


_NO_SUBJECT: Final = "''::text"


_LETTERS: Final = RecordTable(LETTERS, "instance_id", letter, {Verdict.DEAD_LETTERED})
_RECORDS: Final = (
    RecordTable(EARLY_EVENTS, "address", early_event, {Verdict.BUFFERED}),
    RecordTable(QUEUE, "instance_id", queued, {Verdict.BUFFERED}),
    _LETTERS,
    RecordTable(VERDICTS, _NO_SUBJECT, verdict, {Verdict.UNMATCHED, Verdict.IGNORED, Verdict.DEAD_LETTERED}),
)


@contextmanager
def open_queries(server: Server) -> Iterator["PostgresQueries"]:
    """Open a database for reading, as of this moment.

    Raises `StoreError` if it cannot be read, or if its schema is not that of this program.
    """
    with blocking_session(server, _SETTINGS) as (session, run):
        run(session.begin("ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        yield PostgresQueries(session, run, run(check(session, server.name)))


class PostgresQueries:
    """The `Queries` of a PostgreSQL database, in one read transaction."""

    def __init__(self, session: PostgresSession, run: Blocking, schema: int) -> None:
        self._session = session
        self._run = run
        self.schema = schema

    def instances(self, which: InstanceFilter, limit: int) -> Sequence[InstanceRow]:
        late, sendings, since = which.attention or (None, None, None)
        commands, started_before = which.awaits or ((), None)
        where = _Conditions()
        where.add("id = ANY({}::uuid[])", which.ids is not None, sorted(filter(is_instance_id, which.ids or ())))
        where.add("saga = {}", which.saga is not None, which.saga)
        where.add("version = {}", which.version is not None, which.version)
        where.add("status = {}", which.status is not None, which.status)
        where.add("number < {}", which.before is not None, which.before)
        where.add(_NEEDS_ATTENTION, which.attention is not None, since, late, sendings)
        where.add(_AWAITS_ANY, which.awaits is not None, sorted(commands), started_before)
        sql = f"SELECT {_INSTANCE} FROM saga.instance WHERE {where} ORDER BY number DESC LIMIT {limit:d}"  # noqa: S608  own text
        return [_instance(row) for row in self._query(sql, *where.parameters)]

    def history(self, row: InstanceRow, limit: int) -> Sequence[Entry]:
        sql = f"SELECT {HISTORY.names} FROM saga.history WHERE instance = $1 ORDER BY seq DESC LIMIT $2"  # noqa: S608  own columns
        return [_entry(row.id, each) for each in reversed(self._query(sql, row.number, limit))]

    def record(self, place: Place) -> RecordRows:
        entries = self._query(
            f"SELECT (SELECT id::text FROM saga.instance WHERE number = history.instance), {HISTORY.names}"  # noqa: S608  own text
            f" FROM saga.history WHERE {_AT}",
            *place,
        )
        audits = self._query(f"SELECT {AUDIT.names} FROM saga.dead_letter_audit WHERE {_AT} ORDER BY number", *place)  # noqa: S608  own text
        return RecordRows(
            entries=[_entry(id_, row) for id_, *row in entries],
            early=[early_event(row) for row in self._query(f"{EARLY_EVENTS} WHERE {_AT}", *place)],
            queued=[queued(row) for row in self._query(f"{QUEUE} WHERE {_AT}", *place)],
            dead_letters=[letter(row) for row in self._query(f"{LETTERS} WHERE {_AT}", *place)],
            verdict=next((verdict(row) for row in self._query(f"{VERDICTS} WHERE {_AT}", *place)), None),
            audits=[_audit(row) for row in audits],
        )

    def records(self, which: RecordFilter, limit: int) -> Sequence[KeptRecord]:
        return newest_records(_RECORDS, which, limit, lambda table: self._records(table, which, limit))

    def _records(self, table: RecordTable, which: RecordFilter, limit: int) -> Sequence[Sequence[Any]]:
        where = _Conditions()
        where.add("topic = {}", which.topic is not None, which.topic)
        if table.subject == _NO_SUBJECT:
            where.add("key = {}", which.key is not None, which.key)
            where.add("verdict = {}", which.verdict is not None, which.verdict)
        else:
            of_key = f"(key = {{}} OR {table.subject} = ANY({{}}::text[]))"
            where.add(of_key, which.key is not None, which.key, sorted(which.subjects))
        return self._newest(table, where, which.before, limit)

    def dead_letters(self, which: DeadLetterFilter, limit: int) -> Sequence[DeadLetter]:
        where = _Conditions()
        where.add("topic = {}", which.topic is not None, which.topic)
        where.add("instance_id = {}", which.instance_id is not None, which.instance_id)
        where.add("strpos(cause, {}) > 0", which.cause is not None, which.cause)
        return [letter(row) for row in self._newest(_LETTERS, where, which.before, limit)]

    def _newest(
        self, table: RecordTable, where: "_Conditions", before: RecordCursor | None, limit: int
    ) -> Sequence[Row]:
        """Return the rows of a source that meet the conditions, the newest first, those before a cursor."""
        at, place, subject = before or (None, Place("", 0, 0), "")
        here = f"({', '.join(table.order)}) < ({{}}, {{}}, {{}}, {{}}, {{}}::text)"
        where.add(here, at is not None, at, *place, subject)
        order = ", ".join(f"{column} DESC" for column in table.order)
        return self._query(f"{table.sql} WHERE {where} ORDER BY {order} LIMIT {limit:d}", *where.parameters)

    def parked(self, ids: Collection[str]) -> Mapping[str, ParkedBehind]:
        among = "instance_id = ANY($1::text[])"
        waiting = self._query(f"SELECT instance_id, count(*) FROM saga.parked WHERE {among} GROUP BY 1", sorted(ids))  # noqa: S608  own text
        counted = {str(id_): int(count) for id_, count in waiting}
        found = [letter(row) for row in self._query(f"{LETTERS} WHERE parks AND {among}", sorted(ids))]
        return {each.instance_id: ParkedBehind(each, counted.get(each.instance_id, 0)) for each in found}

    def queue(self, instance_id: str, limit: int) -> Sequence[QueuedRecord]:
        rows = self._query(f"{QUEUE} WHERE instance_id = $1 ORDER BY seq LIMIT $2", instance_id, limit)
        return [queued(row) for row in rows]

    def partitions(self, topic: str | None = None) -> Sequence[PartitionRow]:
        sql = (
            f"SELECT topic, partition, (SELECT min(first) FROM ({_FIRST_OFFSETS}) AS firsts), next_offset, topic_id"  # noqa: S608  own text
            " FROM saga.lease WHERE topic = coalesce($1, topic) ORDER BY topic, partition"
        )
        return [PartitionRow(*row) for row in self._query(sql, topic)]

    def is_unpublished(self, message_id: str) -> bool:
        return bool(self._query("SELECT 1 FROM saga.outbox WHERE message_id = $1 LIMIT 1", message_id))

    def backlog(self) -> Backlog:
        """Return how many dead letters and unpublished messages there are, counted up to `MAX_COUNT`."""
        return Backlog(dead_letters=self._count("dead_letter"), unpublished=self._count("outbox"))

    def live_versions(self) -> Sequence[LiveVersion]:
        sql = (
            "SELECT saga, version, count(*), (SELECT outline FROM saga.outline WHERE outline.saga = instance.saga"
            " AND outline.version = instance.version) FROM saga.instance WHERE ended_at IS NULL GROUP BY saga, version"
        )
        return [LiveVersion(*row) for row in self._query(sql)]

    def _count(self, table: str) -> int:
        sql = f"SELECT count(*) FROM (SELECT 1 FROM saga.{table} LIMIT {MAX_COUNT:d}) AS counted"  # noqa: S608  own tables
        return int(self._query(sql)[0][0])

    def _query(self, sql: str, *parameters: object) -> Sequence[Row]:
        """Return the rows of a query. Raises `TimeoutError` after `QUERY_TIMEOUT`."""
        try:
            return self._run(self._session.fetch(sql, *parameters))
        except StoreError as error:
            if is_timeout(error.__cause__):
                raise TimeoutError(f"the database did not answer within {QUERY_TIMEOUT:g} s: ask for less") from error
            raise


class _Conditions:
    """Conditions that must all hold, with their parameters, each written {} in its condition."""

    def __init__(self) -> None:
        self.parameters: list[object] = []
        self._texts: list[str] = []

    def add(self, condition: str, applies: bool, *values: object) -> None:  # noqa: FBT001  what follows it are values
        """Add a condition, if it applies."""
        if applies:
            first = len(self.parameters) + 1
            self._texts.append(condition.format(*(f"${number}" for number in range(first, first + len(values)))))
            self.parameters += values

    def __str__(self) -> str:
        return " AND ".join(self._texts) or "TRUE"


def _instance(row: Row) -> InstanceRow:
    number, id_, saga, version, key, status, data, state, trace, *rest = row
    return InstanceRow(
        number, id_, saga, version, key, status, Snapshot(data, state), TraceContext.from_json(trace), *rest
    )


def _entry(instance_id: str, row: Row) -> Entry:
    seq, at, kind, verdict, *message, topic, partition, offset, trace_id, span_id = row
    place = None if topic is None else Place(topic, partition, offset)
    fields = (instance_id, seq, at, kind, Verdict(verdict), *message, place, trace_id, span_id)
    return Entry(*fields)


def _audit(row: Row) -> Audit:
    *record, at, who, why, action, cause, instance_id = row
    return Audit(at, Actor(who, why), action, DeadLetter(record_of(record), at, cause, instance_id))
