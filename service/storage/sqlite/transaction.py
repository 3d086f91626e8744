"""One transaction on SQLite: a statement for each kind of row, never one for each record."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiosqlite
from msgspec import structs
from pydantic_core import to_json

from saga_coordinator.handlers.records import (
    Changes,
    DeadLetterQueue,
    EarlyEvent,
    Entry,
    EventSubscription,
    InstanceRecord,
    Lease,
    LeaseMove,
    OutboxMessage,
    OutboxRow,
    Place,
    UnreadableInstance,
)
from saga_coordinator.sagas.machine.snapshot import freeze_data, freeze_state
from saga_coordinator.service.storage.columns import (
    EARLY_EVENT,
    INSTANCE,
    LETTER,
    QUEUED,
    VERDICT,
    Definitions,
    early_event,
    early_event_row,
    from_time,
    letter,
    pack_headers,
    queued,
    read_instance,
    verdict_row,
)
from saga_coordinator.service.storage.sqlite import leases
from saga_coordinator.service.storage.sqlite.rows import (
    AT,
    Statement,
    dead_letter_statements,
    from_optional_time,
    in_microseconds,
    write,
)

_LETTERS = f"SELECT {LETTER} FROM dead_letter"  # noqa: S608  own columns
_QUEUE = f"SELECT {QUEUED} FROM parked"  # noqa: S608  own columns
_EARLY_EVENTS = f"SELECT {EARLY_EVENT} FROM held_event"  # noqa: S608  own columns
_HISTORY = (
    "INSERT INTO history (instance, seq, at, kind, verdict, reason, message_id, message_type, message_source,"
    ' causation_id, value, decided, topic, partition, "offset", trace_id, span_id)'
    " VALUES ((SELECT number FROM instance WHERE id = ?),?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
)


@dataclass(slots=True)
class Counters:
    """The last numbers given: there is one writer, so they are counted in memory."""

    instance: int
    outbox: int

    def next_instance(self) -> int:
        """Return the number of a new instance."""
        self.instance += 1
        return self.instance

    def number(self, messages: Sequence[OutboxMessage]) -> Sequence[OutboxRow]:
        """Return messages as rows of the outbox."""
        first = self.outbox + 1
        self.outbox += len(messages)
        return [OutboxRow(seq, message) for seq, message in enumerate(messages, first)]


class SqliteTransaction:
    """The work between BEGIN and COMMIT; see `saga_coordinator.handlers.ports.Transaction`.

    `silent` are the instances that could not be read when their timer was due: they are not loaded for it again.
    """

    def __init__(
        self, connection: aiosqlite.Connection, counters: Counters, definitions: Definitions, silent: set[str]
    ) -> None:
        self.connection = connection
        self._counters = counters
        self._definitions = definitions
        self._silent = silent
        self.unreadable_instances: dict[str, UnreadableInstance] = {}

    async def advance(self, moves: Sequence[LeaseMove]) -> Sequence[Lease]:
        return await leases.advance(self.connection, moves)

    async def load(self, ids: Collection[str]) -> Mapping[str, InstanceRecord]:
        rows = await self._read(
            f"SELECT {INSTANCE} FROM instance WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608  own columns
            (to_json(sorted(ids)).decode(),),
        )
        return {stored.instance.id: stored for stored in self._stored(rows)}

    async def load_due(self, now: datetime, limit: int, homes: Sequence[Lease]) -> Sequence[InstanceRecord]:
        """Return the instances whose timer is due and whose home has one of these leases, oldest first."""
        held = to_json([(each.topic, each.partition, each.epoch) for each in homes]).decode()
        rows = await self._read(
            f"SELECT {INSTANCE} FROM instance WHERE wake_at <= ? AND home IN (SELECT partition FROM lease,"  # noqa: S608  own columns
            " json_each(?) AS held WHERE topic = json_extract(held.value, '$[0]')"
            " AND partition = json_extract(held.value, '$[1]') AND epoch = json_extract(held.value, '$[2]'))"
            " AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY wake_at LIMIT ?",
            (from_time(now), held, to_json(sorted(self._silent)).decode(), limit),
        )
        due = list(self._stored(rows))
        self._silent.update(self.unreadable_instances)
        return due

    async def load_early_events(self, addresses: Collection[str]) -> Sequence[EarlyEvent]:
        among = "address IN (SELECT value FROM json_each(?))"
        return await self._early_events(among, "at", (to_json(sorted(addresses)).decode(), -1))

    async def load_subscriptions(self, addresses: Collection[str]) -> Sequence[EventSubscription]:
        rows = await self._read(
            "SELECT address, instance_id FROM awaited_event WHERE address IN (SELECT value FROM json_each(?))",
            (to_json(sorted(addresses)).decode(),),
        )
        return [EventSubscription(*row) for row in rows]

    async def load_expired_events(self, now: datetime, limit: int) -> Sequence[EarlyEvent]:
        return await self._early_events("expires_at <= ?", "expires_at", (from_time(now), limit))

    async def load_dead_letters(self, place: Place, ids: Collection[str]) -> DeadLetterQueue:
        which = f"({AT}) OR instance_id IN (SELECT value FROM json_each(?))"  # noqa: S608  own text
        named = (*place, to_json(sorted(ids)).decode())
        letters = await self._read(f'{_LETTERS} WHERE {which} ORDER BY at, topic, partition, "offset"', named)
        waiting = await self._read(f"{_QUEUE} WHERE {which} ORDER BY seq", named)
        return DeadLetterQueue([letter(each) for each in letters], [queued(each) for each in waiting])

    async def set_doubts(self, doubts: Mapping[str, str]) -> None:
        """Replace the instances that stall when they start."""
        statements = [
            Statement("DELETE FROM doubt WHERE TRUE OR ? IS NULL", [("",)]),
            Statement("INSERT INTO doubt VALUES (?, ?)", sorted(doubts.items())),
        ]
        await write(self.connection, statements)

    async def set_outlines(self, outlines: Mapping[tuple[str, int], str]) -> None:
        """Add outlines of definitions, or replace them."""
        rows = [(*place, outline) for place, outline in sorted(outlines.items())]
        await write(self.connection, [Statement("INSERT OR REPLACE INTO outline VALUES (?, ?, ?)", rows)])

    async def save(self, changes: Changes) -> Sequence[OutboxRow]:
        """Write everything; see `saga_coordinator.handlers.ports.Transaction`."""
        rows = self._counters.number(changes.outbox)
        await write(self.connection, statements_of(changes, rows, self._counters))
        return rows

    async def _early_events(self, condition: str, order: str, parameters: tuple[object, int]) -> Sequence[EarlyEvent]:
        sql = f'{_EARLY_EVENTS} WHERE {condition} ORDER BY {order}, topic, partition, "offset" LIMIT ?'
        return [early_event(row) for row in await self._read(sql, parameters)]

    def _stored(self, rows: Iterable[Sequence[Any]]) -> Iterator[InstanceRecord]:
        """Yield the instances that can be read, and record why the others cannot."""
        for id_, *row in rows:
            match read_instance(self._definitions, id_, row):
                case InstanceRecord() as stored:
                    yield stored
                case unreadable:
                    self.unreadable_instances[id_] = unreadable

    async def _read(self, sql: str, parameters: Iterable[object]) -> Sequence[Sequence[Any]]:
        return list(await self.connection.execute_fetchall(sql, parameters))


def statements_of(changes: Changes, rows: Sequence[OutboxRow], counters: Counters) -> Sequence[Statement]:
    """Return the statements that write everything; `rows` are those of the outbox."""
    return [
        *_instances(changes, counters),
        Statement(_HISTORY, [_history_row(each) for each in changes.entries]),
        Statement("INSERT INTO outbox VALUES (?,?,?,?,?,?,?,?)", [_outbox_row(each) for each in rows]),
        Statement("DELETE FROM outbox WHERE seq BETWEEN ? AND ?", _ranges(changes.acknowledged)),
        *_subscriptions(changes),
        *(() if changes.is_plain else (*dead_letter_statements(changes), *_unmatched_rows(changes))),
    ]


def _instances(changes: Changes, counters: Counters) -> Iterator[Statement]:
    """Yield the insert of new instances, and the update of others if their revision is the one that was loaded."""
    new = [stored for stored, loaded in changes.instances if loaded is None]
    rows = [(counters.next_instance(), *_instance_row(stored)) for stored in new]
    yield Statement("INSERT INTO instance VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", rows, must_match=True)
    yield Statement(
        "UPDATE instance SET status = ?, data = coalesce(?, data), state = ?, trail = ?, revision = ?, wake_at = ?,"
        " ended_at = ? WHERE id = ? AND revision = ?",
        [
            (*_mutable_columns(stored, loaded), stored.instance.id, loaded.revision)
            for stored, loaded in changes.instances
            if loaded is not None
        ],
        must_match=True,
    )


def _ranges(numbers: Collection[int]) -> list[tuple[int, int]]:
    """Return numbers as ranges without a gap, each with its first and last one: rows leave mostly in order."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def _subscriptions(changes: Changes) -> Iterator[Statement]:
    yield Statement("INSERT INTO awaited_event VALUES (?,?) ON CONFLICT DO NOTHING", changes.subscribed)
    yield Statement("DELETE FROM awaited_event WHERE address = ? AND instance_id = ?", changes.unsubscribed)


def _unmatched_rows(changes: Changes) -> Iterator[Statement]:
    """Yield the statements of records that reached no instance."""
    yield Statement(
        f"INSERT OR REPLACE INTO held_event ({EARLY_EVENT}) VALUES (?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608  own columns
        in_microseconds(map(early_event_row, changes.buffered)),
    )
    yield Statement(
        'DELETE FROM held_event WHERE topic = ? AND partition = ? AND "offset" = ? AND address = ?',
        [(*each.record.place, each.address) for each in changes.released],
    )
    yield Statement(
        f"INSERT INTO verdict ({VERDICT}) VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",  # noqa: S608  own columns
        in_microseconds(map(verdict_row, changes.verdicts)),
    )


def _mutable_columns(stored: InstanceRecord, loaded: InstanceRecord | None = None) -> Sequence[object]:
    """Return the columns of an instance that a signal may change; its data are None if they are those that it had.

    Data are frozen: the same object is the same JSON, which the row of the loaded revision has.
    """
    instance = stored.instance
    has_same_data = loaded is not None and loaded.instance.data is instance.data
    return (
        instance.status,
        None if has_same_data else freeze_data(instance),
        freeze_state(instance),
        stored.trace.to_json(),
        stored.revision,
        from_optional_time(instance.next_timer_at),
        from_optional_time(instance.ended_at),
    )


def _instance_row(stored: InstanceRecord) -> Sequence[object]:
    """Return all columns of an instance but its number, in the order of the table."""
    instance = stored.instance
    status, data, state, trace, revision, wake_at, ended_at = _mutable_columns(stored)
    named = (instance.id, instance.saga, instance.version, instance.key, status, data, state, trace, revision)
    parent = None if stored.parent is None else to_json(stored.parent).decode()
    return (*named, stored.home, wake_at, from_time(instance.started_at), ended_at, parent)


def _history_row(entry: Entry) -> Sequence[object]:
    instance_id, seq, at, kind, verdict, *message, place, trace_id, span_id = structs.astuple(entry)
    columns = place or (None, None, None)
    return (instance_id, seq, from_time(at), kind, verdict, *message, *columns, trace_id, span_id)


def _outbox_row(row: OutboxRow) -> Sequence[object]:
    message_id, home, topic, partition, key, headers, value = structs.astuple(row.message)
    return row.seq, message_id, home, topic, partition, key, pack_headers(headers), value
