"""A service between two brokers, so that errors meet it alone: one that it reads from, one that it writes to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.integration._support.on_broker import PARTITIONS, TOPICS, Running, World, serving
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import EVENTS, REPLIES

READ, WRITTEN = 1, 2
"""The broker that leads what the service reads, and coordinates its group; and the one that leads what it writes."""

GROUP: Final = "group"
READY_WITHIN_S: Final = 40.0
SESSION_TIMEOUT_S: Final = 1.2
"""Above one second this is the time that the embedded broker takes to reassign partitions."""


class Scene(NamedTuple):
    """A service that runs, the world around it, and the brokers between them."""

    broker: FaultyBroker
    world: World
    it: Running


@asynccontextmanager
async def scene(path: Path, request_timeout: float = 2.0) -> AsyncIterator[Scene]:
    """A service that has done an order, so that all clients know all topics, on a database file."""
    async with (
        brokers(2) as broker,
        World(broker) as world,
        serving(broker, path, request_timeout=request_timeout, session_timeout=SESSION_TIMEOUT_S, group=GROUP) as it,
    ):
        await eventually(lambda: it.service.health.is_ready, "the service is ready", READY_WITHIN_S)
        await world.order("before")
        await eventually(lambda: "before" in world.published_outcomes(), "it has done an order", READY_WITHIN_S)
        yield Scene(broker, world, it)


@asynccontextmanager
async def brokers(number: int) -> AsyncIterator[FaultyBroker]:
    """The brokers, or one of them. To begin takes a second or two, in which services beside are not to stand still."""
    ending = ExitStack()
    broker = FaultyBroker(TOPICS, brokers=number)
    try:
        await asyncio.to_thread(ending.enter_context, broker)
        if number > 1:
            await asyncio.to_thread(_part, broker)
        yield broker
    finally:
        await asyncio.to_thread(ending.close)


def _part(broker: FaultyBroker) -> None:
    for topic in TOPICS:
        for partition in range(PARTITIONS):
            broker.set_leader(topic, partition, READ if topic in {EVENTS, REPLIES} else WRITTEN)
    broker.set_coordinator(GROUP, READ)
