"""Why an instance is where it is; or why a key has no instance: what became of its records."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from saga_coordinator.handlers.records import DeadLetter, EarlyEvent, QueuedRecord, RecordVerdict
from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.sagas.machine import Status, instance_id
from saga_coordinator.service.storage.queries import KeptRecord
from saga_coordinator.service.views.instance import Reader, matching, no_instance, only, show_instance
from saga_coordinator.service.views.records import RecordSummary, records_of, subjects_of, summaries, type_of
from saga_coordinator.service.views.text import format_ago, format_list, format_time
from saga_coordinator.service.views.values import view

MAX_RECORDS: Final = 6
"""How many records of a key are explained one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why an instance is where it is, in sentences; `id` and `status` are None if the key has no instance.

    `records` have the key, or are for it, and have reached no instance.
    """

    id: str | None
    status: Status | None
    why: str
    sentences: tuple[str, ...]
    records: tuple[RecordSummary, ...]


def explain_key(reader: Reader, wanted: str, saga: str | None, history: int, now: datetime) -> Explanation:
    """Explain the instance of an id or a business key, or why there is none.

    Raises `LookupError` if nothing at all is stored of the key, or if it is that of several instances.
    """
    if rows := matching(reader, wanted, saga):
        return view(Explanation, show_instance(reader, only(rows, wanted), history, now))
    kept = reader.queries.records(records_of(reader.routes, wanted), MAX_RECORDS + 1)
    if not kept:
        raise LookupError(no_instance(reader, wanted, saga))
    sentences = tuple(_sentences(reader, wanted, saga, kept, now))
    records = summaries(reader.queries, kept[:MAX_RECORDS])
    return Explanation(id=None, status=None, why=" ".join(sentences), sentences=sentences, records=records)


def _sentences(
    reader: Reader, wanted: str, saga: str | None, kept: Sequence[KeptRecord], now: datetime
) -> Iterator[str]:
    sagas = [saga] if saga else sorted(reader.routes.newest)
    yield f"No instance of {format_list(sagas, 'or')} has the key {wanted}."
    subjects = subjects_of(reader.routes, wanted)
    for each in kept[:MAX_RECORDS]:
        yield from _explain(reader, each, subjects, now)
    if len(kept) > MAX_RECORDS:
        yield f"There are more records: `saga records ls --key {shlex.quote(wanted)}`."
    yield from _missing_starts(reader.routes, wanted, kept, subjects)


def _explain(reader: Reader, kept: KeptRecord, subjects: Mapping[str, AnySaga], now: datetime) -> Iterator[str]:
    """Say what became of a record, why, and what can be done."""
    type_ = type_of(kept) or "A record that cannot be read"
    match kept:
        case EarlyEvent(record=record):
            until = format_time(kept.expires_at)
            since = format_ago(kept.at, now)
            yield f"{type_} ({record.place}) has been buffered since {since}: it came before its instance."
            saga = subjects.get(kept.address)
            whose = f"an instance of {saga.name}" if saga else "an instance"
            yield f"It is applied as soon as {whose} takes it, until {until}; after that it is unmatched."
        case QueuedRecord(record=record):
            head = reader.queries.parked([kept.instance_id]).get(kept.instance_id)
            behind = f" behind {head.letter.record.place}" if head else ""
            yield f"{type_} ({record.place}) has been queued{behind} since {format_ago(kept.at, now)}."
        case DeadLetter(record=record):
            cause = kept.cause.rstrip(".")
            yield f"{type_} ({record.place}) came {format_ago(kept.at, now)} and is dead-lettered: {cause}."
            yield f"See `saga dead-letters show {record.place}`; `saga dead-letters redrive` decides it again."
        case RecordVerdict():
            reason = kept.reason.rstrip(".")
            yield f"{type_} ({kept.place}) came {format_ago(kept.at, now)} and is {kept.verdict}: {reason}."
            yield "It is not decided again: publish it again if it is still wanted."


def _missing_starts(
    routes: Routes, wanted: str, kept: Sequence[KeptRecord], subjects: Mapping[str, AnySaga]
) -> Iterator[str]:
    """Say which start is not among the records, for each saga that something is buffered for."""
    known = {type_of(each) for each in kept}
    buffered = [subjects.get(each.address) for each in kept if isinstance(each, EarlyEvent)]
    for saga in {each.name: each for each in buffered if each}.values():
        start = routes.newest[saga.name].starts_on
        if start.message_type not in known and instance_id(saga.name, wanted) in subjects:
            yield f"Nothing is stored of {start.message_type} with this key: was it published to {start.topic}?"
