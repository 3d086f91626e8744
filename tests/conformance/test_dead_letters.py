"""What any store keeps of dead letters, buffered records and the audit, byte for byte."""

from dataclasses import replace
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Actor, Audit, Changes, DeadLetter, DeadLetterQueue, Place, QueuedRecord
from tests.conformance._support.stores import TIME, Kind, OpenStore, dead, record

NOWHERE = Place("", -1, -1)
OLGA = Actor("olga", 'it\'s "corrected"')


def parking(offset: int, id_: str) -> DeadLetter:
    """A record that an instance is parked behind."""
    return replace(dead(offset), instance_id=id_, parks=True)


def waiting(offset: int, id_: str, seq: int = 0) -> QueuedRecord:
    """A record that waits for a parked instance."""
    return QueuedRecord(seq, id_, record(offset)._replace(timestamp_type=1), TIME)


async def found(store: OpenStore, place: Place, *ids: str) -> DeadLetterQueue:
    return await store.transact(lambda tx: tx.load_dead_letters(place, ids))


async def test_dead_letters_are_read_again_whole_by_place_and_by_instance(store: OpenStore) -> None:
    letters = [dead(1), parking(2, "i-1"), parking(2, "i-2"), replace(dead(3), instance_id="i-1")]
    await store.transact(lambda tx: tx.save(Changes(dead_letters=letters)))
    at_two = await found(store, letters[1].record.place)
    assert sorted(at_two.letters, key=lambda each: each.instance_id) == letters[1:3]
    assert (await found(store, letters[0].record.place)).letters == [letters[0]]
    assert (await found(store, NOWHERE, "i-1", "nobody")).letters == [letters[1], letters[3]]
    assert (await found(store, NOWHERE)).letters == []


async def test_a_queue_is_read_in_the_order_in_which_it_was_written(store: OpenStore) -> None:
    await store.transact(lambda tx: tx.save(Changes(queued=[waiting(9, "i-1"), waiting(2, "i-2")])))
    await store.transact(lambda tx: tx.save(Changes(queued=[waiting(3, "i-1"), waiting(2, "i-1")])))
    queue = (await found(store, NOWHERE, "i-1")).queued
    assert [each._replace(seq=0) for each in queue] == [waiting(9, "i-1"), waiting(3, "i-1"), waiting(2, "i-1")]
    assert [each.instance_id for each in (await found(store, record(2).place)).queued] == ["i-2", "i-1"]

    await store.transact(lambda tx: tx.save(Changes(dequeued=list(queue[:2]))))
    await store.transact(lambda tx: tx.save(Changes(queued=[waiting(4, "i-1")])))
    assert [each.record.place.offset for each in (await found(store, NOWHERE, "i-1")).queued] == [2, 4]


async def test_a_record_is_queued_once_for_an_instance(store: OpenStore) -> None:
    for _ in range(2):
        await store.transact(lambda tx: tx.save(Changes(queued=[waiting(1, "i-1")])))
    assert len((await found(store, NOWHERE, "i-1")).queued) == 1


async def test_an_instance_has_one_head(store: OpenStore) -> None:
    await store.transact(lambda tx: tx.save(Changes(dead_letters=[parking(1, "i-1")])))
    with pytest.raises(Exception, match=r"(?i)unique"):
        await store.transact(lambda tx: tx.save(Changes(dead_letters=[parking(2, "i-1")])))
    await store.transact(lambda tx: tx.save(Changes(resolved=[parking(1, "i-1")], dead_letters=[parking(2, "i-1")])))
    assert (await found(store, NOWHERE, "i-1")).letters == [parking(2, "i-1")]


async def test_a_dead_letter_gets_another_value_and_cause_and_keeps_the_rest(store: OpenStore) -> None:
    letter = parking(1, "i-1")
    other = replace(letter, record=letter.record._replace(value=None), cause="another")
    await store.transact(lambda tx: tx.save(Changes(dead_letters=[letter, dead(1)])))
    await store.transact(lambda tx: tx.save(Changes(edited=[other])))
    assert (await found(store, NOWHERE, "i-1")).letters == [other]
    assert dead(1) in (await found(store, letter.record.place)).letters


async def test_the_audit_keeps_every_byte(store: OpenStore, kind: Kind, tmp_path: Path) -> None:
    audit = Audit(TIME, OLGA, "edited", parking(1, "i-1"))
    await store.transact(lambda tx: tx.save(Changes(audits=[audit])))
    rows = kind.look(
        tmp_path,
        'SELECT who, why, action, topic, partition, "offset", key, before, cause, instance_id FROM dead_letter_audit',
    )
    kept = audit.letter.record
    assert rows == [(*OLGA, "edited", *kept.place, kept.key, kept.value, "it is no JSON", "i-1")]
