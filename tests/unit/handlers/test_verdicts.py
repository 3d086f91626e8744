"""Whatever comes, in whatever batches: each record has one verdict, and each instance is what its history says."""

from collections import Counter
from pathlib import Path

import pytest

from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES
from saga_coordinator.handlers.replay import first_difference, replay
from saga_coordinator.sagas import parallel
from saga_coordinator.sagas.machine import freeze
from saga_coordinator.service.storage.queries import InstanceFilter
from saga_coordinator.service.storage.sqlite.queries import open_queries
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.mixture import Mixture
from tests.unit.handlers._support.order_log import Log

SEEDS = range(8)
BATCHES = 40


@pytest.mark.parametrize("seed", SEEDS)
async def test_each_record_before_the_next_offset_has_exactly_one_verdict_i11(
    coordinator: Coordinator, seed: int
) -> None:
    mixture = Mixture(coordinator, seed)
    await mixture.stir(BATCHES)
    verdicts = {str(record.place): coordinator.verdicts(record.place) for record in mixture.records}

    assert {place: found for place, found in verdicts.items() if len(found) != 1} == {}
    ends = Counter(record.place[:2] for record in mixture.records)
    assert dict(coordinator.leases.offsets()) == ends
    kinds = {found[0].verdict for found in verdicts.values()}
    assert kinds >= {"applied", "duplicate", "ignored", "unmatched", "dead-lettered"}, "the mixture is too thin"


@pytest.mark.parametrize("seed", SEEDS)
async def test_history_replayed_is_the_stored_instance_byte_for_byte_i3(coordinator: Coordinator, seed: int) -> None:
    await Mixture(coordinator, seed).stir(BATCHES)
    check_replay(coordinator)
    statuses = {status for (status,) in coordinator.rows("SELECT DISTINCT status FROM instance")}
    assert statuses >= {"completed", "compensated", "running"}, "the mixture is too thin"


@pytest.mark.parametrize("seed", SEEDS[:2])
async def test_every_active_instance_has_a_timer_i4(coordinator: Coordinator, seed: int) -> None:
    await Mixture(coordinator, seed).stir(BATCHES)
    goes_on = coordinator.rows("SELECT wake_at IS NOT NULL FROM instance WHERE status IN ('running', 'compensating')")
    assert set(goes_on) == {(1,)}
    rests = coordinator.rows("SELECT wake_at IS NOT NULL FROM instance WHERE status NOT IN ('running', 'compensating')")
    assert set(rests) == {(0,)}


async def test_an_instance_that_was_obstructed_is_replayed_too_i3(tmp_path: Path) -> None:
    saga = saga_kit.saga(
        parallel(saga_kit.compensatable("a"), saga_kit.compensatable("b")), saga_kit.compensatable("c")
    )
    async with open_coordinator(tmp_path / "saga.db", saga) as it:
        log = Log()
        await it.take(log.event(saga_kit.Begun(key="k-1"), "k-1"))
        first, second = it.messages
        await it.take(log.says(first, saga_kit.Did(word="x" * (MAX_MESSAGE_BYTES - 1_000))))
        await it.take(log.says(second, saga_kit.Did(word="x" * 2_000)))
        assert it.rows("SELECT status FROM instance") == [("stalled",)]
        check_replay(it)


@pytest.mark.parametrize("seed", SEEDS[:2])
async def test_no_command_id_has_two_contents_and_every_row_was_reported_i6_i7(
    coordinator: Coordinator, seed: int
) -> None:
    await Mixture(coordinator, seed).stir(BATCHES)
    contents = {(row.message_id, row.topic, row.partition, row.key, row.value) for row in coordinator.messages}
    assert len({id_ for id_, *_ in contents}) == len(contents)
    assert [row.message for row in await coordinator.store.unsent()] == coordinator.messages


def check_replay(it: Coordinator) -> None:
    """Replay every instance, and compare it with what is stored."""
    with open_queries(it.path) as reading:
        rows = reading.instances(InstanceFilter(), 1_000)
        assert rows
        for row in rows:
            entries = reading.history(row, 1_000)
            assert [entry.seq for entry in entries] == list(range(1, row.revision + 1))
            saga = it.routes.saga_of(row.saga, row.version)
            instance = replay(saga, entries)
            assert first_difference(saga, entries) is None
            assert freeze(instance) == row.snapshot
            assert (instance.id, instance.key, instance.next_timer_at) == (row.id, row.key, row.next_timer_at)
