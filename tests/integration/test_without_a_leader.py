"""A partition without a leader answers nobody: all others are taken in, and readiness names the one."""

from pathlib import Path

import pytest
from aiokafka.partitioner import murmur2

from tests.integration._support.on_broker import TOPICS, World, serving
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import EVENTS

pytestmark = pytest.mark.slow

NOBODY, SOMEBODY = -1, 1


def orders(partition: int) -> list[str]:
    """Three orders that belong to a partition."""
    names = (f"o-{number}" for number in range(40))
    return [name for name in names if (murmur2(name.encode()) & 0x7FFFFFFF) % 2 == partition][:3]


async def test_a_partition_without_a_leader_keeps_nobody_from_the_others_i29(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            await world.order(*orders(0), *orders(1))
            broker.set_leader(EVENTS, 1, NOBODY)
            async with serving(broker, tmp_path / "saga.db", request_timeout=2.0) as it:
                await world.outcomes(*orders(0))
                reasons = [str(check.reason) for check in it.service.health.checks if not check.is_ok]
                assert any(f"{EVENTS}:1 does not report where its log ends" in reason for reason in reasons), reasons
                assert it.service.consumer.caught_up.is_set(), "timers fire"
                assert not set(orders(1)) & world.published_outcomes().keys()

                broker.set_leader(EVENTS, 1, SOMEBODY)
                await world.outcomes(*orders(1))
                await eventually(lambda: it.service.health.is_ready, "it is ready")
