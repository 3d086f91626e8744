"""A service between two brokers, so that errors meet it alone: one that it reads from, one that it writes to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from service.kafka.embedded import EmbeddedBroker
from tests.handlers.order_log import EVENTS, REPLIES
from tests.integration.on_broker import PARTITIONS, TOPICS, Running, World, serving

READ, WRITTEN = 1, 2
"""The broker that leads what the service reads, and coordinates its group; and the one that leads what it writes."""

GROUP: Final = "group"
SESSION_TIMEOUT_S: Final = 1.2
"""What is above one second is the time that the embedded broker takes to give out partitions anew."""


class Scene(NamedTuple):
    """A service that runs, the world around it, and the brokers between them."""

    broker: EmbeddedBroker
    world: World
    it: Running


@asynccontextmanager
async def scene(path: Path, request_timeout: float = 2.0) -> AsyncIterator[Scene]:
    """A service that is ready, on a database file."""
    with EmbeddedBroker(TOPICS, brokers=2) as broker:
        for topic in TOPICS:
            for partition in range(PARTITIONS):
                broker.set_leader(topic, partition, READ if topic in {EVENTS, REPLIES} else WRITTEN)
        broker.set_coordinator(GROUP, READ)
        async with (
            World(broker) as world,
            serving(
                broker, path, request_timeout=request_timeout, session_timeout=SESSION_TIMEOUT_S, group=GROUP
            ) as it,
        ):
            await it.ready()
            yield Scene(broker, world, it)
