"""A batch that was decided before is written in one call of any store: if all is as it assumes, else not at all."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from saga_coordinator.handlers.ports import Conflict, Transaction
from saga_coordinator.handlers.records import (
    Changes,
    DecidedBatch,
    EventSubscription,
    InstanceRecord,
    LeaseMove,
    OutboxRow,
)
from saga_coordinator.service.errors import StoreError
from tests.conformance._support.stores import (
    Kind,
    OpenStore,
    begun,
    entry,
    held,
    known,
    later,
    outbox_message,
    starts,
)

CONTENT = (
    "SELECT id, status, data, state, trail, revision, home FROM instance ORDER BY 1",
    (
        "SELECT id, seq, kind, verdict, message_id, value, decided, topic, partition, trace_id"
        " FROM history JOIN instance ON instance = number ORDER BY 1, 2"
    ),
    "SELECT message_id, topic, partition, key, headers, value FROM outbox ORDER BY seq",
    "SELECT topic, partition, epoch, next_offset FROM lease ORDER BY 1, 2",
    "SELECT address, instance_id FROM awaited_event ORDER BY 1, 2",
    "SELECT address FROM held_event ORDER BY 1",
)
"""What a batch may write, without numbers that only count."""
OLD, NEW = begun("old"), begun("new")
MOVE = LeaseMove("t", 0, 1, None, 3)


def updates(loaded: InstanceRecord) -> Changes:
    """The changes that write the next revision of an instance, and a new instance."""
    after = later(loaded)
    changes = starts(NEW, entries=[entry(NEW, 1), entry(after, after.revision)], outbox=[outbox_message("m-1")])
    changes.instances.append((after, loaded))
    changes.subscribed = [EventSubscription("address", NEW.instance.id)]
    return changes


def batch(loaded: InstanceRecord = OLD, *, move: LeaseMove = MOVE, fresh: str = NEW.instance.id) -> DecidedBatch:
    """A batch of everything that may be in one."""
    return DecidedBatch([move], updates(loaded), {fresh})


@pytest.fixture
async def prepared(store: OpenStore) -> OpenStore:
    """A store with a lease, and with an instance at revision 1."""
    await store.acquire("t", 0, "me")
    await store.transact(lambda tx: tx.save(starts(OLD, entries=[entry(OLD, 1)])))
    return store


def content(kind: Kind, folder: Path) -> list[Sequence[object]]:
    """Return all rows that a batch may write."""
    return [kind.look(folder, sql) for sql in CONTENT]


async def test_a_batch_whose_assumptions_hold_is_written_whole_i24(
    prepared: OpenStore, kind: Kind, tmp_path: Path
) -> None:
    rows = await prepared.commit(batch())
    assert [row.message for row in rows] == [outbox_message("m-1")]
    assert rows == await prepared.unsent()
    assert [(each.epoch, each.next_offset) for each in await prepared.leases()] == [(1, 3)]
    ids = [OLD.instance.id, NEW.instance.id]
    assert await prepared.transact(lambda tx: tx.load(ids)) == dict(zip(ids, (later(OLD), NEW), strict=True))
    assert kind.look(tmp_path, "SELECT count(*) FROM history") == [(3,)]
    subscriptions = await prepared.transact(lambda tx: tx.load_subscriptions(["address"]))
    assert subscriptions == [EventSubscription("address", NEW.instance.id)]


async def test_both_forms_of_a_transaction_write_the_same_rows(prepared: OpenStore, kind: Kind, tmp_path: Path) -> None:
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    other = kind.new(other_folder, known)
    await other.open()
    try:
        await other.acquire("t", 0, "me")
        await other.transact(lambda tx: tx.save(starts(OLD, entries=[entry(OLD, 1)])))

        async def long_form(tx: Transaction) -> Sequence[OutboxRow]:
            assert await tx.advance([MOVE]) == []
            return await tx.save(updates(OLD))

        rows = [await other.transact(long_form), await prepared.commit(batch())]
        assert [each.message for each in rows[0]] == [each.message for each in rows[1]]
        assert content(kind, other_folder) == content(kind, tmp_path)
    finally:
        await other.close()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(batch(move=MOVE._replace(epoch=2)), id="another epoch"),
        pytest.param(batch(move=MOVE._replace(epoch=0)), id="an older epoch"),
        pytest.param(batch(move=MOVE._replace(expected=2)), id="another offset"),
        pytest.param(batch(move=MOVE._replace(partition=1)), id="no lease"),
        pytest.param(DecidedBatch([MOVE, MOVE._replace(partition=1)], updates(OLD), ()), id="one lease of two"),
        pytest.param(batch(structs.replace(OLD, revision=7)), id="another revision"),
        pytest.param(batch(begun("third")), id="an instance that is gone"),
        pytest.param(DecidedBatch([MOVE], starts(NEW, OLD), ()), id="an instance that has started"),
        pytest.param(batch(fresh="early"), id="an early event"),
    ],
)
async def test_a_batch_that_assumes_something_else_is_a_conflict_and_writes_nothing_i24_i25(
    prepared: OpenStore, kind: Kind, tmp_path: Path, wrong: DecidedBatch
) -> None:
    await prepared.transact(lambda tx: tx.save(Changes(buffered=[held("early", 9)])))
    before = content(kind, tmp_path)
    with pytest.raises(Conflict):
        await prepared.commit(wrong)
    assert content(kind, tmp_path) == before
    await prepared.commit(batch())
    assert content(kind, tmp_path) != before


async def test_a_statement_that_fails_leaves_nothing_and_is_no_conflict_i29(
    prepared: OpenStore, kind: Kind, tmp_path: Path
) -> None:
    before, twice = content(kind, tmp_path), batch()
    twice.changes.entries.append(twice.changes.entries[0])
    with pytest.raises(StoreError):
        await prepared.commit(twice)
    assert content(kind, tmp_path) == before
    await prepared.commit(batch())


async def test_an_offset_alone_is_moved(prepared: OpenStore) -> None:
    assert await prepared.commit(DecidedBatch([MOVE], Changes(), ())) == []
    assert [each.next_offset for each in await prepared.leases()] == [3]


async def test_acknowledged_rows_are_deleted_i7(prepared: OpenStore) -> None:
    (row,) = await prepared.commit(batch())
    await prepared.commit(DecidedBatch((), Changes(acknowledged=[row.seq]), ()))
    assert await prepared.unsent() == []


@pytest.mark.parametrize("count", [1, 63, 64, 300])
async def test_rows_of_both_forms_are_numbered_in_the_order_of_their_commits_i12(
    prepared: OpenStore, count: int
) -> None:
    written: list[OutboxRow] = []
    for number in range(3):
        new = [begun(f"{number}-{each}") for each in range(count)]
        entries, messages = [entry(each, 1) for each in new], [outbox_message(each.instance.id) for each in new]
        written += await prepared.commit(DecidedBatch((), starts(*new, entries=entries, outbox=messages), ()))
        written += await prepared.transact(lambda tx: tx.save(Changes(outbox=[outbox_message("between")])))
    assert written == sorted(written)
    assert written == await prepared.unsent()
    assert len(written) == 3 * (count + 1)


@pytest.mark.parametrize("ticks", [0, 1, 2, 3, 5, 8, 13])
async def test_cancelled_at_any_moment_a_batch_is_whole_or_nothing_i24(prepared: OpenStore, ticks: int) -> None:
    caller = asyncio.create_task(prepared.commit(batch()))
    for _ in range(ticks):
        await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    found = await prepared.transact(lambda tx: tx.load([NEW.instance.id]))
    moved = [each.next_offset for each in await prepared.leases()]
    assert (len(found), len(await prepared.unsent()), moved) in [(0, 0, [None]), (1, 1, [3])]


async def test_a_batch_is_written_after_the_transaction_that_is_running(prepared: OpenStore) -> None:
    inside, go = asyncio.Event(), asyncio.Event()

    async def work(tx: Transaction) -> None:
        await tx.save(Changes(outbox=[outbox_message("first")]))
        inside.set()
        await go.wait()
        changes = Changes()
        changes.instances = [(later(OLD), OLD)]
        await tx.save(changes)

    running = asyncio.create_task(prepared.transact(work))
    await inside.wait()
    writing = asyncio.create_task(prepared.commit(batch()))
    done, _ = await asyncio.wait({writing}, timeout=0.1)
    assert not done
    go.set()
    await running
    with pytest.raises(Conflict):
        await writing
    assert [row.message.message_id for row in await prepared.unsent()] == ["first"]


async def test_closing_waits_for_the_batch_of_a_cancelled_caller(prepared: OpenStore) -> None:
    caller = asyncio.create_task(prepared.commit(batch()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    await prepared.close()
    await asyncio.gather(caller, return_exceptions=True)
    await prepared.open()
    assert len(await prepared.transact(lambda tx: tx.load([NEW.instance.id]))) == 1
