"""A broker that answers, but lets nothing be read: aiokafka only logs it, so the service must detect it."""

from pathlib import Path

import pytest

from tests.integration._support.two_brokers import READ, Scene, scene
from tests.support.kafka.faulty_broker import ApiKey
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import EVENTS

pytestmark = pytest.mark.slow

UNKNOWN_SERVER_ERROR, CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER_OR_FOLLOWER = -1, 2, 3, 6
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


async def not_ready(here: Scene, why: str) -> None:
    health = here.it.service.health
    await eventually(lambda: not health.is_ready and why in str(health.checks), f"readiness says: {why}")
