"""A broker that answers, but lets nothing be read: aiokafka only logs it, so the service must detect it."""

from pathlib import Path

import pytest

from saga_coordinator.handlers.records import OutboxMessage
from tests.integration._support.on_broker import COMMANDS, PARTITIONS
from tests.integration._support.two_brokers import READ, WRITTEN, Scene, scene
from tests.support.kafka.faulty_broker import ApiKey
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import EVENTS, REPLIES

pytestmark = pytest.mark.slow

UNKNOWN_SERVER_ERROR, CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER = -1, 2, 3, 6
TOPIC_AUTHORIZATION_FAILED = 29
FIRST = 2
"""The commands that an order begins with."""
UNLIMITED = 100_000
SOON_S = 10.0
"""aiokafka alone would check after half a minute."""


@pytest.mark.parametrize("code", [UNKNOWN_SERVER_ERROR, CORRUPT_MESSAGE])
async def test_while_every_fetch_fails_it_is_not_ready_and_then_it_goes_on(code: int, tmp_path: Path) -> None:
    async with scene(tmp_path / "saga.db", request_timeout=1.0) as here:
        here.broker.push_request_errors(ApiKey.FETCH, [code] * UNLIMITED)
        await here.world.order("placed meanwhile")
        await not_ready(here, f"{EVENTS}:0 cannot be read")
        here.broker.clear_request_errors(ApiKey.FETCH)
        await here.world.outcomes("placed meanwhile")
        await here.it.ready()


async def test_while_the_broker_does_not_describe_a_topic_it_is_not_ready_and_asks_again_soon(tmp_path: Path) -> None:
    """The group gives it no partition of such a topic, and it has nothing that could fail."""
    async with scene(tmp_path / "saga.db", request_timeout=1.0) as here:
        here.broker.set_topic_error(EVENTS, UNKNOWN_TOPIC_OR_PARTITION)
        here.broker.push_broker_errors(READ, ApiKey.FETCH, [NOT_LEADER_OR_FOLLOWER])
        await not_ready(here, f"the broker does not describe {EVENTS}")
        here.broker.set_topic_error(EVENTS, 0)
        await eventually(lambda: here.it.service.health.is_ready, "it is ready again", SOON_S)
        await here.world.order("placed afterwards")
        await eventually(lambda: "placed afterwards" in here.world.published_outcomes(), "an order has ended", SOON_S)


async def test_a_topic_that_may_not_be_read_is_named_and_stops_no_other_i29(tmp_path: Path) -> None:
    async with scene(tmp_path / "saga.db", request_timeout=1.0) as here:
        for partition in range(PARTITIONS):
            here.broker.set_leader(REPLIES, partition, WRITTEN)
        await here.it.ready()
        here.world.is_silent = True
        await here.world.order("o-1")
        await eventually(lambda: len(commands(here)) == FIRST, "the first commands")
        here.broker.push_broker_errors(READ, ApiKey.FETCH, [TOPIC_AUTHORIZATION_FAILED] * UNLIMITED)
        await not_ready(here, "cannot be read: [Error 29] TopicAuthorizationFailedError")
        here.world.is_silent = False
        await here.world.send(*map(here.world.log.answer, commands(here)))
        await here.world.outcomes("o-1")
        assert "the consumer starts again" not in {what for what, _ in here.it.watcher.troubles}


def commands(here: Scene) -> list[OutboxMessage]:
    return [row for row in here.world.received if row.topic in COMMANDS and row.key == b"o-1"]


async def not_ready(here: Scene, why: str) -> None:
    health = here.it.service.health
    await eventually(lambda: not health.is_ready and why in str(health.checks), f"readiness says: {why}")
