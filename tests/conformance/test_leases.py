"""The leases of any store fence: they move by compare-and-set, and never back."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import (
    Actor,
    Changes,
    DeadLetter,
    Lease,
    LeaseMove,
    PartitionOfTopic,
    Place,
    SetPosition,
)
from tests.conformance._support.stores import (
    Kind,
    OpenStore,
    begun,
    dead,
    entry,
    held,
    known,
    record,
    ruling,
    starts,
)


async def moved(store: OpenStore, *moves: LeaseMove) -> Sequence[Lease]:
    return await store.transact(lambda tx: tx.advance(moves))


async def test_a_partition_that_was_never_taken_starts_in_epoch_1_with_nothing_done(store: OpenStore) -> None:
    assert await store.acquire("t", 0, "me") == Lease("t", 0, 1, None)


async def test_taking_raises_the_epoch_and_keeps_the_offset_i25(store: OpenStore) -> None:
    await store.acquire("t", 0, "me")
    await moved(store, LeaseMove("t", 0, 1, None, 7))
    assert await store.acquire("t", 0, "you") == Lease("t", 0, 2, 7)
    assert await store.acquire("t", 0, "me") == Lease("t", 0, 3, 7)
    assert await store.acquire("t", 1, "me") == Lease("t", 1, 1, None)


async def test_a_lease_moves_from_where_it_is_expected(store: OpenStore) -> None:
    await store.acquire("t", 0, "me")
    assert await moved(store, LeaseMove("t", 0, 1, None, 5)) == []
    assert await moved(store, LeaseMove("t", 0, 1, 5, 9)) == []
    assert await store.acquire("t", 0, "me") == Lease("t", 0, 2, 9)


@pytest.mark.parametrize(
    ("act", "why"),
    [
        (LeaseMove("t", 0, 1, 5, 9), "an older epoch"),
        (LeaseMove("t", 0, 3, 5, 9), "an epoch that never was"),
        (LeaseMove("t", 0, 2, None, 9), "nothing done is expected"),
        (LeaseMove("t", 0, 2, 4, 9), "a lower offset is expected"),
        (LeaseMove("t", 0, 2, 6, 9), "a higher offset is expected"),
        (LeaseMove("t", 0, 2, 0, 5), "it stands ahead, where the move would bring it: those records are done"),
        (LeaseMove("t", 0, 2, 0, 3), "it stands beyond"),
        (LeaseMove("t", 0, 2, 5, 4), "it would go back"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
async def test_a_move_that_does_not_match_changes_nothing_and_returns_the_lease_i25(
    store: OpenStore, act: LeaseMove, why: str
) -> None:
    await store.acquire("t", 0, "me")
    await moved(store, LeaseMove("t", 0, 1, None, 5))
    await store.acquire("t", 0, "me")
    assert await moved(store, act) == [Lease("t", 0, 2, 5)], why
    assert await store.acquire("t", 0, "me") == Lease("t", 0, 3, 5)


async def test_a_lease_that_was_never_acquired_has_epoch_0(store: OpenStore) -> None:
    assert await moved(store, LeaseMove("t", 0, 1, None, 5)) == [Lease("t", 0, 0, None)]


async def test_of_several_moves_only_the_misses_are_returned_i25(store: OpenStore) -> None:
    for partition in range(3):
        await store.acquire("t", partition, "me")
    await store.acquire("t", 1, "you")
    moves = [LeaseMove("t", partition, 1, None, 5) for partition in range(3)]
    assert await moved(store, *moves) == [Lease("t", 1, 2, None)]


async def test_a_transaction_that_is_rolled_back_moves_no_lease_i24(store: OpenStore) -> None:
    async def work(tx: Transaction) -> None:
        assert await tx.advance([LeaseMove("t", 0, 1, None, 5)]) == []
        raise LookupError("on purpose")

    await store.acquire("t", 0, "me")
    with pytest.raises(LookupError, match="on purpose"):
        await store.transact(work)
    assert await store.acquire("t", 0, "me") == Lease("t", 0, 2, None)


async def test_no_move_changes_nothing(store: OpenStore) -> None:
    assert await moved(store) == []


async def test_all_leases_are_returned(store: OpenStore) -> None:
    assert await store.leases() == []
    for number in (1, 0):
        await store.acquire("t", number, "me")
    await store.acquire("t", 1, "you")
    await moved(store, LeaseMove("t", 0, 1, None, 5))
    assert await store.leases() == [Lease("t", 0, 1, 5), Lease("t", 1, 2, None)]


async def test_a_database_has_an_id_that_it_keeps_and_no_other_has(
    store: OpenStore, kind: Kind, tmp_path: Path
) -> None:
    identity = await store.identity()
    assert (UUID(identity.id).version, identity.cluster_id) == (4, None)
    await store.close()
    again, other = kind.new(tmp_path, known), kind.new(tmp_path / "other", known)
    (tmp_path / "other").mkdir()
    await again.open()
    await other.open()
    try:
        assert await again.identity() == identity
        assert await other.identity() != identity
    finally:
        await again.close()
        await other.close()


async def test_partitions_of_a_new_topic_are_registered_once_and_not_acquired(store: OpenStore) -> None:
    await store.register("cluster-1", [PartitionOfTopic("t", 0, "id-1"), PartitionOfTopic("t", 1, "id-1")])
    await store.acquire("t", 1, "me", start=5, topic_id="id-2")
    await store.register("cluster-2", [PartitionOfTopic("t", 1, "id-3")])
    assert await store.leases() == [Lease("t", 0, 0, None, "id-1"), Lease("t", 1, 1, 5, "id-1")]
    assert (await store.identity()).cluster_id == "cluster-1"


async def test_a_position_and_a_topic_id_are_given_once(store: OpenStore) -> None:
    assert await store.acquire("t", 0, "me", start=5, topic_id="id-1") == Lease("t", 0, 1, 5, "id-1")
    assert await store.acquire("t", 0, "me", start=9, topic_id="id-2") == Lease("t", 0, 2, 5, "id-1")


async def test_a_position_that_an_operator_sets_fences_its_owner_and_is_marked_until_it_is_confirmed(
    store: OpenStore, kind: Kind, tmp_path: Path
) -> None:
    await store.acquire("t", 0, "me", start=5, topic_id="id-1")
    there, new = PartitionOfTopic("t", 0, "id-2"), PartitionOfTopic("u", 0, "id-3")
    await store.set_positions([SetPosition(there, 2), SetPosition(new, 7)], "cluster-2", Actor("olga", "it is needed"))
    assert await moved(store, LeaseMove("t", 0, 1, 5, 6)) == [Lease("t", 0, 2, 2, "id-2", is_set=True)]
    assert await store.acquire("u", 0, "me", start=0) == Lease("u", 0, 2, 7, "id-3", is_set=True)
    await store.confirm([("t", 0)])
    assert await store.leases() == [Lease("t", 0, 2, 2, "id-2"), Lease("u", 0, 2, 7, "id-3", is_set=True)]
    assert (await store.identity()).cluster_id == "cluster-2"
    audit = kind.look(tmp_path, "SELECT who, why, topic, topic_id, before, next_offset FROM position_audit ORDER BY 3")
    assert audit == [
        ("olga", "it is needed", "t", "id-2", 5, 2),
        ("olga", "it is needed", "u", "id-3", None, 7),
    ]


async def test_a_record_at_the_place_of_one_of_a_deleted_topic_is_stored_beside_it(store: OpenStore) -> None:
    topic, instance = "orders.events.v1", begun()
    await store.acquire(topic, 0, "me", start=5, topic_id="id-1")
    left = entry(instance, 1, place=record(5).place)
    await store.transact(
        lambda tx: tx.save(starts(instance, entries=[left], dead_letters=[dead(6)], buffered=[held("i-1", 7)]))
    )
    await store.transact(lambda tx: tx.save(Changes(verdicts=[ruling(8)])))
    await store.set_positions(
        [SetPosition(PartitionOfTopic(topic, 0, "id-2"), 0)], None, Actor("olga", "created again")
    )
    await store.transact(lambda tx: tx.save(Changes(dead_letters=[replace(dead(6), cause="of the new topic")])))
    old = record(6).place._replace(topic=f"{topic}@id-1")
    found = [await dead_letters(store, place) for place in (old, record(6).place)]
    assert [[each.cause for each in letters] for letters in found] == [["it is no JSON"], ["of the new topic"]]
    assert [each.record.place for letters in found for each in letters] == [old, record(6).place]
    (early,) = await store.transact(lambda tx: tx.load_early_events(["i-1"]))
    assert (early.record.place.topic, early.record.place.topic_name) == (f"{topic}@id-1", topic)


async def dead_letters(store: OpenStore, place: Place) -> Sequence[DeadLetter]:
    return (await store.transact(lambda tx: tx.load_dead_letters(place, ()))).letters
