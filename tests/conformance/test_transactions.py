"""A transaction of any store is atomic, also when its caller is cancelled, and isolated."""

import asyncio
from dataclasses import fields

import pytest
from msgspec import structs

from saga_coordinator.handlers.ports import Conflict, Transaction
from saga_coordinator.handlers.records import Changes
from tests.conformance._support.stores import OpenStore, begun, later, outbox_message, starts


async def test_what_returns_is_committed(store: OpenStore) -> None:
    stored = begun()
    result = await store.transact(lambda tx: tx.save(starts(stored, outbox=[outbox_message("m-1")])))
    assert await store.transact(lambda tx: tx.load([stored.instance.id])) == {stored.instance.id: stored}
    assert result == await store.unsent()


async def test_what_raises_leaves_nothing_i24(store: OpenStore) -> None:
    stored = begun()

    async def work(tx: Transaction) -> None:
        await tx.save(starts(stored, outbox=[outbox_message("m-1")]))
        assert stored.instance.id in await tx.load([stored.instance.id])
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        await store.transact(work)
    assert await store.transact(lambda tx: tx.load([stored.instance.id])) == {}
    assert await store.unsent() == []
    assert await store.next_timer() is None


async def test_a_cancelled_caller_does_not_split_its_transaction_i24(store: OpenStore) -> None:
    first, second = begun("o-1"), begun("o-2")
    inside, go = asyncio.Event(), asyncio.Event()

    async def work(tx: Transaction) -> None:
        await tx.save(starts(first))
        inside.set()
        await go.wait()
        await tx.save(starts(second))

    caller = asyncio.create_task(store.transact(work))
    await inside.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    go.set()
    assert len(await store.transact(lambda tx: tx.load([first.instance.id, second.instance.id]))) == 2


@pytest.mark.parametrize("ticks", [0, 1, 2, 3, 5, 8, 13])
async def test_cancelled_at_any_moment_it_is_whole_or_nothing_i24(store: OpenStore, ticks: int) -> None:
    both = [begun("o-1"), begun("o-2")]

    async def work(tx: Transaction) -> None:
        for each in both:
            await tx.save(starts(each, outbox=[outbox_message(each.instance.id)]))

    caller = asyncio.create_task(store.transact(work))
    for _ in range(ticks):
        await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    found = await store.transact(lambda tx: tx.load([each.instance.id for each in both]))
    assert (len(found), len(await store.unsent())) in {(0, 0), (2, 2)}


async def test_closing_waits_for_the_transaction_of_a_cancelled_caller(store: OpenStore) -> None:
    inside, go = asyncio.Event(), asyncio.Event()

    async def work(tx: Transaction) -> None:
        inside.set()
        await go.wait()
        await tx.save(starts(begun()))

    caller = asyncio.create_task(store.transact(work))
    await inside.wait()
    caller.cancel()
    closing = asyncio.create_task(store.close())
    closed, _ = await asyncio.wait({closing}, timeout=0.1)
    assert not closed
    go.set()
    await asyncio.gather(caller, return_exceptions=True)
    await closing
    await store.open()
    assert len(await store.transact(lambda tx: tx.load([begun().instance.id]))) == 1


async def test_concurrent_transactions_come_one_after_the_other(store: OpenStore) -> None:
    id_ = begun().instance.id
    await store.transact(lambda tx: tx.save(starts(begun())))

    async def work(tx: Transaction) -> None:
        seen = (await tx.load([id_]))[id_]
        await asyncio.sleep(0)
        changes = starts()
        changes.instances = [(later(seen), seen)]
        await tx.save(changes)

    await asyncio.gather(*(store.transact(work) for _ in range(20)))
    assert (await store.transact(lambda tx: tx.load([id_])))[id_].revision == 21


async def test_a_transaction_that_raises_does_not_hold_up_the_next(store: OpenStore) -> None:
    stored = begun()

    async def conflicting(tx: Transaction) -> None:
        changes = starts()
        changes.instances = [(later(stored), structs.replace(stored, revision=7))]
        await tx.save(changes)

    outcomes = await asyncio.gather(
        store.transact(conflicting), store.transact(lambda tx: tx.save(starts(stored))), return_exceptions=True
    )
    assert isinstance(outcomes[0], Conflict)
    assert len(await store.transact(lambda tx: tx.load([stored.instance.id]))) == 1


async def test_what_is_not_committed_is_not_seen_outside(store: OpenStore) -> None:
    inside, go = asyncio.Event(), asyncio.Event()

    async def work(tx: Transaction) -> None:
        await tx.save(starts(begun(), outbox=[outbox_message("m-1")]))
        inside.set()
        await go.wait()

    writing = asyncio.create_task(store.transact(work))
    await inside.wait()
    async with asyncio.timeout(5):
        assert (await store.unsent(), await store.next_timer()) == ([], None)
    go.set()
    await writing
    assert (len(await store.unsent()), await store.next_timer()) == (1, begun().instance.next_timer_at)


@pytest.mark.parametrize("name", [each.name for each in fields(Changes)])
def test_only_what_is_about_instances_and_their_messages_is_plain(name: str) -> None:
    """What a store leaves out of a plain transaction would be lost if a new kind of row were forgotten here."""
    of_instances = {"instances", "entries", "outbox", "acknowledged", "subscribed", "unsubscribed"}
    unstored = {"unwanted", "raised"}
    changes = Changes()
    setattr(changes, name, ["something"])
    assert changes.is_plain is (name in of_instances | unstored)
