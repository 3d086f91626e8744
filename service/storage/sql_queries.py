"""The read port on a database that speaks SQL: the statements are the same but for what its dialect says."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from saga_coordinator.handlers.records import DeadLetter, Entry, Place, QueuedRecord, Verdict
from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.storage.columns import (
    AUDIT,
    EARLY_EVENT,
    HISTORY,
    LETTER,
    QUEUED,
    VERDICT,
    audit,
    early_event,
    entry,
    instance_row,
    letter,
    queued,
    verdict,
)
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
    cursor_of,
)

K = TypeVar("K", bound=KeptRecord)

Row = Sequence[Any]
Run = Callable[[str, Sequence[object]], Sequence[Row]]
"""Returns the rows of a query for its parameters: texts, numbers, times and lists of texts."""

MAX_COUNT: Final = 100_000

_LIVE: Final = {status for status in Status if not status.is_final}
_AT: Final = 'topic = {} AND partition = {} AND "offset" = {}'
_PLACES: Final = ("history", "verdict", "held_event", "dead_letter", "parked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a database writes its own part of a statement. In conditions {} is a parameter."""

    parameter: str
    """How a parameter is written; {} is its number."""
    schema: str
    """What precedes the name of a table."""
    id: str
    """The id of an instance as a text."""
    of_ids: str
    usable_ids: Callable[[Iterable[str]], Iterable[str]]
    """Leaves out texts that cannot be ids, and that `of_ids` would not take."""
    among: str
    """What follows a column that is among a list of texts."""
    contains: str
    parks: str
    sent_often: str
    """The condition of an instance that has an unsettled command with at least so many sendings."""
    awaits: str
    """The condition of an instance that awaits the reply to one of the commands, each `STEP/DIRECTION`."""


class RecordTable(NamedTuple, Generic[K]):
    """A table of records that have reached no instance. `subject` is the column of whom a record is for, if any."""

    name: str
    columns: str
    read: Callable[[Row], K]
    verdicts: Collection[Verdict]
    subject: str | None = None

    @property
    def order(self) -> Sequence[str]:
        """The columns of `RecordCursor`, as far as the table has them."""
        return ("at", "topic", "partition", '"offset"', *([self.subject] if self.subject else []))


_LETTERS: Final = RecordTable("dead_letter", LETTER, letter, {Verdict.DEAD_LETTERED}, "instance_id")
_QUEUED: Final = RecordTable("parked", QUEUED, queued, {Verdict.BUFFERED}, "instance_id")
_EARLY: Final = RecordTable("held_event", EARLY_EVENT, early_event, {Verdict.BUFFERED}, "address")
_VERDICTS: Final = RecordTable("verdict", VERDICT, verdict, {Verdict.UNMATCHED, Verdict.IGNORED, Verdict.DEAD_LETTERED})


class SqlQueries:
    """The `Queries` of a database, in one read transaction."""

    def __init__(self, dialect: Dialect, query: Run, schema: int) -> None:
        self._dialect = dialect
        self._query = query
        self.schema = schema

    def instances(self, which: InstanceFilter, limit: int) -> Sequence[InstanceRow]:
        late, sendings, since = which.attention or (None, None, None)
        commands, started_before = which.awaits or ((), None)
        own, where = self._dialect, self._conditions()
        where.add(own.of_ids, which.ids is not None, sorted(own.usable_ids(which.ids or ())))
        where.equal(saga=which.saga, version=which.version, status=which.status)
        where.add("ended_at IS NULL", which.status in _LIVE)  # lets the index of the live ones be used
        where.add("number < {}", which.before is not None, which.before)
        where.add(self._needs_attention(), which.attention is not None, since, late, sendings)
        of_awaits = f"ended_at IS NULL AND started_at <= {{}} AND {own.awaits}"
        where.add(of_awaits, which.awaits is not None, started_before, sorted(commands))
        contradiction = f"FROM {own.schema}history WHERE instance = number AND verdict = 'contradictory'"
        columns = (
            f"number, {own.id}, saga, version, correlation, status, data, state, trail, revision, home, wake_at,"
            f" started_at, ended_at, (SELECT max(at) {contradiction}),"
            f" (SELECT reason {contradiction} ORDER BY at DESC LIMIT 1)"
        )
        return list(map(instance_row, self._select(columns, "instance", where, "number DESC", limit)))

    def _needs_attention(self) -> str:
        own = self._dialect
        return (
            f"number IN (SELECT instance FROM {own.schema}history WHERE verdict = 'contradictory' AND at >= {{}} UNION"  # noqa: S608  own text
            f" SELECT number FROM {own.schema}instance WHERE ended_at IS NULL AND (status = 'stalled' OR wake_at < {{}}"
            f" OR {own.sent_often} OR {own.id} IN (SELECT instance_id FROM {own.schema}dead_letter WHERE {own.parks})))"
        )

    def history(self, row: InstanceRow, limit: int) -> Sequence[Entry]:
        rows = self._select(HISTORY, "history", self._where("instance = {}", row.number), "seq DESC", limit)
        return [entry(row.id, each) for each in reversed(rows)]

    def record(self, place: Place) -> RecordRows:
        at, schema = self._where(_AT, *place), self._dialect.schema
        id_ = f"(SELECT {self._dialect.id} FROM {schema}instance WHERE number = history.instance)"  # noqa: S608  own text
        entries = self._select(f"{id_}, {HISTORY}", "history", at)
        return RecordRows(
            entries=[entry(id_, row) for id_, *row in entries],
            early=self._read(_EARLY, at),
            queued=self._read(_QUEUED, at),
            dead_letters=self._read(_LETTERS, at),
            verdict=next(iter(self._read(_VERDICTS, at)), None),
            audits=[audit(row) for row in self._select(AUDIT, "dead_letter_audit", at, "number")],
        )

    def records(self, which: RecordFilter, limit: int) -> Sequence[KeptRecord]:
        tables: Sequence[RecordTable[Any]] = (_EARLY, _QUEUED, _LETTERS, _VERDICTS)
        among = [each for each in tables if which.verdict is None or which.verdict in each.verdicts]
        found = [kept for table in among for kept in self._records(table, which, limit)]
        return sorted(found, key=cursor_of, reverse=True)[:limit]

    def _records(self, table: RecordTable[K], which: RecordFilter, limit: int) -> Sequence[K]:
        where = self._conditions()
        where.equal(topic=which.topic)
        if table.subject is None:
            where.equal(key=which.key, verdict=which.verdict)
        else:
            of_key = f"(key = {{}} OR {table.subject}{self._dialect.among})"
            where.add(of_key, which.key is not None, which.key, sorted(which.subjects))
        return self._newest(table, where, which.before, limit)

    def dead_letters(self, which: DeadLetterFilter, limit: int) -> Sequence[DeadLetter]:
        where = self._conditions()
        where.equal(topic=which.topic, instance_id=which.instance_id)
        where.add(self._dialect.contains.format("cause", "{}"), which.cause is not None, which.cause)
        return self._newest(_LETTERS, where, which.before, limit)

    def parked(self, ids: Collection[str]) -> Mapping[str, ParkedBehind]:
        among = f"instance_id{self._dialect.among}"
        of_ids = self._where(among, sorted(ids))
        waiting = self._query(
            f"SELECT instance_id, count(*) FROM {self._dialect.schema}parked WHERE {of_ids} GROUP BY instance_id",  # noqa: S608  own text
            of_ids.parameters,
        )
        counted = {str(id_): int(count) for id_, count in waiting}
        heads = self._read(_LETTERS, self._where(f"{self._dialect.parks} AND {among}", sorted(ids)))
        return {each.instance_id: ParkedBehind(each, counted.get(each.instance_id, 0)) for each in heads}

    def queue(self, instance_id: str, limit: int) -> Sequence[QueuedRecord]:
        return self._read(_QUEUED, self._where("instance_id = {}", instance_id), "seq", limit)

    def partitions(self, topic: str | None = None) -> Sequence[PartitionRow]:
        firsts = " UNION ALL ".join(
            f'SELECT min("offset") AS first FROM {self._dialect.schema}{table}'  # noqa: S608  own tables
            " WHERE topic = lease.topic AND partition = lease.partition"
            for table in _PLACES
        )
        columns = f"topic, partition, (SELECT min(first) FROM ({firsts}) AS firsts), next_offset, topic_id"  # noqa: S608  own text
        where = self._where("topic = coalesce({}, topic)", topic)
        return [PartitionRow(*row) for row in self._select(columns, "lease", where, "topic, partition")]

    def is_unpublished(self, message_id: str) -> bool:
        return bool(self._select("1", "outbox", self._where("message_id = {}", message_id), limit=1))

    def backlog(self) -> Backlog:
        """Return how many dead letters and unpublished messages there are, counted up to `MAX_COUNT`."""
        return Backlog(dead_letters=self._count("dead_letter"), unpublished=self._count("outbox"))

    def live_versions(self) -> Sequence[LiveVersion]:
        schema = self._dialect.schema
        sql = (
            f"SELECT saga, version, count(*), (SELECT outline FROM {schema}outline WHERE outline.saga = instance.saga"  # noqa: S608  own text
            f" AND outline.version = instance.version) FROM {schema}instance WHERE ended_at IS NULL"
            " GROUP BY saga, version"
        )
        return [LiveVersion(*row) for row in self._query(sql, ())]

    def _count(self, table: str) -> int:
        some = f"SELECT 1 FROM {self._dialect.schema}{table} LIMIT {MAX_COUNT:d}"  # noqa: S608  own tables
        return int(self._query(f"SELECT count(*) FROM ({some}) AS counted", ())[0][0])  # noqa: S608  own text

    def _newest(
        self, table: RecordTable[K], where: "_Conditions", before: RecordCursor | None, limit: int
    ) -> Sequence[K]:
        """Return the records of a table that meet the conditions, the newest first, those before a cursor."""
        at, place, subject = before or (None, Place("", 0, 0), "")
        cursor = (at, *place, subject)[: len(table.order)]
        less = "<=" if subject and table.subject is None else "<"  # of one place, records for nobody come last
        here = f"({', '.join(table.order)}) {less} ({', '.join('{}' for _ in cursor)})"
        where.add(here, before is not None, *cursor)
        order = ", ".join(f"{column} DESC" for column in table.order)
        return self._read(table, where, order, limit)

    def _read(
        self, table: RecordTable[K], where: "_Conditions", order: str = "", limit: int | None = None
    ) -> Sequence[K]:
        return list(map(table.read, self._select(table.columns, table.name, where, order, limit)))

    def _select(
        self, columns: str, table: str, where: "_Conditions", order: str = "", limit: int | None = None
    ) -> Sequence[Row]:
        sql = f"SELECT {columns} FROM {self._dialect.schema}{table} WHERE {where}"  # noqa: S608  own text
        sql += (f" ORDER BY {order}" if order else "") + ("" if limit is None else f" LIMIT {limit:d}")
        return self._query(sql, where.parameters)

    def _conditions(self) -> "_Conditions":
        return _Conditions(self._dialect.parameter)

    def _where(self, condition: str, *values: object) -> "_Conditions":
        conditions = self._conditions()
        conditions.add(condition, True, *values)  # noqa: FBT003  it applies
        return conditions


class _Conditions:
    """Conditions that must all hold, with their parameters, each written {} in its condition."""

    def __init__(self, parameter: str) -> None:
        self.parameters: list[object] = []
        self._parameter = parameter
        self._texts: list[str] = []

    def add(self, condition: str, applies: bool, *values: object) -> None:  # noqa: FBT001  what follows it are values
        """Add a condition, if it applies."""
        if applies:
            first = len(self.parameters) + 1
            numbers = range(first, first + len(values))
            self._texts.append(condition.format(*map(self._parameter.format, numbers)))
            self.parameters += values

    def equal(self, **columns: object) -> None:
        """Compare columns with values, those that are given."""
        for column, value in columns.items():
            self.add(f"{column} = {{}}", value is not None, value)

    def __str__(self) -> str:
        return " AND ".join(self._texts) or "TRUE"
