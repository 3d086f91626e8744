"""What became of a record: its verdicts, the dead letters that it left, and the instances nearest to it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from saga_coordinator.contracts import Failure
from saga_coordinator.handlers.records import (
    Audit,
    DeadLetter,
    EarlyEvent,
    Place,
    QueuedRecord,
    Record,
    RecordVerdict,
    Verdict,
)
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.sagas.machine import Direction, instance_id
from saga_coordinator.service.storage.queries import AwaitsReply, InstanceFilter, InstanceRow, RecordRows
from saga_coordinator.service.views.instance import Reader, load
from saga_coordinator.service.views.pending import describe, pending_commands
from saga_coordinator.service.views.text import as_text, format_time
from saga_coordinator.service.views.values import view

MAX_CANDIDATES: Final = 5
MAX_QUEUED: Final = 10_000
"""How far into a queue it is known which record is directly before another."""

NOT_PROCESSED: Final = "not processed yet"
NOT_READ: Final = "not read"
NO_RECORD: Final = "no record"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """The content of a record as text. Bytes that are not UTF-8 are escaped."""

    key: str | None
    headers: Sequence[tuple[str, str | None]]
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An instance that a record concerns, or may have been meant for."""

    id: str
    saga: str
    key: str
    status: str
    waits_for: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordExplanation:
    """What became of a record. `verdict` is one of the six, or says why there is none. `audit` is what people did."""

    place: Place
    verdict: str
    reason: str
    at: datetime | None = None
    message_id: str | None = None
    message_type: str | None = None
    instances: Sequence[str] = ()
    audit: Sequence[str] = ()
    candidates: Sequence[Candidate] = ()
    record: RecordView | None = None


def explain_record(reader: Reader, place: Place, now: datetime) -> Sequence[RecordExplanation]:
    """Return what became of a record: one explanation for each instance that it concerned, at least one."""
    rows = reader.queries.record(place)
    audit = [describe_audit(each) for each in rows.audits]
    found = tuple(_from_rows(reader, place, rows, now)) or (_without_verdict(reader, place),)
    return tuple(replace(each, audit=audit) for each in found)


def describe_audit(audit: Audit) -> str:
    return f"{audit.action} by {audit.by.who} at {format_time(audit.at)}: {audit.by.reason}"


def record_view(record: Record) -> RecordView:
    headers = [(name, as_text(value)) for name, value in record.headers]
    return RecordView(key=as_text(record.key), headers=headers, value=as_text(record.value))


def _from_rows(reader: Reader, place: Place, rows: RecordRows, now: datetime) -> Iterator[RecordExplanation]:
    for entry in rows.entries:
        reason = entry.reason or f"entry {entry.seq} of the history of instance {entry.instance_id}"
        found = _candidates(reader, _by_id(reader, entry.instance_id), now)
        yield view(
            RecordExplanation, entry, place=place, reason=reason, instances=[entry.instance_id], candidates=found
        )
    for early in rows.early:
        instances = _by_id(reader, early.address)
        why = f"instance {early.address} does not wait" if instances else f"no instance waits at {early.address}"
        reason = f"{why} for it yet; it is kept until {format_time(early.expires_at)}"
        candidates = instances or _by_key(reader, early.record)
        yield _kept(early, Verdict.BUFFERED, reason, [early.address], _candidates(reader, candidates, now))
    for queued in rows.queued:
        candidates = _by_id(reader, queued.instance_id)
        reason = _why_queued(reader, queued)
        yield _kept(queued, Verdict.BUFFERED, reason, [queued.instance_id], _candidates(reader, candidates, now))
    for letter in rows.dead_letters:
        instances = _by_id(reader, letter.instance_id)
        parks = f"; instance {letter.instance_id} is parked behind it: saga dead-letters show {place}"
        reason = letter.cause + (parks if letter.parks else "")
        candidates = instances or _by_key(reader, letter.record)
        ids = [each.id for each in instances]
        yield _kept(letter, Verdict.DEAD_LETTERED, reason, ids, _candidates(reader, candidates, now))
    if rows.verdict:
        found = _candidates(reader, _awaiting(reader, rows.verdict), now)
        yield view(RecordExplanation, rows.verdict, candidates=found)


def _kept(
    of: EarlyEvent | QueuedRecord | DeadLetter,
    verdict: Verdict,
    reason: str,
    instances: Sequence[str],
    candidates: Sequence[Candidate],
) -> RecordExplanation:
    return RecordExplanation(
        place=of.record.place,
        verdict=verdict,
        reason=reason,
        at=of.at,
        instances=instances,
        candidates=candidates,
        record=record_view(of.record),
    )


def _why_queued(reader: Reader, queued: QueuedRecord) -> str:
    id_ = queued.instance_id
    parked = reader.queries.parked([id_]).get(id_)
    before = [each.record.place for each in reader.queries.queue(id_, MAX_QUEUED) if each.seq < queued.seq]
    behind = f" behind {parked.letter.record.place} ({parked.letter.cause})" if parked else ""
    direct = f", directly behind {before[-1]}" if before else ""
    return f"instance {id_} is parked{behind}; this record is queued for it{direct}"


# --- the nearest instances


def _candidates(reader: Reader, rows: Sequence[InstanceRow], now: datetime) -> Sequence[Candidate]:
    return [
        Candidate(id=row.id, saga=row.saga, key=row.key, status=row.status, waits_for=tuple(_waits(reader, row, now)))
        for row in rows
    ]


def _waits(reader: Reader, row: InstanceRow, now: datetime) -> Iterator[str]:
    instance = load(reader, row)
    yield from (describe(each, now) for each in (pending_commands(instance) if instance else ()))


def _by_id(reader: Reader, *ids: str) -> Sequence[InstanceRow]:
    return reader.queries.instances(InstanceFilter(ids=ids), len(ids))


def _by_key(reader: Reader, record: Record) -> Sequence[InstanceRow]:
    key = (record.key or b"").decode(errors="replace")
    return _by_id(reader, *(instance_id(name, key) for name in reader.routes.newest)) if key else ()


def _awaiting(reader: Reader, verdict: RecordVerdict) -> Sequence[InstanceRow]:
    """Return the live instances that a reply of this type could have been for."""
    commands = set(_commands_answered_with(reader.routes, verdict.message_type or ""))
    if not commands or verdict.place.topic_name != reader.routes.names.replies:
        return ()
    which = InstanceFilter(awaits=AwaitsReply(commands, verdict.at))
    return reader.queries.instances(which, MAX_CANDIDATES)


def _commands_answered_with(routes: Routes, message_type: str) -> Iterator[str]:
    """Yield the steps and directions whose command is answered with this type; a failure may answer any."""
    for saga in routes.sagas.values():
        for name, plan in saga.plan.steps.items():
            for direction, command in ((Direction.FORWARD, plan.command), (Direction.COMPENSATION, plan.undo)):
                if command and message_type in {command.reply.message_type, Failure.message_type}:
                    yield f"{name}/{direction}"


# --- records without a verdict


def _without_verdict(reader: Reader, place: Place) -> RecordExplanation:
    partitions = {each.partition: each for each in reader.queries.partitions(place.topic)}
    known = partitions.get(place.partition)
    if known is None:
        reason = _not_read(reader.routes, place, list(partitions))
        return RecordExplanation(place=place, verdict=NOT_READ, reason=reason)
    first, following = known.first_offset, known.next_offset
    if following is None or place.offset >= following:
        reason = f"the partition is processed up to {following or 'nothing yet'}: the record, if there is one, follows"
        return RecordExplanation(place=place, verdict=NOT_PROCESSED, reason=reason)
    if first is not None and place.offset < first:
        reason = (
            f"the first record that was read here of this partition is {first}: earlier ones were deleted by the "
            "topic's retention, or were processed into another database"
        )
        return RecordExplanation(place=place, verdict=NO_RECORD, reason=reason)
    return RecordExplanation(place=place, verdict=Verdict.IGNORED, reason=_ignored(reader.routes, place, following))


def _ignored(routes: Routes, place: Place, following: int) -> str:
    """Return why nothing is stored of a record that was processed."""
    wanted = f"wanted on {place.topic} are {', '.join(routes.known_on(place.topic))}"
    other = "" if place.topic == routes.names.replies else f"has a type that no saga wants ({wanted}), or "
    return (
        f"the partition is processed up to {following}, and nothing is stored of this offset: its record {other}"
        "is a tombstone; or it has no record, because it is a transaction's marker or was compacted away before it was "
        "read"
    )


def _not_read(routes: Routes, place: Place, known: Sequence[int]) -> str:
    topic = place.topic
    if topic != place.topic_name:
        return f"nothing is stored of this record of {place.topic_name}, as it was before it was created again"
    if topic not in routes.topics_in:
        if topic in routes.topics_out:
            return f"this coordinator writes {topic} and does not read it"
        return f"no saga of the catalog reads {topic}: it reads {', '.join(sorted(routes.topics_in))}"
    if known:
        return f"of {topic} this database has partitions {known}, not {place.partition}"
    return f"nothing of {topic} was ever read into this database: has `saga serve` run?"
