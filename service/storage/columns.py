"""How values are stored in columns by every database: instances, records, headers that keep every byte.

The headers of records are JSON, which people can read in a query. Those of the outbox, written with each message and
read only after a crash, are MessagePack: it takes a third of the time.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec import msgpack
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from saga_coordinator.handlers.decode import describe_validation_error
from saga_coordinator.handlers.records import (
    Actor,
    Audit,
    DeadLetter,
    EarlyEvent,
    Entry,
    InstanceRecord,
    OutboxMessage,
    OutboxRow,
    ParentCommand,
    Place,
    QueuedRecord,
    RawHeaders,
    Record,
    RecordVerdict,
    UnreadableInstance,
    Verdict,
)
from saga_coordinator.handlers.routing import AnySaga, BadCatalog
from saga_coordinator.handlers.trace_context import STORED_TRACE, TraceContext
from saga_coordinator.sagas.machine import Snapshot, thaw
from saga_coordinator.sagas.machine.snapshot import STATE
from saga_coordinator.service.storage.queries import InstanceRow

UNSENT: Final = "seq, message_id, home, topic, partition, key, headers, value"

Definitions = Callable[[str, int], AnySaga]
"""Returns the definition of a saga by its name and version. Raises `BadCatalog` if there is none."""

INSTANCE: Final = "id, saga, version, correlation, data, state, trail, parent, revision, home, ended_at"
RECORD: Final = 'topic, partition, "offset", timestamp, key, headers, value, timestamp_type'
HISTORY: Final = (
    "seq, at, kind, verdict, reason, message_id, message_type, message_source, causation_id, value, decided,"
    ' topic, partition, "offset", trace_id, span_id'
)
LETTER: Final = f"{RECORD}, at, cause, instance_id, parks"
EARLY_EVENT: Final = f"{RECORD}, address, at, expires_at"
QUEUED: Final = f"seq, instance_id, {RECORD}, at"
VERDICT: Final = 'topic, partition, "offset", at, verdict, reason, message_id, message_type, key'
AUDIT: Final = f"{RECORD.replace('value', 'before')}, at, who, why, action, cause, instance_id"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def from_time(at: datetime) -> int:
    """Return a time as microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def to_time(stored: datetime | int) -> datetime:
    """Return a stored time, in UTC: a database that has no type for it stores microseconds."""
    return stored if isinstance(stored, datetime) else _EPOCH + timedelta(microseconds=stored)


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


def instance_row(row: Sequence[Any]) -> InstanceRow:
    """Return the columns of an `InstanceRow`, in its order, as a value."""
    number, id_, saga, version, key, status, data, state, trace, revision, home, *times, contradiction = row
    named = (number, id_, saga, version, key, status, Snapshot(data, state), TraceContext.from_json(trace))
    moments = (None if each is None else to_time(each) for each in times)
    return InstanceRow._make((*named, revision, home, *moments, contradiction))


def entry(instance_id: str, row: Sequence[Any]) -> Entry:
    """Return the columns `HISTORY` as a value."""
    seq, at, kind, verdict, *message, topic, partition, offset, trace_id, span_id = row
    place = None if topic is None else Place(topic, partition, offset)
    fields: Sequence[Any] = (instance_id, seq, to_time(at), kind, Verdict(verdict), *message, place, trace_id, span_id)
    return Entry(*fields)


def letter(row: Sequence[Any]) -> DeadLetter:
    """Return the columns `LETTER` as a value."""
    *record, at, cause, instance_id, parks = row
    return DeadLetter(record_of(record), to_time(at), cause, instance_id, bool(parks))


def letter_row(letter: DeadLetter) -> Sequence[object]:
    return (*record_row(letter.record), letter.at, letter.cause, letter.instance_id, letter.parks)


def early_event(row: Sequence[Any]) -> EarlyEvent:
    """Return the columns `EARLY_EVENT` as a value."""
    *record, address, at, expires_at = row
    return EarlyEvent(address, record_of(record), to_time(at), to_time(expires_at))


def early_event_row(early: EarlyEvent) -> Sequence[object]:
    return (*record_row(early.record), early.address, early.at, early.expires_at)


def queued(row: Sequence[Any]) -> QueuedRecord:
    """Return the columns `QUEUED` as a value."""
    seq, instance_id, *record, at = row
    return QueuedRecord(seq, instance_id, record_of(record), to_time(at))


def queued_row(queued: QueuedRecord) -> Sequence[object]:
    """Return all columns but the number, which the database gives; they come after those of the record."""
    return (*record_row(queued.record), queued.instance_id, queued.at)


def verdict(row: Sequence[Any]) -> RecordVerdict:
    """Return the columns `VERDICT` as a value."""
    topic, partition, offset, at, verdict, *rest = row
    return RecordVerdict(Place(topic, partition, offset), to_time(at), Verdict(verdict), *rest)


def verdict_row(verdict: RecordVerdict) -> Sequence[object]:
    message = (verdict.message_id, verdict.message_type)
    return (*verdict.place, verdict.at, verdict.verdict, verdict.reason, *message, verdict.key)


def audit(row: Sequence[Any]) -> Audit:
    """Return the columns `AUDIT` as a value; the letter is as it was before."""
    *record, at, who, why, action, cause, instance_id = row
    before = DeadLetter(record_of(record), to_time(at), cause, instance_id)
    return Audit(to_time(at), Actor(who, why), action, before)


def audit_row(audit: Audit) -> Sequence[object]:
    kept = audit.letter
    return (*record_row(kept.record), audit.at, *audit.by, audit.action, kept.cause, kept.instance_id)


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


def unsent_row(row: Sequence[Any]) -> OutboxRow:
    """Return a row of the outbox from the columns of `UNSENT`."""
    seq, message_id, home, topic, partition, key, headers, value = row
    return OutboxRow(seq, OutboxMessage(message_id, home, topic, partition, key, unpack_headers(headers), value))


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
