"""Timers fire when they are due, oldest first, a limited number at once, and each acts once."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from saga_coordinator.contracts import Command
from saga_coordinator.handlers.timers import MAX_BATCH
from saga_coordinator.sagas import Retry, step
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import TIME, Coordinator, HandClock, open_coordinator
from tests.unit.handlers._support.order_log import Log, command_id, header, instance_id
from tests.unit.handlers.test_broken_definitions import broken

RESERVE, CHARGE = "inventory.reserve-stock.v1", "payments.charge-card.v1"
MINUTE = timedelta(minutes=1)


async def test_no_timer_fires_before_it_is_due(coordinator: Coordinator) -> None:
    assert await coordinator.fire_due() is False
    await coordinator.take(Log().placed())
    coordinator.clock.pass_by(2 * MINUTE - timedelta(microseconds=1))
    assert await coordinator.fire_due() is False
    assert len(coordinator.watcher.turns) == 1


async def test_a_step_that_did_not_answer_is_asked_again_under_the_same_id_i9(coordinator: Coordinator) -> None:
    await coordinator.take(Log().placed())
    coordinator.clock.pass_by(2 * MINUTE)
    assert await coordinator.fire_due() is False
    first, again = coordinator.sent(CHARGE)
    assert (first.message_id, first.key, first.value) == (again.message_id, again.key, again.value)
    assert header(again, "ce_attempt") == "1"
    assert header(again, "ce_causationid") == "placed-o-1"
    assert len(coordinator.sent(RESERVE)) == 1
    assert coordinator.rows("SELECT kind, verdict, topic FROM history WHERE seq = 2") == [("wake", "applied", None)]


async def test_a_command_sent_by_a_timer_is_caused_by_the_last_applied_message(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    reserve, charge = coordinator.messages
    await coordinator.take(log.answer(reserve), log.answer(charge, ce_id="a-stray-one", ce_causationid="nobody's"))
    coordinator.clock.pass_by(2 * MINUTE)
    await coordinator.fire_due()
    assert header(coordinator.sent(CHARGE)[-1], "ce_causationid") == f"reply-{reserve.message_id}"


async def test_a_step_that_never_answers_is_given_up_and_undone(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    await coordinator.take(log.answer(coordinator.sent(CHARGE)[0]))
    coordinator.clock.pass_by(5 * MINUTE)
    await coordinator.fire_due()
    assert sorted(coordinator.types()[2:]) == ["inventory.release-stock.v1", "payments.refund-card.v1"]
    await coordinator.take(*(log.answer(command) for command in coordinator.messages[2:]))
    assert b'"step":"reserve-stock","code":"timed-out"' in (coordinator.messages[-1].value or b"")


async def test_the_deadline_compensates_an_order(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed(total="1000"))
    await coordinator.take(*(log.answer(command) for command in coordinator.messages))
    coordinator.clock.pass_by(timedelta(days=2))
    await coordinator.fire_due()
    await coordinator.take(*(log.answer(command) for command in coordinator.messages[3:]))
    assert coordinator.status() == "compensated"
    assert b'"step":null,"code":"deadline-passed"' in (coordinator.messages[-1].value or b"")


async def test_a_timer_and_a_reply_at_the_same_time_act_once_i19(tmp_path: Path) -> None:
    log = Log()
    for name, timer_first in (("timer", True), ("reply", False)):
        async with open_coordinator(tmp_path / f"{name}.db") as it:
            await it.take(log.placed())
            reserve, charge = it.messages
            it.clock.pass_by(2 * MINUTE)
            if timer_first:
                await it.fire_due()
            await it.take(log.answer(charge), log.answer(reserve))
            assert await it.fire_due() is False
            assert (it.types()[-1], len(it.sent("shipping.ship-order.v1"))) == ("shipping.ship-order.v1", 1)
            assert len(it.sent(CHARGE)) == (2 if timer_first else 1)


async def test_timers_of_a_downtime_fire_oldest_first_a_limited_number_at_once_i20(tmp_path: Path) -> None:
    log, clock = Log(), HandClock()
    orders = [f"o-{number}" for number in range(MAX_BATCH + 20)]
    async with open_coordinator(tmp_path / "saga.db", clock=clock) as it:
        for order in orders:
            await it.take(log.placed(order))
            clock.pass_by(timedelta(microseconds=1))
    clock.pass_by(2 * MINUTE)
    async with open_coordinator(tmp_path / "saga.db", clock=clock) as it:
        assert await it.fire_due() is True
        assert [(row.key or b"").decode() for row in it.messages] == orders[:MAX_BATCH]
        assert await it.fire_due() is False
        assert [(row.key or b"").decode() for row in it.messages] == orders
        assert await it.fire_due() is False


async def test_an_instance_whose_definition_raises_stalls_and_other_timers_fire(tmp_path: Path) -> None:
    log, whole = Log(), saga_kit.compensatable("a")
    sends: list[str] = []

    def send(data: saga_kit.Data) -> Command[Any]:
        sends.append(data.key)
        return broken(whole.send)(data) if sends.count(data.key) > 1 else whole.send(data)

    send.__annotations__ = whole.send.__annotations__
    retried = step("a", send, remember=saga_kit.remembers("a"), compensate=whole.compensate, retry=Retry(attempts=3))
    async with open_coordinator(tmp_path / "saga.db", saga_kit.saga(retried)) as it:
        await it.take(*(log.event(saga_kit.Begun(key=key), key) for key in ("bad", "k-1")))
        await it.take(*(log.refuse(command, retryable=True) for command in it.messages))
        it.clock.pass_by(MINUTE)
        await it.fire_due()

        assert it.rows("SELECT correlation, status FROM instance ORDER BY 1") == [
            ("bad", "stalled"),
            ("k-1", "running"),
        ]
        [(reason,)] = it.rows("SELECT reason FROM history WHERE kind = 'obstruct'")
        assert reason.startswith(f"saga made raised ArithmeticError: on purpose (in step a: send send, {__file__}:")
        assert len(it.types("k-1")) == 2
        assert [type(raised.error) for turn in it.watcher.turns for raised in turn.changes.raised] == [ArithmeticError]
        it.clock.pass_by(MINUTE)
        await it.fire_due()
        assert len(it.rows("SELECT 1 FROM history WHERE kind = 'obstruct'")) == 1


async def test_an_exception_of_a_definition_at_a_timer_is_recorded_and_other_timers_fire(tmp_path: Path) -> None:
    def send(data: saga_kit.Data) -> Command[Any]:
        if data.key == "bad" and is_broken:
            raise ValueError("caf\udce9")
        return whole.send(data)

    log, whole, is_broken = Log(), saga_kit.compensatable("a"), False
    send.__annotations__ = whole.send.__annotations__
    retried = step("a", send, remember=saga_kit.remembers("a"), compensate=whole.compensate, retry=Retry(attempts=3))
    async with open_coordinator(tmp_path / "saga.db", saga_kit.saga(retried)) as it:
        await it.take(*(log.event(saga_kit.Begun(key=key), key) for key in ("bad", "k-1")))
        await it.take(*(log.refuse(command, retryable=True) for command in it.messages))
        is_broken = True
        it.clock.pass_by(MINUTE)
        await it.fire_due()

        [(reason,)] = it.rows("SELECT reason FROM history WHERE kind = 'obstruct'")
        assert reason.startswith("saga made raised ValueError: caf\\udce9")
        assert len(it.types("k-1")) == 2


async def test_a_clock_that_is_set_back_loses_nothing_and_sends_nothing_twice_i21(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    coordinator.clock.time = TIME - timedelta(hours=1)
    await coordinator.take(*(log.answer(command) for command in coordinator.messages))
    assert await coordinator.fire_due() is False
    coordinator.clock.time = TIME + timedelta(hours=1)
    assert await coordinator.fire_due() is False
    await coordinator.take(log.answer(coordinator.messages[-1]))
    await coordinator.take(log.answer(coordinator.messages[-1]))
    assert coordinator.status() == "completed"
    assert len(coordinator.messages) == 5


async def test_cached_instances_and_changes_by_timers_are_consistent(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    remembered = await coordinator.stored(instance_id("o-1"))
    coordinator.clock.pass_by(2 * MINUTE)
    await coordinator.fire_due()
    coordinator.instance_cache.keep([remembered])
    await coordinator.take(log.answer(coordinator.sent(CHARGE)[0]))
    charge = (await coordinator.stored(instance_id("o-1"))).instance.steps["charge-card"].forward
    assert (charge.command_id, charge.sendings) == (command_id("o-1", "charge-card"), 2)
    assert coordinator.rows("SELECT count(*) FROM history") == [(3,)]


async def test_a_paused_or_ended_instance_has_no_timer(tmp_path: Path) -> None:
    log = Log()
    saga = replace(saga_kit.saga(saga_kit.safe("a")), deadline=timedelta(days=1))
    async with open_coordinator(tmp_path / "saga.db", saga) as it:
        await it.take(log.event(saga_kit.Begun(key="k-1"), "k-1"))
        await it.take(log.says(it.messages[0], saga_kit.Did()))
        assert it.rows("SELECT status, wake_at FROM instance") == [("completed", None)]
        it.clock.pass_by(timedelta(days=9))
        assert await it.fire_due() is False
