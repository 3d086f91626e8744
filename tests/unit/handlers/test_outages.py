"""While Kafka accepts nothing, timers fire, and commands in the outbox do not time out or count."""

import asyncio
from datetime import timedelta
from functools import partial
from pathlib import Path

from saga_coordinator.handlers.replay import first_difference, replay
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import freeze
from saga_coordinator.service.storage.queries import InstanceFilter
from saga_coordinator.service.storage.sqlite.queries import open_queries
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator, relaying
from tests.unit.handlers._support.order_log import REPLIES, Log, instance_id
from tests.unit.handlers.test_relay import Gate, Slow, worn

RESERVE, CHARGE, SHIP = "inventory.reserve-stock.v1", "payments.charge-card.v1", "shipping.ship-order.v1"
HOUR = timedelta(hours=1)


async def hours_of_outage(it: Coordinator, hours: int) -> None:
    """Let hours pass in which nothing is published, and fire due timers each minute."""
    for _ in range(hours * 60):
        it.clock.pass_by(timedelta(minutes=1))
        await it.timers.fire_due()


async def test_what_cannot_leave_is_neither_asked_again_nor_given_up(tmp_path: Path) -> None:
    gate = Gate()
    gate.open.clear()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        await it.take(Log().placed())
        await hours_of_outage(it, 3)
        assert (it.status(), it.types()) == ("running", [RESERVE, CHARGE])
        why = "SELECT DISTINCT reason FROM history WHERE kind = 'wake'"
        assert it.rows(why) == [("not left yet: reserve-stock, charge-card",)]

        gate.open.set()
        await it.relay.wait_until_drained()
        assert await it.timers.fire_due() is False
        assert it.types() == [RESERVE, CHARGE], "they have left only now"
        it.clock.pass_by(timedelta(minutes=2))
        await it.timers.fire_due()
        assert it.types()[2] == CHARGE, "it was silent"


async def test_an_undo_that_cannot_leave_does_not_stall_its_instance(tmp_path: Path) -> None:
    log, gate = Log(), Gate()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        await it.take(log.placed())
        await it.take(*(log.answer(command) for command in it.messages))
        await it.relay.wait_until_drained()
        gate.open.clear()
        await it.take(log.refuse(it.sent(SHIP)[0]))
        await hours_of_outage(it, 12)
        assert it.status() == "compensating"

        gate.open.set()
        await it.relay.wait_until_drained()
        await it.take(*(log.answer(command) for command in it.messages[3:]))
        assert it.status() == "compensated"


async def test_a_history_with_an_outage_leads_to_the_stored_state_i3(tmp_path: Path) -> None:
    gate = Gate()
    gate.open.clear()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        await it.take(Log().placed())
        await hours_of_outage(it, 1)
        gate.open.set()
        await asyncio.wait_for(it.relay.wait_until_drained(), 5)
        it.clock.pass_by(HOUR)
        await it.timers.fire_due()
        stored = await it.stored(instance_id("o-1"))
        with open_queries(it.path) as reading:
            [row] = reading.instances(InstanceFilter(), 10)
            history = list(reading.history(row, 1_000))
    assert {entry.kind for entry in history} == {"start", "wake"}
    assert freeze(replay(order_fulfilment, history)) == freeze(stored.instance)
    assert first_difference(order_fulfilment, history) is None


async def test_no_timer_fires_while_the_outbox_is_being_loaded(tmp_path: Path) -> None:
    """It was written while no home was leased: the relay does not know it yet, and it has not left."""
    stores: list[Slow] = []
    async with open_coordinator(tmp_path / "saga.db", worn=partial(worn, stores)) as it:
        it.leases.clear()
        await it.take(Log().placed())
        it.clock.pass_by(HOUR)
        for home in (0, 1):
            it.leases.add(await it.store.acquire(REPLIES, home, "test"))
        loading = asyncio.create_task(it.relay.load())
        await stores[0].has_read.wait()
        assert await it.timers.fire_due() is False
        assert it.rows("SELECT kind FROM history") == [("start",)]

        stores[0].may_return.set()
        await loading
        await it.timers.fire_due()
        assert (it.status(), it.types()) == ("running", [RESERVE, CHARGE])
