"""Only the holder of a lease writes: what another has taken over is left out, and the rest goes on."""

from pathlib import Path

from msgspec import structs

from saga_coordinator.handlers.records import Changes, Lease, LeaseMove
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.order_log import EVENTS, REPLIES, Log, instance_id


async def test_a_partition_that_was_taken_over_is_left_out_and_the_rest_goes_on_i25(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed("o-1", partition=0), log.placed("o-2", partition=1))
    taken = await coordinator.store.acquire(EVENTS, 1, "another")
    lost, own = log.placed("o-3", partition=1), log.placed("o-4", partition=0)
    await coordinator.intake.receive([lost, own])

    assert coordinator.verdicts(lost.place) == []
    assert coordinator.verdict(own.place).verdict == "applied"
    assert coordinator.types("o-3") == []
    assert {topic for topic, _ in coordinator.leases.owned()} == {EVENTS, REPLIES}
    assert (EVENTS, 1) not in set(coordinator.leases.owned())
    assert await coordinator.store.acquire(EVENTS, 1, "another") == Lease(EVENTS, 1, taken.epoch + 1, 1)


async def test_an_owner_that_lost_everything_commits_nothing_i25(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed("o-1"))
    await coordinator.store.acquire(EVENTS, 0, "another")
    before, turns = coordinator.everything(), len(coordinator.watcher.turns)
    await coordinator.intake.receive([log.placed("o-2")])
    assert (coordinator.everything(), len(coordinator.watcher.turns)) == (before, turns)
    assert {topic for topic, _ in coordinator.leases.owned()} == {REPLIES}


async def test_records_of_a_partition_that_is_not_leased_are_left_out(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed("o-1", partition=0))
    await coordinator.intake.receive([log.placed("o-2", partition=1)])
    assert coordinator.rows("SELECT correlation FROM instance") == [("o-1",)]


async def test_records_that_are_done_in_the_same_epoch_are_skipped_i26(coordinator: Coordinator) -> None:
    log = Log()
    records = [log.placed(f"o-{number}") for number in range(4)]
    await coordinator.take(records[0])
    await coordinator.store.transact(lambda tx: tx.advance([LeaseMove(EVENTS, 0, 1, 1, 3)]))
    await coordinator.intake.receive(records[1:])
    assert coordinator.rows("SELECT correlation FROM instance") == [("o-0",), ("o-3",)]
    assert dict(coordinator.leases.offsets()) == {(EVENTS, 0): 4}


async def test_offsets_with_gaps_between_them_are_taken_in(coordinator: Coordinator) -> None:
    """Compaction and transaction markers leave gaps: what is expected is the database's offset, not the record's."""
    log = Log()
    records = [log.placed(f"o-{number}") for number in range(6)]
    await coordinator.take(records[1], records[2])
    await coordinator.take(records[5])
    assert coordinator.rows("SELECT count(*) FROM instance") == [(3,)]
    assert dict(coordinator.leases.offsets()) == {(EVENTS, 0): 6}


async def test_an_instance_that_somebody_else_has_changed_is_read_again(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    seen = await coordinator.stored(instance_id("o-1"))
    changed = structs.replace(seen, revision=7)
    await coordinator.store.transact(lambda tx: tx.save(Changes(instances=[(changed, seen)])))
    reply = log.answer(coordinator.messages[0])
    await coordinator.take(reply)
    assert coordinator.verdict(reply.place).verdict == "applied"
    assert (await coordinator.stored(instance_id("o-1"))).revision == 8


async def test_an_instance_that_somebody_else_has_started_is_not_started_again_i5(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db") as first, open_coordinator(tmp_path / "elsewhere.db") as other:
        start = log.placed()
        await other.take(start)
        await first.store.transact(lambda tx: tx.save(other.watcher.turns[0].changes))
        await first.take(start)
        assert first.messages == []
        assert first.rows("SELECT verdict FROM history ORDER BY seq") == [("applied",), ("duplicate",)]
