"""The task by which a client of aiokafka learns of brokers ends by an error: the client is replaced, and work goes on.

So it happened under uvloop, one broker's restart in ten: what is written to a connection that was closed a moment ago
raises `RuntimeError` there, which aiokafka does not expect (aio-libs/aiokafka#1038).
"""

from pathlib import Path
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

from service.kafka import metadata
from tests.handlers.eventually import eventually
from tests.integration.two_brokers import scene

pytestmark = pytest.mark.slow


async def test_a_consumer_that_learns_of_no_broker_any_more_is_replaced(tmp_path: Path) -> None:
    async with scene(tmp_path / "saga.db", request_timeout=1.0) as here:
        consumer: Any = here.it.service.feed._consumer  # noqa: SLF001  to break it
        await lose(consumer._client)  # noqa: SLF001
        await eventually(lambda: here.it.service.feed._consumer not in {consumer, None}, "it is replaced")  # noqa: SLF001
        await here.world.order("o")
        await here.world.outcomes("o")
        await eventually(lambda: here.it.service.health.is_ready, "it is ready again")


async def test_a_producer_that_learns_of_no_broker_any_more_is_replaced(tmp_path: Path) -> None:
    async with scene(tmp_path / "saga.db", request_timeout=1.0) as here:
        producer: Any = here.it.service.publisher._producer  # noqa: SLF001  to break it
        await lose(producer.client)
        await here.world.order("o")
        await here.world.outcomes("o")
        assert here.it.service.publisher._producer is not producer  # noqa: SLF001
        assert here.it.service.health.is_ready


async def lose(client: AIOKafkaClient) -> None:
    """Let the client's task end by an error that aiokafka does not expect."""

    async def update(*_: object) -> bool:
        raise RuntimeError("the handler is closed")

    client._metadata_update = update  # noqa: SLF001
    client.force_metadata_update()
    await eventually(lambda: metadata.lost(client) is not None, "the task has ended")
