"""The handlers of this checkout on a real SQLite file, without Kafka: a publisher that acknowledges at once."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from zlib import crc32

from saga_coordinator.handlers.bootstrap import Handlers, wire_handlers
from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES
from saga_coordinator.handlers.ports import Done, Lane, Observer
from saga_coordinator.handlers.records import OutboxMessage, PartitionOfTopic
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.handlers.trace_context import Sampler
from saga_coordinator.sagas.catalog import catalog
from saga_coordinator.service.clock import SystemClock
from saga_coordinator.service.storage.sqlite.store import SqliteStore

PARTITIONS = 4


def partition_of(key: bytes) -> int:
    """Return the partition of a key, the same for each topic."""
    return crc32(key) % PARTITIONS


class Acknowledging:
    """A publisher that acknowledges at once; see `handlers.ports.Publisher`."""

    def partition(self, topic: str, key: bytes) -> int:  # noqa: ARG002  the port's form
        return partition_of(key)

    def max_message_bytes(self, topic: str) -> int:  # noqa: ARG002  the port's form
        return MAX_MESSAGE_BYTES

    def post(self, lanes: Mapping[Lane, Sequence[OutboxMessage]], done: Done) -> None:
        loop = asyncio.get_running_loop()
        for lane, rows in lanes.items():
            loop.call_soon(done, lane, len(rows))


@asynccontextmanager
async def handlers(
    database: Path, topics: Collection[str], observer: Observer, sampler: Sampler
) -> AsyncIterator[Handlers]:
    """Yield the handlers, which own all partitions of these topics."""
    routes = Routes(catalog)
    store = SqliteStore(database, routes.saga_of)
    await store.open()
    try:
        wired = wire_handlers(
            routes,
            store=store,
            publisher=Acknowledging(),
            clock=SystemClock(),
            observer=observer,
            sampler=sampler,
            group="saga-coordinator",
        )
        places = [PartitionOfTopic(topic, number, None) for topic in topics for number in range(PARTITIONS)]
        await store.register(None, places)
        for topic, number, _ in places:
            wired.leases.add(await store.acquire(topic, number, "bench", start=0))
        yield wired
    finally:
        await store.close()
