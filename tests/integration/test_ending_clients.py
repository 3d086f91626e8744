"""Clients of aiokafka end within seconds, whatever the broker does, and leave nothing running behind them."""

import asyncio
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.service.kafka.publisher import KafkaPublisher
from saga_coordinator.service.settings import KafkaSettings
from tests.integration._support.kafka_errors import Code
from tests.integration._support.posted import post, published
from tests.integration._support.two_brokers import READ, WRITTEN, Scene, scene
from tests.support.kafka.faulty_broker import ApiKey, FaultyBroker
from tests.unit.handlers._support.eventually import eventually

pytestmark = pytest.mark.slow

UNLIMITED = 10_000


async def test_a_consumer_that_is_replaced_while_its_fetches_fail_does_not_take_the_feed_with_it(
    tmp_path: Path,
) -> None:
    """A fetch that has just failed is cancelled, and aiokafka passes that on to the caller that stops the consumer."""
    async with scene(tmp_path / "saga.db", request_timeout=1.0) as here:
        here.broker.push_broker_errors(READ, ApiKey.FETCH, [Code.DISCONNECTED] * 20)
        await eventually(lambda: here.broker.unmet_errors(READ, ApiKey.FETCH) < 20, "its fetches fail")
        here.broker.push_broker_errors(READ, ApiKey.HEARTBEAT, [Code.UNKNOWN_SERVER_ERROR])
        await eventually(lambda: not here.it.service.health.is_ready, "it has met an error that is final")
        await here.world.order("o")
        await here.world.outcomes("o")
        await eventually(lambda: here.it.service.health.is_ready, "it is ready again")


async def test_a_consumer_whose_broker_does_not_let_it_go_leaves_nothing_running(tmp_path: Path) -> None:
    async with scene(tmp_path / "saga.db", request_timeout=1.0) as here:
        before = clients()
        here.broker.push_broker_errors(READ, ApiKey.JOIN_GROUP, [Code.NONE], delay_ms=6_000)
        here.broker.push_broker_errors(READ, ApiKey.HEARTBEAT, [Code.UNKNOWN_SERVER_ERROR])
        await eventually(lambda: "it did not stop" in notes(here), "a consumer was taken apart")
        await here.world.order("o")
        await here.world.outcomes("o")
        await eventually(lambda: clients() == before, f"there are {before} clients, as before")
    await eventually(lambda: clients() == 0, "all clients have ended")
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_producer_whose_other_batches_wait_leaves_nothing_running_when_it_is_replaced() -> None:
    with FaultyBroker({"t": 2}, brokers=2) as broker:
        broker.set_leader("t", 0, READ)
        broker.set_leader("t", 1, WRITTEN)
        publisher = KafkaPublisher(
            KafkaSettings(bootstrap_servers=broker.bootstrap_servers, request_timeout=5.0), ["t"]
        )
        await publisher.start()
        broker.push_broker_errors(READ, ApiKey.PRODUCE, [Code.NOT_ENOUGH_REPLICAS] * UNLIMITED)
        broker.push_broker_errors(WRITTEN, ApiKey.PRODUCE, [Code.INVALID_RECORD])
        waiting = post(publisher, [row("waits", 0)])
        await eventually(lambda: broker.unmet_errors(READ, ApiKey.PRODUCE) < UNLIMITED, "a batch waits for replicas")
        with pytest.raises(KafkaError):
            await published(publisher, [row("is refused", 1)])
        with pytest.raises(KafkaError):
            await waiting
        await published(publisher, [row("goes out", 1)])
        await publisher.stop()
        await eventually(lambda: clients() == 0, "all clients have ended")
        assert asyncio.all_tasks() == {asyncio.current_task()}


def clients() -> int:
    """How many clients of aiokafka run: each looks after its metadata."""
    return sum("_md_synchronizer" in repr(task) for task in asyncio.all_tasks())


def notes(here: Scene) -> str:
    """What was noted beside the troubles of a service."""
    return str([getattr(error, "__notes__", []) for _, error in here.it.watcher.troubles])


def row(name: str, partition: int) -> OutboxMessage:
    return OutboxMessage(name, 0, "t", partition, name.encode(), (), b"{}")
