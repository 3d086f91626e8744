"""A task that a client of aiokafka runs for itself ends by an error: the client is replaced, and work goes on.

So it happened at one restart of a broker in ten: what is written to a connection that was closed a moment ago raises
`RuntimeError` under uvloop, which aiokafka does not expect (aio-libs/aiokafka#1038).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from saga_coordinator.service.kafka.aiokafka_internals import task_error
from tests.integration._support.two_brokers import Scene, scene
from tests.unit.handlers._support.eventually import eventually

pytestmark = pytest.mark.slow


def learning(consumer: Any) -> Any:  # noqa: ANN401  aiokafka carries no types
    """Let a consumer learn of no broker any more."""
    consumer._client._metadata_update = broken  # noqa: SLF001
    consumer._client.force_metadata_update()  # noqa: SLF001
    return consumer._client._sync_task  # noqa: SLF001


def fetching(consumer: Any) -> Any:  # noqa: ANN401  aiokafka carries no types
    """Let a consumer fetch nothing any more."""
    consumer._fetcher._get_actions_per_node = broken  # noqa: SLF001
    return consumer._fetcher._fetch_task  # noqa: SLF001


def beating(consumer: Any) -> Any:  # noqa: ANN401  aiokafka carries no types
    """Let a consumer's heart beat no more."""
    consumer._coordinator._do_heartbeat = broken  # noqa: SLF001
    return consumer._coordinator._heartbeat_task  # noqa: SLF001


def broken(*_: object) -> None:
    """Fail as a write to a connection does that was closed."""
    raise RuntimeError("the handler is closed")


@pytest.mark.parametrize("breaking", [learning, fetching, beating])
async def test_a_consumer_that_has_lost_a_task_is_replaced(tmp_path: Path, breaking: Callable[[Any], Any]) -> None:
    async with scene(tmp_path / "saga.db", request_timeout=1.0) as here:
        consumer = consumer_of(here)
        task = breaking(consumer)
        await eventually(lambda: task_error(task) is not None, "the task has ended")
        await eventually(lambda: consumer_of(here) not in {consumer, None}, "it is replaced")
        await here.world.order("o")
        await here.world.outcomes("o")
        await eventually(lambda: here.it.service.health.is_ready, "it is ready again")


async def test_a_producer_that_learns_of_no_broker_any_more_is_replaced(tmp_path: Path) -> None:
    async with scene(tmp_path / "saga.db", request_timeout=1.0) as here:
        producer: Any = here.it.service.publisher._producer  # noqa: SLF001  to break it
        producer.client._metadata_update = broken  # noqa: SLF001
        producer.client.force_metadata_update()
        await eventually(lambda: task_error(producer.client._sync_task) is not None, "the task has ended")  # noqa: SLF001
        await here.world.order("o")
        await here.world.outcomes("o")
        assert here.it.service.publisher._producer is not producer  # noqa: SLF001
        assert here.it.service.health.is_ready


def consumer_of(here: Scene) -> Any:  # noqa: ANN401  aiokafka carries no types
    return here.it.service.consumer._consumer  # noqa: SLF001  to break it
