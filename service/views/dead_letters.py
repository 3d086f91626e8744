"""Dead letters as they are listed and shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from saga_coordinator.handlers.records import Audit, DeadLetter, Place
from saga_coordinator.service.storage.queries import (
    DeadLetterFilter,
    ParkedBehind,
    Queries,
    RecordRows,
    cursor_of,
)
from saga_coordinator.service.views.record import RecordView, describe_audit, record_view
from saga_coordinator.service.views.records import read_cursor, write_cursor
from saga_coordinator.service.views.values import view

MAX_QUEUED: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterSummary:
    """A dead letter in a list. With `parks` its instance is parked behind it, with so many records `waiting`."""

    place: Place
    at: datetime
    cause: str
    instance: str | None
    parks: bool
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterPage:
    """A page of a list, and the cursor of the next one, None on the last page."""

    dead_letters: tuple[DeadLetterSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """What somebody did to a dead letter, with the value and the cause that it had before."""

    at: datetime
    who: str
    reason: str
    action: str
    value: str | None
    cause: str
    summary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterDetail:
    """A dead letter whole: its record, what was done to it, and the records that wait behind it."""

    place: Place
    at: datetime
    cause: str
    instance: str | None
    parks: bool
    record: RecordView
    audit: tuple[AuditEntry, ...]
    queue: tuple[Place, ...]


def list_dead_letters(
    queries: Queries,
    limit: int,
    *,
    topic: str | None = None,
    instance: str | None = None,
    cause: str | None = None,
    before: str | None = None,
) -> DeadLetterPage:
    """Return a page of dead letters, the newest first.

    `cause` is a text in their cause, and `before` the `next` of the page before. Raises `ValueError` if that is none.
    """
    cursor = None if before is None else read_cursor(before)
    which = DeadLetterFilter(topic=topic, instance_id=instance, cause=cause, before=cursor)
    found = queries.dead_letters(which, limit + 1)
    page = found[:limit]
    parked = queries.parked({each.instance_id for each in page if each.parks})
    return DeadLetterPage(
        dead_letters=tuple(_summary(each, parked) for each in page),
        next=write_cursor(cursor_of(page[-1])) if len(found) > limit else None,
    )


def show_dead_letters(queries: Queries, place: Place) -> Sequence[DeadLetterDetail]:
    """Return the dead letters of a record, one for each instance for which it failed. Raises `LookupError`."""
    rows = queries.record(place)
    if not rows.dead_letters:
        raise LookupError(_why_none(place, rows))
    audit = tuple(_audit(each) for each in rows.audits)
    return [_detail(queries, each, audit) for each in rows.dead_letters]


def choose(queries: Queries, instance: str | None, cause: str | None, limit: int) -> Sequence[Place]:
    """Return the records with this text in their cause, the oldest first.

    Without one, return the record that an instance is parked behind, or all that failed for it if it is not parked.
    """
    if cause is None and instance is not None and (parked := queries.parked([instance]).get(instance)):
        return [parked.letter.record.place]
    found = queries.dead_letters(DeadLetterFilter(instance_id=instance, cause=cause), limit)
    return list(dict.fromkeys(each.record.place for each in reversed(found)))


def value_of(queries: Queries, place: Place) -> bytes | None:
    """Return the value of a dead-lettered record, None if there is none."""
    return next((each.record.value for each in queries.record(place).dead_letters), None)


def _summary(letter: DeadLetter, parked: Mapping[str, ParkedBehind]) -> DeadLetterSummary:
    head = parked.get(letter.instance_id) if letter.parks else None
    return view(
        DeadLetterSummary,
        letter,
        place=letter.record.place,
        instance=letter.instance_id or None,
        waiting=head.waiting if head else 0,
    )


def _detail(queries: Queries, letter: DeadLetter, audit: tuple[AuditEntry, ...]) -> DeadLetterDetail:
    queue = queries.queue(letter.instance_id, MAX_QUEUED) if letter.parks else ()
    return view(
        DeadLetterDetail,
        letter,
        place=letter.record.place,
        instance=letter.instance_id or None,
        record=record_view(letter.record),
        audit=audit,
        queue=tuple(each.record.place for each in queue),
    )


def _audit(audit: Audit) -> AuditEntry:
    return view(
        AuditEntry,
        audit,
        who=audit.by.who,
        reason=audit.by.reason,
        value=record_view(audit.letter.record).value,
        cause=audit.letter.cause,
        summary=describe_audit(audit),
    )


def _why_none(place: Place, rows: RecordRows) -> str:
    """Return why a record is no dead letter, as far as that is known."""
    if rows.queued:
        return f"{place} is queued for instance {rows.queued[0].instance_id}: `saga explain {place}` says behind what"
    done = f" ({describe_audit(rows.audits[-1])})" if rows.audits else ""
    return f"{place} is no dead letter{done}: `saga explain {place}` says what became of it"
