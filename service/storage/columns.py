"""How values are stored in columns by every database: instances, records, headers that keep every byte.

The headers of records are JSON, which people can read in a query. Those of the outbox, written with each message and
read only after a crash, are MessagePack: it takes a third of the time.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from msgspec import msgpack
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from saga_coordinator.handlers.decode import describe_validation_error
from saga_coordinator.handlers.records import (
    InstanceRecord,
    ParentCommand,
    Place,
    RawHeaders,
    Record,
    UnreadableInstance,
    Verdict,
)
from saga_coordinator.handlers.routing import AnySaga, BadCatalog
from saga_coordinator.handlers.trace_context import STORED_TRACE, TraceContext
from saga_coordinator.sagas.machine import Snapshot, thaw
from saga_coordinator.sagas.machine.snapshot import STATE
from saga_coordinator.service.storage.queries import KeptRecord, RecordFilter, cursor_of

Definitions = Callable[[str, int], AnySaga]
"""Returns the definition of a saga by its name and version. Raises `BadCatalog` if there is none."""

INSTANCE: Final = "id, saga, version, correlation, data, state, trail, parent, revision, home, ended_at"
RECORD: Final = 'topic, partition, "offset", timestamp, key, headers, value, timestamp_type'


class RecordTable(NamedTuple):
    """A table of records that have reached no instance: the query of all, and how its rows are read.

    `subject` is the column of whom a record is for, an empty text if there is none.
    """

    sql: str
    subject: str
    read: Callable[[Sequence[Any]], KeptRecord]
    verdicts: Collection[Verdict]

    @property
    def order(self) -> Sequence[str]:
        """The columns of `RecordCursor`."""
        return "at", "topic", "partition", '"offset"', self.subject


def newest_records(
    tables: Iterable[RecordTable], which: RecordFilter, limit: int, read: Callable[[RecordTable], Iterable[Any]]
) -> Sequence[KeptRecord]:
    """Return the newest records of all tables that may have some, of which `read` returns the newest rows."""
    among = [each for each in tables if which.verdict is None or which.verdict in each.verdicts]
    found = [table.read(row) for table in among for row in read(table)]
    return sorted(found, key=cursor_of, reverse=True)[:limit]


def read_instance(definitions: Definitions, id_: str, row: Sequence[Any]) -> InstanceRecord | UnreadableInstance:
    """Return an instance from its columns, in the order of `INSTANCE` after the id, or why it cannot be read."""
    saga, version, key, data, state, trace, parent, revision, home, ended_at = row
    try:
        instance = thaw(definitions(saga, version), id_, key, Snapshot(data, state))
        parent_command = ParentCommand(*json.loads(parent)) if parent else None
        return InstanceRecord(instance, revision, home, TraceContext.from_json(trace), parent_command)
    except Exception as error:  # noqa: BLE001  a saga's own models may raise anything
        reason = _unreadable_reason(error, version)
        why = f"instance {id_} of saga {saga} version {version} cannot be read: {reason}"
        return UnreadableInstance(why, has_ended=ended_at is not None)


def _unreadable_reason(error: Exception, version: int) -> str:
    """Return why an instance cannot be read, and what to do."""
    if isinstance(error, BadCatalog):
        return str(error)
    why = type(error).__name__
    if isinstance(error, ValidationError):
        why = describe_validation_error(error, with_words=False)
        if error.title in {STATE, STORED_TRACE}:
            return f"{why}; run the version of this service that has written it, or restore it from a copy"
    return f"{why}; put its definition back as it was, and let the changed one be version {version + 1}"


def record_row(record: Record) -> Sequence[object]:
    """Return the columns of a record, in the order of `RECORD`."""
    headers = from_headers(record.headers)
    return (*record.place, record.timestamp, record.key, headers, record.value, record.timestamp_type)


def record_of(row: Sequence[Any]) -> Record:
    """Return a record from its columns, in the order of `RECORD`."""
    topic, partition, offset, timestamp, key, headers, value, timestamp_type = row
    return Record(Place(topic, partition, offset), timestamp, key, value, to_headers(headers), timestamp_type)


def from_headers(headers: RawHeaders) -> str:
    """Return headers as a JSON list of pairs; a value that is not UTF-8 becomes a list of one base64 text."""
    try:
        return to_json(headers).decode()
    except ValueError:
        return to_json([(name, _readable(value)) for name, value in headers]).decode()


def to_headers(text: str) -> RawHeaders:
    return tuple((name, _raw(value)) for name, value in from_json(text))


pack_headers: Final[Callable[[RawHeaders], bytes]] = msgpack.Encoder().encode
_unpack: Final[Callable[[bytes], RawHeaders]] = msgpack.Decoder(RawHeaders).decode


def unpack_headers(stored: bytes | str) -> RawHeaders:
    """Return the headers of a message in the outbox; rows from before are JSON."""
    return to_headers(stored) if isinstance(stored, str) else _unpack(stored)


def _readable(value: bytes | None) -> str | list[str] | None:
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return [b64encode(value).decode()]


def _raw(value: str | list[str] | None) -> bytes | None:
    if isinstance(value, list):
        return b64decode(value[0])
    return None if value is None else value.encode()
