"""The group rebalances at a bad moment, or without end: nothing hangs, and readiness reports it."""

import asyncio
from pathlib import Path

import pytest

from tests.integration._support.on_broker import TOPICS, Running, World, serving
from tests.support.kafka.faulty_broker import ApiKey, FaultyBroker
from tests.unit.handlers._support.eventually import eventually

pytestmark = pytest.mark.slow

COORDINATOR_LOAD_IN_PROGRESS, ILLEGAL_GENERATION = 14, 22
UNLIMITED = 10_000
STOPS_WITHIN_S = 5.0


async def test_new_partitions_while_it_catches_up_do_not_stop_it(tmp_path: Path) -> None:
    """In a group that has never committed a partition that has just been given out stands nowhere."""
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            world.is_silent = True
            await world.order(*(f"o-{number}" for number in range(300)))
            broker.push_broker_errors(1, ApiKey.HEARTBEAT, [ILLEGAL_GENERATION])
            async with serving(broker, tmp_path / "saga.db", batch=1) as it:
                await eventually(lambda: broker.unmet_errors(1, ApiKey.HEARTBEAT) == 0, "it must rejoin")
                assert not it.service.consumer.caught_up.is_set()
                await eventually(it.service.consumer.caught_up.is_set, "it has caught up")
                assert it.rows("SELECT count(*) FROM instance") == [(300,)]


async def test_while_the_group_gives_it_no_partitions_it_is_not_ready_and_then_it_goes_on(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db", request_timeout=1.0) as it:
            await it.ready()
            await shut_out(broker, it)
            await world.order("placed meanwhile")
            broker.clear_request_errors(ApiKey.JOIN_GROUP)
            await world.outcomes("placed meanwhile")
            await it.ready()


async def test_it_can_be_stopped_while_the_group_assigns_no_partitions(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with serving(broker, tmp_path / "saga.db", request_timeout=1.0) as it:
            await it.ready()
            await shut_out(broker, it)
            assert it.task is not None
            it.stop.set()
            async with asyncio.timeout(STOPS_WITHIN_S):
                await it.task


async def shut_out(broker: FaultyBroker, it: Running) -> None:
    """Make the service rejoin the group without success; return when readiness reports it."""
    broker.push_request_errors(ApiKey.JOIN_GROUP, [COORDINATOR_LOAD_IN_PROGRESS] * UNLIMITED)
    broker.push_request_errors(ApiKey.HEARTBEAT, [ILLEGAL_GENERATION])
    reason = "has not assigned its partitions for"
    await eventually(lambda: reason in str(it.service.health.checks), "readiness says that it has no partitions")
    assert not it.service.health.is_ready
