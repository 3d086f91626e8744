"""Records that have reached no instance, or wait for one: buffered, unmatched, ignored, dead-lettered."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from saga_coordinator.contracts import BadEnvelope, Envelope
from saga_coordinator.contracts import envelope as wire
from saga_coordinator.handlers.records import (
    DeadLetter,
    EarlyEvent,
    Place,
    QueuedRecord,
    Record,
    RecordVerdict,
    Verdict,
)
from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.sagas.machine import address, instance_id
from saga_coordinator.service.storage.queries import (
    InstanceFilter,
    KeptRecord,
    ParkedBehind,
    Queries,
    RecordCursor,
    RecordFilter,
    cursor_of,
)
from saga_coordinator.service.views.text import as_text, parse_place
from saga_coordinator.service.views.values import view

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

MAX_DIGITS: Final = 18
"""How long the number in a cursor is at most: a longer one is no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSummary:
    """A record in a list, its verdict and the reason. `instance` is the one that it is for, if that is known.

    A buffered event is kept `until` a time; what is queued behind a dead letter is kept as long as that.
    """

    place: Place
    at: datetime
    verdict: Verdict
    why: str
    key: str | None
    message_type: str | None
    instance: str | None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPage:
    """A page of a list, and the cursor of the next one, None on the last page."""

    records: tuple[RecordSummary, ...]
    next: str | None


def list_records(
    queries: Queries,
    routes: Routes,
    limit: int,
    *,
    verdict: Verdict | None = None,
    topic: str | None = None,
    key: str | None = None,
    before: str | None = None,
) -> RecordPage:
    """Return a page of records, the newest first; with a `key` those that have it, or are for an instance that has it.

    `before` is the `next` of the page before. Raises `ValueError` if that is none.
    """
    which = replace(
        RecordFilter() if key is None else records_of(routes, key),
        verdict=verdict,
        topic=topic,
        before=None if before is None else read_cursor(before),
    )
    found = queries.records(which, limit + 1)
    page = found[:limit]
    return RecordPage(
        records=summaries(queries, page),
        next=write_cursor(cursor_of(page[-1])) if len(found) > limit else None,
    )


def records_of(routes: Routes, key: str) -> RecordFilter:
    """Return which records have a key, or are for an instance or a receive that has it."""
    return RecordFilter(key=key.encode(), subjects=(*subjects_of(routes, key), key))


def subjects_of(routes: Routes, key: str) -> Mapping[str, AnySaga]:
    """Return the ids and the addresses that belong to a key, and of which saga each is."""
    found = {instance_id(name, key): saga for name, saga in routes.newest.items()}
    for saga in routes.sagas.values():
        found |= {address(saga.name, each.name, key): saga for each in saga.plan.receives if each.expects}
    return found


def summaries(queries: Queries, kept: Sequence[KeptRecord]) -> tuple[RecordSummary, ...]:
    """Return records as they are listed."""
    ids = {cursor_of(each).subject for each in kept}
    there = {row.id for row in queries.instances(InstanceFilter(ids=ids), len(ids))} if ids else set()
    parked = queries.parked({each.instance_id for each in kept if isinstance(each, QueuedRecord)})
    return tuple(_summary(each, there, parked) for each in kept)


def type_of(kept: KeptRecord) -> str | None:
    """Return the type of a record's message, as far as it can be read."""
    if isinstance(kept, RecordVerdict):
        return kept.message_type
    envelope = envelope_of(kept.record)
    return envelope.type if envelope else as_text(dict(kept.record.headers).get("ce_type"))


def envelope_of(record: Record) -> Envelope | None:
    """Return the attributes of a record's message, None if they cannot be read."""
    try:
        return wire.read(record.headers, record.value)[0]
    except BadEnvelope:
        return None


def read_cursor(text: str) -> RecordCursor:
    """Return where a page ended. Raises `ValueError`."""
    at, _, rest = text.partition(":")
    place, _, subject = rest.rpartition(":")
    if not (at.isascii() and at.isdigit() and len(at) < MAX_DIGITS):
        raise ValueError(f"{text!r} is no cursor: take it from the end of the page before")
    return RecordCursor(_EPOCH + int(at) * _MICROSECOND, parse_place(place), subject)


def write_cursor(cursor: RecordCursor) -> str:
    return f"{(cursor.at - _EPOCH) // _MICROSECOND}:{cursor.place}:{cursor.subject}"


def _summary(kept: KeptRecord, there: Collection[str], parked: Mapping[str, ParkedBehind]) -> RecordSummary:
    match kept:
        case EarlyEvent(address=address) if address in there:
            return _of_record(kept, Verdict.BUFFERED, "its instance does not wait for it yet", address)
        case EarlyEvent():
            return _of_record(kept, Verdict.BUFFERED, "no instance waits for it yet", None)
        case QueuedRecord(instance_id=id_):
            behind = f" behind {parked[id_].letter.record.place}" if id_ in parked else ""
            return _of_record(kept, Verdict.BUFFERED, f"its instance is parked{behind}", id_)
        case DeadLetter():
            return _of_record(kept, Verdict.DEAD_LETTERED, kept.cause, kept.instance_id or None)
        case RecordVerdict():
            return view(RecordSummary, kept, why=kept.reason, key=as_text(kept.key), instance=None)


def _of_record(
    kept: EarlyEvent | QueuedRecord | DeadLetter, verdict: Verdict, why: str, instance: str | None
) -> RecordSummary:
    return RecordSummary(
        place=kept.record.place,
        at=kept.at,
        verdict=verdict,
        why=why,
        key=as_text(kept.record.key),
        message_type=type_of(kept),
        instance=instance,
        until=kept.expires_at if isinstance(kept, EarlyEvent) else None,
    )
