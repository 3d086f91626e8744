"""The columns of each table, and values as rows of them. Statements are built from these lists."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from msgspec import structs
from pydantic_core import to_json

from saga_coordinator.handlers.records import (
    Entry,
    InstanceRecord,
    OutboxMessage,
)
from saga_coordinator.sagas.machine import Direction, Instance, Progress, freeze
from saga_coordinator.service.storage.columns import RECORD, pack_headers


class Column(NamedTuple):
    """A column, the type of its values in the array that names them, and the type that they are cast to, if another."""

    name: str
    type: str
    cast: str = ""


class Columns(tuple[Column, ...]):
    """Columns of rows that are sent as one array a column."""

    __slots__ = ()

    @property
    def names(self) -> str:
        return ", ".join(each.name for each in self)

    def values(self, alias: str = "n") -> str:
        """Return the columns as they are selected from the arrays."""
        return ", ".join(f"{alias}.{each.name}" + (f"::{each.cast}" if each.cast else "") for each in self)

    def arrays(self, alias: str = "n", first: int = 1) -> str:
        """Return the arrays as a table of this name, with the place of each row in `place`."""
        parameters = ", ".join(f"${number}::{each.type}[]" for number, each in enumerate(self, first))
        return f"unnest({parameters}) WITH ORDINALITY AS {alias}({self.names}, place)"


def _columns(type_: str, names: str) -> Iterator[Column]:
    return (Column(name, type_) for name in names.split())


TEXT, INT, BIG, BYTES, TIME = "text", "integer", "bigint", "bytea", "timestamptz"

_RECORD: Final = (
    Column("topic", TEXT),
    Column("partition", INT),
    Column('"offset"', BIG),
    Column("timestamp", BIG),
    Column("key", BYTES),
    Column("headers", TEXT),
    Column("value", BYTES),
    Column("timestamp_type", "smallint"),
)
_PLACE: Final = _RECORD[:3]

MUTABLE: Final = Columns(
    (
        *_columns(TEXT, "status data state trail"),
        Column("revision", BIG),
        Column("wake_at", TIME),
        Column("open_commands", TEXT, "text[]"),
        Column("open_sendings", INT),
        Column("ended_at", TIME),
    )
)
INSTANCE: Final = Columns(
    (
        Column("number", BIG),
        Column("id", "uuid"),
        Column("saga", TEXT),
        Column("version", INT),
        Column("correlation", TEXT),
        Column("home", INT),
        Column("started_at", TIME),
        Column("parent", TEXT),
        *MUTABLE,
    )
)
HISTORY: Final = Columns(
    (
        Column("seq", BIG),
        Column("at", TIME),
        *_columns(TEXT, "kind verdict reason message_id message_type message_source causation_id"),
        Column("value", BYTES),
        Column("decided", TEXT),
        *_PLACE,
        *_columns(TEXT, "trace_id span_id"),
    )
)
OUTBOX: Final = Columns(
    (
        Column("message_id", TEXT),
        Column("home", INT),
        Column("topic", TEXT),
        Column("partition", INT),
        Column("key", BYTES),
        Column("headers", BYTES),
        Column("value", BYTES),
    )
)
HELD: Final = Columns((*_RECORD, Column("address", TEXT), Column("at", TIME), Column("expires_at", TIME)))
HELD_AT: Final = Columns((*_PLACE, Column("address", TEXT)))
SUBSCRIPTION: Final = Columns(_columns(TEXT, "address instance_id"))
LETTER_AT: Final = Columns((*_PLACE, Column("instance_id", TEXT)))
LETTER: Final = Columns(
    (*_RECORD, Column("at", TIME), Column("cause", TEXT), Column("instance_id", TEXT), Column("parks", "boolean"))
)
LETTER_EDIT: Final = Columns((*LETTER_AT, Column("value", BYTES), Column("cause", TEXT)))
QUEUED: Final = Columns((*_RECORD, Column("instance_id", TEXT), Column("at", TIME)))
AUDIT: Final = Columns(
    (
        *(each._replace(name="before") if each.name == "value" else each for each in _RECORD),
        Column("at", TIME),
        *_columns(TEXT, "who why action cause instance_id"),
    )
)
VERDICT: Final = Columns(
    (
        *_PLACE,
        Column("at", TIME),
        *_columns(TEXT, "verdict reason message_id message_type"),
        Column("key", BYTES),
    )
)

LETTERS: Final = f"SELECT {LETTER.names} FROM saga.dead_letter"  # noqa: S608  own columns
EARLY_EVENTS: Final = f"SELECT {HELD.names} FROM saga.held_event"  # noqa: S608  own columns
QUEUE: Final = f"SELECT seq, instance_id, {RECORD}, at FROM saga.parked"  # noqa: S608  own columns


def mutable_row(stored: InstanceRecord) -> Sequence[object]:
    """Return the columns of an instance that a signal may change."""
    instance, snapshot = stored.instance, freeze(stored.instance)
    commands, sendings = _open(instance)
    return (
        instance.status,
        snapshot.data,
        snapshot.state,
        stored.trace.to_json(),
        stored.revision,
        instance.next_timer_at,
        _array(commands),
        sendings,
        instance.ended_at,
    )


def instance_row(stored: InstanceRecord, number: int) -> Sequence[object]:
    instance = stored.instance
    parent = None if stored.parent is None else to_json(stored.parent).decode()
    named = (number, instance.id, instance.saga, instance.version, instance.key, stored.home, instance.started_at)
    return (*named, parent, *mutable_row(stored))


def history_row(entry: Entry) -> Sequence[object]:
    _, seq, at, kind, verdict, *message, place, trace_id, span_id = structs.astuple(entry)
    return (seq, at, kind, verdict, *message, *(place or (None, None, None)), trace_id, span_id)


def outbox_row(message: OutboxMessage) -> Sequence[object]:
    message_id, home, topic, partition, key, headers, value = structs.astuple(message)
    return message_id, home, topic, partition, key, pack_headers(headers), value


def is_instance_id(text: str) -> bool:
    """Return whether a text can be the id of an instance; ids come from outside."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _open(instance: Instance[Any]) -> tuple[list[str], int]:
    """Return the commands whose reply is awaited, and how often the most repeated unsettled one was sent."""
    found = [
        (f"{step}/{direction}", command)
        for step, run in instance.steps.items()
        for direction, command in ((Direction.FORWARD, run.forward), (Direction.COMPENSATION, run.compensation))
        if command is not None and command.progress in {Progress.ASKED, Progress.WAITING}
    ]
    asked = [name for name, command in found if command.progress is Progress.ASKED]
    return asked, max((command.sendings for _, command in found), default=0)


def _array(texts: Iterable[str]) -> str:
    """Write an array as PostgreSQL reads it: arrays of arrays of several lengths are not sent."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"
