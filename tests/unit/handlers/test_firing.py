"""Timers do not fire while the outbox is at its limit, because their commands would be added to it (I33)."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from saga_coordinator.handlers.relay import Relay
from saga_coordinator.handlers.timers import Timers
from saga_coordinator.sagas.machine import RetryStep
from saga_coordinator.service.app import run as running
from saga_coordinator.service.drain import SHUTTING_DOWN, Drain
from saga_coordinator.service.health import CHECKS, Health
from saga_coordinator.service.settings import Settings
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator, relaying
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import Log, instance_id
from tests.unit.handlers.test_relay import Gate

HOUR = timedelta(hours=1)


async def test_no_timer_fires_while_the_outbox_is_full_and_all_fire_afterwards_i20_i33(tmp_path: Path) -> None:
    log, gate = Log(), Gate()
    gate.open.clear()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        await it.take(*(log.placed(f"o-{number}") for number in range(4)))
        it.clock.pass_by(HOUR)
        looks = Looks(it)
        loop = running._fire_timers(service(it, relay=looks, timers=it.timers), it.watcher, asyncio.Event())  # noqa: SLF001  one loop of the service
        firing = asyncio.create_task(loop)
        await eventually(lambda: looks.count > 3 or len(it.messages) > 8, "a timer has fired, or the limit was checked")
        assert len(it.messages) == 8, "nothing is asked again while it cannot leave"

        gate.open.set()
        await eventually(lambda: len(it.messages) > 8, "what was due is asked again")
        firing.cancel()
        with suppress(asyncio.CancelledError):
            await firing
        await it.relay.wait_until_drained()


async def test_commands_of_a_timer_that_fires_during_shutdown_are_published_i35(tmp_path: Path) -> None:
    gate, stop = Gate(), asyncio.Event()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it:
        await it.take(Log().placed())
        it.clock.pass_by(HOUR)
        timers, feed = ObservedTimers(it), Quiet()
        whole = service(it, relay=it.relay, timers=timers, consumer=feed, health=Health(CHECKS), publisher=feed)
        with closing(sqlite3.connect(it.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            ended = asyncio.create_task(running._run_until_stopped(whole, stop, it.watcher))  # noqa: SLF001  without the collector's settings
            await eventually(lambda: timers.has_fired, "a timer fires, and waits for the database")
            stop.set()
            await eventually(lambda: feed.has_ended, "the service stops")
            other.execute("ROLLBACK")
        assert await ended
        assert it.rows("SELECT count(*) FROM history WHERE kind = 'wake'") == [(1,)], "no timer has fired"
        assert sorted(row.message_id for row in gate.published) == sorted(row.message_id for row in it.messages)
        assert it.rows("SELECT count(*) FROM outbox") == [(0,)]


async def test_commands_of_an_operator_action_during_shutdown_are_published_i35(tmp_path: Path) -> None:
    gate, stop = Gate(), asyncio.Event()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it:
        await it.take(Log().placed())
        feed, drain = Quiet(), Drain()
        parts = {"consumer": feed, "health": Health(CHECKS), "publisher": feed, "drain": drain}
        whole = service(it, relay=it.relay, timers=it.timers, **parts)
        ended = asyncio.create_task(running._run_until_stopped(whole, stop, it.watcher))  # noqa: SLF001  without the collector's settings
        await eventually(lambda: it.relay.pending == 0, "the outbox is empty")
        with closing(sqlite3.connect(it.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            acted = asyncio.create_task(asked_again(it, drain))
            await asyncio.sleep(0)
            stop.set()
            await eventually(
                lambda: feed.has_ended and drain.closed_reason == SHUTTING_DOWN,
                "the service ends, except for the action",
            )
            assert not ended.done()
            other.execute("ROLLBACK")
        await acted
        assert await ended
        assert len(gate.published) == len(it.messages) == 3
        assert it.rows("SELECT count(*) FROM outbox") == [(0,)]


async def asked_again(it: Coordinator, drain: Drain) -> None:
    """Let an operator have a step asked again, as the API does."""
    with drain.admit():
        decision = await it.operator.act(instance_id("o-1"), lambda at: RetryStep(at, "olga", "now", "charge-card"))
    assert decision is not None
    assert decision.ignored is None


class ObservedTimers:
    """Timers that record whether they fire."""

    def __init__(self, it: Coordinator) -> None:
        self._timers = it.timers
        self.has_fired = False

    async def fire_due(self) -> bool:
        self.has_fired = True
        return await self._timers.fire_due()


class Quiet:
    """A feed that has nothing to take in and a publisher that is there, as far as the service starts and ends them."""

    def __init__(self) -> None:
        self.caught_up = asyncio.Event()
        self.caught_up.set()
        self.has_ended = False

    async def start(self) -> None:
        return

    async def commit_offsets(self) -> None:
        await asyncio.Event().wait()

    async def watch(self) -> None:
        await asyncio.Event().wait()

    async def run(self, stop: asyncio.Event) -> None:
        await stop.wait()
        await asyncio.sleep(0)
        self.has_ended = True


class Looks:
    """The relay, and how often it was asked how much is unsent."""

    def __init__(self, it: Coordinator) -> None:
        self._relay = it.relay
        self.count = 0

    def exceeds(self, limit: int, max_bytes: int) -> bool:
        self.count += 1
        return self._relay.exceeds(limit, max_bytes)


def service(it: Coordinator, *, relay: Looks | Relay, timers: ObservedTimers | Timers, **more: object) -> Any:  # noqa: ANN401  the parts that fire timers
    """The parts of a service that fire timers: the backlog is processed, and the outbox may have 7 messages."""
    handlers = replace(it.handlers, relay=cast("Relay", relay), timers=cast("Timers", timers))
    parts = {
        "settings": Settings(outbox_limit=7),
        "consumer": Quiet(),
        "handlers": handlers,
        "drain": Drain(),
        "is_recovering": False,
    }
    return SimpleNamespace(**(parts | more))
