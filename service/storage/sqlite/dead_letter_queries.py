"""Questions about what was set aside: dead letters, what is queued behind them, what was done to them."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from saga_coordinator.handlers.records import Actor, Audit, DeadLetter, Place, QueuedRecord
from saga_coordinator.service.storage.sqlite.columns import from_time, to_time
from saga_coordinator.service.storage.sqlite.dead_letters import AT, LETTERS, QUEUED, RECORD, letter, queued, record_of
from saga_coordinator.service.storage.sqlite.queries import Reading

_ORDER: Final = '(at, topic, partition, "offset")'
_AUDIT_RECORD: Final = RECORD.replace("value", "before")
_KNOWN_AT: Final = ("history", "verdict", "held_event", "dead_letter", "parked")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which dead letters: of a topic, of an instance, with a text in their cause, older than another one."""

    topic: str | None = None
    instance_id: str | None = None
    cause: str | None = None
    before: tuple[int, Place] | None = None


class ParkedBehind(NamedTuple):
    """The record that an instance is parked behind, and how many wait behind it."""

    letter: DeadLetter
    waiting: int


def letters(reading: Reading, which: DeadLetterFilter, most: int) -> Sequence[DeadLetter]:
    """Return dead letters, the one that was set aside last first."""
    conditions = ["topic = :topic"] if which.topic is not None else []
    conditions += ["instance_id = :instance_id"] if which.instance_id is not None else []
    conditions += ["instr(cause, :cause) > 0"] if which.cause is not None else []
    at, place = which.before or (0, Place("", 0, 0))
    conditions += [f"{_ORDER} < (:at, :of, :partition, :offset)"] if which.before is not None else []
    named = {"topic": which.topic, "instance_id": which.instance_id, "cause": which.cause, "most": most}
    named |= {"at": at, "of": place.topic, "partition": place.partition, "offset": place.offset}
    condition = " AND ".join(conditions) or "TRUE"
    order = 'at DESC, topic DESC, partition DESC, "offset" DESC, instance_id'
    return [letter(row) for row in reading.ask(f"{LETTERS} WHERE {condition} ORDER BY {order} LIMIT :most", named)]


def cursor(of: DeadLetter) -> tuple[int, Place]:
    """Return what the next page begins before."""
    return from_time(of.at), of.record.place


def letters_at(reading: Reading, place: Place) -> Sequence[DeadLetter]:
    """Return the dead letters of a record, one for each instance for which it failed."""
    return [letter(row) for row in reading.ask(f"{LETTERS} WHERE {AT}", place)]


def queued_at(reading: Reading, place: Place) -> Sequence[QueuedRecord]:
    """Return a record as it is queued, once for each instance that it waits for."""
    return [queued(row) for row in reading.ask(f"{QUEUED} WHERE {AT}", place)]


def queue_of(reading: Reading, id_: str, most: int) -> Sequence[QueuedRecord]:
    """Return what waits for a parked instance, in order."""
    return [queued(row) for row in reading.ask(f"{QUEUED} WHERE instance_id = ? ORDER BY seq LIMIT ?", (id_, most))]


def parked_behind(reading: Reading, ids: Collection[str]) -> Mapping[str, ParkedBehind]:
    """Return those of the instances that are parked, and behind what."""
    named = (json.dumps(sorted(ids)),)
    among = "instance_id IN (SELECT value FROM json_each(?))"
    waiting = reading.ask(f"SELECT instance_id, count(*) FROM parked WHERE {among} GROUP BY 1", named)  # noqa: S608
    counted = {str(id_): int(count) for id_, count in waiting}
    found = [letter(row) for row in reading.ask(f"{LETTERS} WHERE parks = 1 AND {among}", named)]
    return {each.instance_id: ParkedBehind(each, counted.get(each.instance_id, 0)) for each in found}


def audits_at(reading: Reading, place: Place) -> Sequence[Audit]:
    """Return what was done to the dead letters of a record, in order."""
    sql = f"SELECT {_AUDIT_RECORD}, at, who, why, action, cause, instance_id FROM dead_letter_audit WHERE {AT}"  # noqa: S608  own columns
    return [
        Audit(to_time(at), Actor(who, why), action, DeadLetter(record_of(record), to_time(at), cause, instance_id))
        for *record, at, who, why, action, cause, instance_id in reading.ask(f"{sql} ORDER BY number", place)
    ]


def first_known(reading: Reading, topic: str, partition: int) -> int | None:
    """Return the first offset of a partition of which anything is known."""
    each = 'SELECT min("offset") AS first FROM {} WHERE topic = :topic AND partition = :partition'
    sql = f"SELECT min(first) FROM ({' UNION ALL '.join(each.format(table) for table in _KNOWN_AT)})"  # noqa: S608  own tables
    ((first,),) = reading.ask(sql, {"topic": topic, "partition": partition})
    return None if first is None else int(first)
