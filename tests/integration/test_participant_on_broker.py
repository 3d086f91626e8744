"""A participant of the kit on a broker: commands in, effects once, replies out, whenever its process is killed."""

import asyncio
import signal
import sqlite3
import sys
from collections.abc import Awaitable
from pathlib import Path

import pytest

from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from saga_coordinator.service.participant.kafka import KafkaOptions, ParticipantRunner
from tests.integration._support.conversation import TIMEOUT, replies_of, send
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.support.project_tree import ROOT
from tests.unit.participant._support.warehouse import REFUSED, REPLIES, TOPIC, release, reserve, warehouse

PROGRAM = "tests.integration._support.killed_participant"


async def test_commands_are_carried_out_answered_and_committed(tmp_path: Path) -> None:
    with EmbeddedBroker({TOPIC: 2, REPLIES: 2}) as broker:
        servers = broker.bootstrap_servers
        async with warehouse(tmp_path / "inventory.db") as inventory, replies_of(servers) as replies:
            await inventory.receives(reserve("c-0", order="o-9"))  # by an earlier life, which has not sent the reply
            inventory.outcomes = [RuntimeError("broken"), REFUSED]
            stop = asyncio.Event()
            runner = ParticipantRunner(
                inventory.participant, inventory.database, KafkaOptions(bootstrap_servers=servers, group="inventory")
            )
            running = asyncio.create_task(runner.run(stop))
            assert set(await replies(1)) == {"c-0"}
            await send(servers, reserve("c-1"), reserve("c-1"), release("u-1", "c-1"), release("u-2", "c-2"))
            assert set(await replies(3)) == {"c-1", "u-1", "u-2"}
            await send(servers, reserve("c-2"), reserve("c-3", order="o-2"))
            assert set(await replies(2)) == {"c-2", "c-3"}
            stop.set()
            await asyncio.wait_for(running, TIMEOUT)
            assert await inventory.sent() == []
            assert await inventory.effects() == {"c-0": [1], "c-3": [1]}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["in the handler", "after the commit", "acknowledged", "before the offset"])
async def test_a_participant_that_is_killed_has_each_effect_once(tmp_path: Path, place: str) -> None:
    path = tmp_path / "inventory.db"
    with EmbeddedBroker({TOPIC: 2, REPLIES: 2}) as broker:
        servers = broker.bootstrap_servers
        async with replies_of(servers) as replies:
            await send(servers, *[reserve(f"c-{n}", order=f"o-{n}") for n in range(20)])
            await send(servers, *[release(f"u-{n}", f"c-{n}", order=f"o-{n}") for n in range(10)])
            await send(servers, release("u-99", "c-99", order="o-99"), reserve("c-99", order="o-99"))
            assert await run_program(servers, path, place) == -signal.SIGKILL
            surviving = asyncio.create_task(run_program(servers, path, "nowhere", stop_after=replies(32)))
            assert await asyncio.wait_for(surviving, TIMEOUT) == 0
        async with warehouse(path) as inventory:
            assert await inventory.sent() == []
            assert await inventory.effects() == {f"c-{n}": [1, -1] if n < 10 else [1] for n in range(20)}


async def run_program(servers: str, path: Path, place: str, stop_after: Awaitable[object] | None = None) -> int:
    """Run a participant until it kills itself at a place, or until something has happened; return its exit code."""
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", PROGRAM, servers, str(path), place, cwd=ROOT)
    try:
        if stop_after is not None:
            await stop_after
            child.terminate()
        return await asyncio.wait_for(child.wait(), TIMEOUT)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


@pytest.mark.slow
async def test_a_participant_waits_for_a_broker_and_a_database_that_are_out_of_reach(tmp_path: Path) -> None:
    with FaultyBroker({TOPIC: 1, REPLIES: 1}) as broker:
        servers = broker.bootstrap_servers
        async with warehouse(tmp_path / "inventory.db") as inventory, replies_of(servers) as replies:
            full = sqlite3.OperationalError("database or disk is full")
            full.sqlite_errorcode = sqlite3.SQLITE_FULL
            inventory.outcomes = [full]
            await send(servers, reserve("c-1"))
            broker.set_down()
            stop = asyncio.Event()
            options = KafkaOptions(
                bootstrap_servers=servers, group="inventory", request_timeout=0.5, session_timeout=1.0
            )
            runner = ParticipantRunner(inventory.participant, inventory.database, options)
            running = asyncio.create_task(runner.run(stop))
            await asyncio.wait([running], timeout=1.5)
            broker.set_up()
            assert set(await replies(1)) == {"c-1"}
            stop.set()
            await asyncio.wait_for(running, TIMEOUT)
            assert inventory.calls == ["c-1", "c-1"]
            assert await inventory.effects() == {"c-1": [1]}
