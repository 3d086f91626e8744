"""`saga explain`: what became of one record, why, and which instances come nearest to it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

import typer

from saga_coordinator.handlers.records import DeadLetter, EarlyEvent, Entry, Place, QueuedRecord, Record, RecordVerdict
from saga_coordinator.handlers.routing import REPLIES, Routes
from saga_coordinator.sagas.machine import instance_id
from saga_coordinator.service.cli.console import as_json, plain, say, stamp, table
from saga_coordinator.service.cli.looking import Look, known, looking
from saga_coordinator.service.cli.parking import describe_audit, place_in_queue
from saga_coordinator.service.cli.waiting import told as describe_wait
from saga_coordinator.service.cli.waiting import waits
from saga_coordinator.service.kafka.admin import topic_purposes
from saga_coordinator.service.storage.sqlite.dead_letter_queries import (
    audits_at,
    first_known,
    letters_at,
    parked_behind,
    queue_of,
    queued_at,
)
from saga_coordinator.service.storage.sqlite.queries import InstanceRow, Reading

PLACE: Final = re.compile(r"([\w.-]{1,249}):(\d{1,10}):(\d{1,18})", re.ASCII)
MAX_CANDIDATES: Final = 5
MAX_QUEUED: Final = 10_000
"""How far in a queue it is told what stands directly before a record."""

MAX_SHOWN: Final = 2_000
"""Bytes of a dead letter that are shown to people; JSON has all of it."""

NOT_PROCESSED: Final = "not processed yet"
NOT_READ: Final = "not read"
NO_RECORD: Final = "no record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What became of a record. `verdict` is one of the six, or says why there is none. `audit` is what people did."""

    place: Place
    verdict: str
    reason: str
    at: datetime | None = None
    message_id: str | None = None
    message_type: str | None = None
    instances: Sequence[str] = ()
    candidates: Sequence[InstanceRow] = ()
    record: dict[str, object] = field(default_factory=dict)
    audit: Sequence[str] = ()


def explain(*, place: str, as_json_: bool) -> None:
    """Print what became of the record at TOPIC:PARTITION:OFFSET."""
    wanted = parse_place(place)
    with looking() as look:
        audit = [describe_audit(each) for each in audits_at(look.reading, wanted)]
        told = [replace(each, audit=audit) for each in explanations(look, wanted)] or [_without_verdict(look, wanted)]
        waiting = {row.id: _waiting(look, row) for each in told for row in each.candidates}
    if as_json_:
        as_json([_told(each, waiting) for each in told])
        return
    for each in told:
        _print(each, waiting)


def parse_place(text: str) -> Place:
    """Read TOPIC:PARTITION:OFFSET; end with 2 if it is none."""
    parts = PLACE.fullmatch(text)
    if parts is None:
        raise typer.BadParameter(f"{text!r} is no place: write TOPIC:PARTITION:OFFSET, such as orders.events.v1:0:17")
    topic, partition, offset = parts.groups()
    return Place(topic, int(partition), int(offset))


def explanations(look: Look, place: Place) -> Iterator[Explanation]:
    """Yield what the store knows of a record: more than one if it concerned several instances."""
    for entry in look.reading.entries_at(place):
        yield _of_entry(look.reading, place, entry)
    for held in look.reading.buffered_at(place):
        yield _of_held(look, held)
    for queued in queued_at(look.reading, place):
        yield _of_queued(look, queued)
    for letter in letters_at(look.reading, place):
        yield _of_dead_letter(look, letter)
    if ruling := look.reading.verdict_at(place):
        yield _of_ruling(look, ruling)


def _of_entry(reading: Reading, place: Place, entry: Entry) -> Explanation:
    return Explanation(
        place=place,
        verdict=entry.verdict,
        reason=entry.reason or f"entry {entry.seq} of the history of instance {entry.instance_id}",
        at=entry.at,
        message_id=entry.message_id,
        message_type=entry.message_type,
        instances=(entry.instance_id,),
        candidates=reading.instances_by_id([entry.instance_id]),
    )


def _of_held(look: Look, held: EarlyEvent) -> Explanation:
    rows = look.reading.instances_by_id([held.address])
    why = f"instance {held.address} does not wait for it yet" if rows else f"nobody awaits it at {held.address} yet"
    reason = f"{why}; it is kept until {stamp(held.expires_at)}"
    return Explanation(
        place=held.record.place,
        verdict="buffered",
        reason=reason,
        at=held.at,
        instances=(held.address,),
        candidates=rows or _of_key(look, held.record.key),
        record=_shown(held),
    )


def _of_queued(look: Look, queued: QueuedRecord) -> Explanation:
    id_ = queued.instance_id
    head, queue = parked_behind(look.reading, [id_]).get(id_), queue_of(look.reading, id_, MAX_QUEUED)
    return Explanation(
        place=queued.record.place,
        verdict="buffered",
        reason=place_in_queue(queued, head, queue),
        at=queued.at,
        instances=(id_,),
        candidates=look.reading.instances_by_id([id_]),
        record=_shown(queued),
    )


def _of_dead_letter(look: Look, letter: DeadLetter) -> Explanation:
    id_ = letter.instance_id
    rows = look.reading.instances_by_id([id_]) if id_ else ()
    parks = f"; instance {id_} is parked behind it: saga dead-letters show {letter.record.place}"
    return Explanation(
        place=letter.record.place,
        verdict="dead-lettered",
        reason=letter.cause + (parks if letter.parks else ""),
        at=letter.at,
        instances=[row.id for row in rows],
        candidates=rows or _of_key(look, letter.record.key),
        record=_shown(letter),
    )


def _of_ruling(look: Look, ruling: RecordVerdict) -> Explanation:
    return Explanation(
        place=ruling.place,
        verdict=ruling.verdict,
        reason=ruling.reason,
        at=ruling.at,
        message_id=ruling.message_id,
        message_type=ruling.message_type,
        candidates=_awaiting(look, ruling),
    )


# --- the nearest candidates


def _of_key(look: Look, key: bytes | None) -> Sequence[InstanceRow]:
    """Return the instances whose business key is the record's key."""
    text = (key or b"").decode(errors="replace")
    ids = [instance_id(name, text) for name in look.routes.newest]
    return look.reading.instances_by_id(ids) if text else ()


def _awaiting(look: Look, ruling: RecordVerdict) -> Sequence[InstanceRow]:
    """Return the live instances that a reply of this type could have been for."""
    command_states = set(_commands_answered_with(look.routes, ruling.message_type or ""))
    return (
        look.reading.awaiting(command_states, ruling.at, MAX_CANDIDATES)
        if command_states and ruling.place.topic == REPLIES
        else ()
    )


def _commands_answered_with(routes: Routes, message_type: str) -> Iterator[str]:
    """Yield the steps and directions whose command is answered with this type; a failure may answer any."""
    for saga in routes.sagas.values():
        for name, step_plan in saga.plan.steps.items():
            for direction, command in (("forward", step_plan.command), ("compensation", step_plan.undo)):
                if command and message_type in {command.reply.message_type, "saga.failure.v1"}:
                    yield f"{name}/{direction}"


# --- records that have no verdict


def _without_verdict(look: Look, place: Place) -> Explanation:
    """Say why nothing is known of a record."""
    leases = {lease.partition: lease for lease in look.reading.leases(place.topic)}
    lease = leases.get(place.partition)
    if lease is None:
        return Explanation(place=place, verdict=NOT_READ, reason=_not_read(look.routes, place, sorted(leases)))
    if lease.next_offset is None or place.offset >= lease.next_offset:
        reason = f"the partition is done up to {lease.next_offset or 'nothing yet'}: this record, if it is there, comes"
        return Explanation(place=place, verdict=NOT_PROCESSED, reason=reason)
    first = first_known(look.reading, place.topic, place.partition)
    if first is not None and place.offset < first:
        reason = (
            f"the first record that was read here of this partition is {first}: what came before had been deleted by"
            " the topic's retention, or was done into another database"
        )
        return Explanation(place=place, verdict=NO_RECORD, reason=reason)
    reason = (
        f"the partition is done up to {lease.next_offset} and nothing was read at this offset: "
        "it is a transaction's marker, or was compacted away before it was read"
    )
    return Explanation(place=place, verdict=NO_RECORD, reason=reason)


def _not_read(routes: Routes, place: Place, leased: Sequence[int]) -> str:
    purpose = topic_purposes(routes).get(place.topic, "")
    if purpose.endswith("out"):
        return f"this coordinator writes {place.topic} ({purpose}) and does not read it"
    if not purpose:
        return f"no saga of the catalog reads {place.topic}: it reads {', '.join(sorted(routes.topics_in))}"
    if leased:
        return f"of {place.topic} this database has partitions {leased}, not {place.partition}"
    return f"nothing of {place.topic} was ever read into this database: has `saga serve` run?"


# --- output


def _waiting(look: Look, row: InstanceRow) -> list[str]:
    """Say what an instance waits for."""
    instance, now = known(look, row), datetime.now(UTC)
    return [describe_wait(wait, now) for wait in waits(instance)] if instance else []


def _print(told: Explanation, waiting: Mapping[str, Sequence[str]]) -> None:
    kind = f" {told.message_type}" if told.message_type else ""
    at = f" at {stamp(told.at)}" if told.at else ""
    say(f"{told.place}{kind}: {told.verdict}{at}")
    say(told.reason)
    for line in told.audit:
        say(f"  {line}")
    for name, value in told.record.items():
        say(f"  {name}: {str(value)[:MAX_SHOWN]}")
    if told.candidates:
        say("\nits instance" if set(told.instances) >= {row.id for row in told.candidates} else "\nnearest instances")
        rows = [(row.key, row.saga, row.status, "; ".join(waiting[row.id]), row.id) for row in told.candidates]
        table(("key", "saga", "status", "waits for", "id"), rows)


def _shown(of: EarlyEvent | DeadLetter | QueuedRecord) -> dict[str, object]:
    return shown(of.record)


def shown(record: Record) -> dict[str, object]:
    """Return what a record says, for people and for JSON."""
    return {
        "key": _text(record.key),
        "headers": [[name, _text(value)] for name, value in record.headers],
        "value": _text(record.value),
    }


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else plain(raw.decode(errors="backslashreplace"))


def _told(told: Explanation, waiting: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {
        "place": str(told.place),
        "verdict": told.verdict,
        "reason": told.reason,
        "at": told.at,
        "message_id": told.message_id,
        "message_type": told.message_type,
        "instances": list(told.instances),
        "audit": list(told.audit),
        "candidates": [
            {"id": row.id, "saga": row.saga, "key": row.key, "status": row.status, "waits_for": waiting[row.id]}
            for row in told.candidates
        ],
        "record": told.record or None,
    }
