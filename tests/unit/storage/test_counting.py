"""What is counted in the database for the metrics."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas.machine import Pause
from saga_coordinator.service.counts import Counts
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from saga_coordinator.service.telemetry.measures import Measures
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.order_log import Log, instance_id


def with_passports(event: saga_kit.Begun) -> saga_kit.Data:
    return saga_kit.Data(key=event.key, coins=0, items=("P0-passport", "P1-passport"))


TICKETS = replace(saga_kit.saga(saga_kit.each("ticket", timeout=timedelta(minutes=1))), begin=with_passports)


async def counted(it: Coordinator) -> Counts:
    assert isinstance(it.store, SqliteStore)
    return await it.store.counts(it.clock.now())


async def test_a_command_without_a_reply_waits_since_it_was_first_sent(coordinator: Coordinator) -> None:
    log, began = Log(), coordinator.clock.now()
    await coordinator.take(log.placed("o-1"))
    coordinator.clock.pass_by(timedelta(minutes=1))
    await coordinator.take(log.placed("o-2"))
    coordinator.clock.pass_by(timedelta(minutes=1, seconds=1))
    await coordinator.fire_due()  # the charge of o-1 is sent again

    found = {each.step: each for each in (await counted(coordinator)).unanswered}

    assert {step: each.number for step, each in found.items()} == {"charge-card": 2, "reserve-stock": 2}
    assert {each.since for each in found.values()} == {began}
    assert {(each.saga, each.direction) for each in found.values()} == {("order-fulfilment", "forward")}


async def test_overdue_timers_and_paused_instances_are_counted(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed("o-1"), log.placed("o-2"))
    assert ((await counted(coordinator)).overdue, list((await counted(coordinator)).paused)) == (0, [])
    coordinator.clock.pass_by(timedelta(minutes=2, seconds=11))
    assert (await counted(coordinator)).overdue == 2

    await coordinator.operator.act(instance_id("o-1"), lambda now: Pause(now, "olga", "a test"))

    found = await counted(coordinator)
    assert (found.overdue, found.paused) == (1, [("order-fulfilment", 1)])


async def test_the_sizes_of_the_database_are_those_of_its_files(coordinator: Coordinator) -> None:
    await coordinator.take(Log().placed("o-1"))
    found = await counted(coordinator)
    wal = coordinator.path.with_name(coordinator.path.name + "-wal")
    assert (found.database_bytes, found.wal_bytes) == (coordinator.path.stat().st_size, wal.stat().st_size)


async def test_the_items_of_a_for_each_are_counted_under_its_name_and_are_never_labels(tmp_path: Path) -> None:
    log, measures = Log(), Measures()
    async with open_coordinator(tmp_path / "saga.db", TICKETS) as it:
        await it.take(log.event(saga_kit.Begun(key="k-1"), "k-1"))
        [asked] = (await counted(it)).unanswered
        first, second = it.messages
        await it.take(log.says(first, saga_kit.Did()))
        await it.take(log.says(second, Failure(code="no", message="no", retryable=False)))
        for turn in it.watcher.turns:
            measures.on_commit(turn)

    assert (asked.step, asked.number) == ("ticket", 2)
    labels = [*measures.compensations, *measures.stalled, *(each for each, _ in measures.step_duration.read())]
    assert ("made", "ticket", "forward") in labels
    assert ("made", "ticket") in labels
    assert [each for each in labels if "passport" in "".join(each)] == []
