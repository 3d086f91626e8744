"""The leases of any store fence: they move by compare-and-set, and never back."""

from collections.abc import Sequence

import pytest

from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import Lease, LeaseMove
from tests.conformance._support.stores import OpenStore


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
