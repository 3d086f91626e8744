"""Two consumers of one group on one store: partitions change hands, only the holder of a lease writes."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from saga_coordinator.handlers.backoff import INITIAL_BACKOFF
from saga_coordinator.handlers.bootstrap import Handlers, wire_handlers
from saga_coordinator.handlers.records import Lease
from saga_coordinator.service.clock import SystemClock
from saga_coordinator.service.health import CHECKS, Health
from saga_coordinator.service.kafka.consumer import KafkaConsumer
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from tests.integration._support.on_broker import COMMANDS, TOPICS, Running, World, serving
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.coordinator import Watcher, sampled
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import EVENTS, REPLIES

pytestmark = pytest.mark.slow

EVERYTHING = {(topic, partition) for topic in (EVENTS, REPLIES) for partition in range(2)}
TWICE = 'SELECT topic FROM history WHERE topic IS NOT NULL GROUP BY topic, partition, "offset" HAVING count(*) > 1'
EARLIER = "a-second-coordinator"
"""The embedded broker lets a second member in only if its name comes before the first one's."""


@dataclass
class Second:
    """A second consumer beside the service's own: leases, memory, intake and relay of its own, the same store."""

    consumer: KafkaConsumer
    handlers: Handlers
    watcher: Watcher

    @property
    def owned(self) -> set[tuple[str, int]]:
        return set(self.handlers.leases.owned())


def beside(it: Running) -> Second:
    service, watcher = it.service, Watcher()
    handlers = wire_handlers(
        service.routes,
        store=service.store,
        publisher=service.publisher,
        clock=SystemClock(),
        observer=watcher,
        sampler=sampled,
    )
    consumer = KafkaConsumer(
        settings=service.settings,
        topics=service.routes.topics_in,
        owner=EARLIER,
        handlers=handlers,
        store=service.store,
        health=Health(CHECKS),
        observer=watcher,
    )
    return Second(consumer, handlers, watcher)


@asynccontextmanager
async def joined(it: Running) -> AsyncIterator[Second]:
    """A second consumer in the group; in the end it leaves."""
    second, stop = beside(it), asyncio.Event()
    relaying = asyncio.create_task(second.handlers.relay.run())
    running = asyncio.create_task(second.consumer.run(stop))
    try:
        yield second
    finally:
        stop.set()
        await running
        await second.handlers.relay.wait_until_drained()
        relaying.cancel()


async def test_after_a_rebalance_only_the_holder_of_a_lease_writes_and_no_offset_is_applied_twice_i25_i26(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteStore, "is_shared", True)
    orders = [f"o-{number}" for number in range(60)]
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db") as it:
            first = it.service.handlers.leases  # what the service believes to own
            await it.ready()
            await world.order(*orders[:20])
            async with joined(it) as second:
                await eventually(
                    lambda: len(second.owned) == 2 and set(first.owned()) == EVERYTHING - second.owned, "shared"
                )
                await world.order(*orders[20:40])
                await world.outcomes(*orders[:40])
                assert second.watcher.turns, "the second consumer took nothing in: it shows nothing"
                await check_fence(it, second, world)
            await world.order(*orders[40:])
            await eventually(lambda: set(first.owned()) == EVERYTHING, "all is the first one's again")
            await world.outcomes(*orders)

            assert it.rows(TWICE) == []
            sent = Counter(row.message_id for topic in COMMANDS for row in world.of(topic))
            copied = {command for command, copies in sent.items() if copies > 1}
            others = it.rows("SELECT verdict, causation_id FROM history WHERE verdict <> 'applied'")
            assert {verdict for verdict, _ in others} <= {"duplicate"}
            assert {command for _, command in others} <= copied, "each answers a copy, sent at the takeover"
            assert {len(types) for types in world.published_outcomes().values()} == {1}


async def check_fence(it: Running, second: Second, world: World) -> None:
    """The first one, believing in an older epoch, writes nothing of a partition that is the second one's."""
    topic, partition = next(iter(second.owned & {(EVENTS, 0), (EVENTS, 1)}))
    leases = it.rows("SELECT topic, partition, epoch, next_offset FROM lease")
    epoch, next_offset = next((epoch, offset) for *at, epoch, offset in leases if at == [topic, partition])
    first = it.service.handlers.leases  # made to believe what was true before the takeover
    first.add(Lease(topic, partition, epoch - 1, next_offset))
    stale = world.log.placed("o-stale", partition=partition)
    stale = stale._replace(place=stale.place._replace(offset=next_offset))
    await it.service.handlers.intake.receive([stale])  # as a poll that came back late would
    assert it.rows("SELECT 1 FROM instance WHERE correlation = 'o-stale'") == []
    assert (topic, partition) not in first.owned()


async def test_one_that_is_overtaken_again_and_again_waits_longer_each_time_i25(
    tmp_path: Path,
) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db") as it:
            await it.ready()
            store, publisher = it.service.store, it.service.publisher
            names = [name for name in (f"o-{n}" for n in range(40)) if publisher.partition(REPLIES, name.encode()) == 0]
            began, takeovers = time.monotonic(), 5
            for name in names[:takeovers]:
                zombies = await store.acquire(EVENTS, 0, "a zombie")
                await world.order(name)
                await world.outcomes(name)
                (epoch,) = it.rows("SELECT epoch FROM lease WHERE topic = 'orders.events.v1' AND partition = 0")
                assert epoch > (zombies.epoch,)
            assert time.monotonic() - began >= sum(INITIAL_BACKOFF / 2 * 2**number for number in range(takeovers))
            assert it.rows(TWICE) == []
