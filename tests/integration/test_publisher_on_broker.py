"""The publisher on a broker that refuses, hides and comes back: order kept, nothing lost, one producer at a time."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from saga_coordinator.handlers.records import Changes, OutboxMessage
from saga_coordinator.service.kafka.admin import NoSuchTopic
from saga_coordinator.service.kafka.publisher import KafkaPublisher
from saga_coordinator.service.settings import KafkaSettings
from tests.integration._support.posted import published
from tests.support.kafka.faulty_broker import ApiKey, FaultyBroker
from tests.unit.handlers._support.coordinator import open_coordinator
from tests.unit.handlers._support.eventually import eventually

pytestmark = pytest.mark.slow

TOPIC, PARTITIONS = "t", 6
MESSAGE_TOO_LARGE, NOT_ENOUGH_REPLICAS = 10, 19


@asynccontextmanager
async def publishing(broker: FaultyBroker, request_timeout: float = 1.0) -> AsyncIterator[KafkaPublisher]:
    settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, request_timeout=request_timeout)
    publisher = KafkaPublisher(settings, [TOPIC])
    try:
        await publisher.start()
        yield publisher
    finally:
        await publisher.stop()


def row(name: str, partition: int = 0, value: bytes = b"{}") -> OutboxMessage:
    return OutboxMessage(name, 0, TOPIC, partition, name.encode(), (("null", None), ("binary", b"\xff")), value)


async def written(broker: FaultyBroker) -> dict[int, list[bytes]]:
    """The keys of each partition, in order."""
    places = [TopicPartition(TOPIC, each) for each in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        found: dict[int, list[bytes]] = {each: [] for each in range(PARTITIONS)}
        async with asyncio.timeout(10):
            while [at for at, end in ends.items() if await consumer.position(at) < end]:
                for at, records in (await consumer.getmany(timeout_ms=100)).items():
                    found[at.partition] += [record.key for record in records]
    finally:
        await consumer.stop()
    return found


async def test_rows_of_any_size_that_is_allowed_are_written_in_order() -> None:
    with FaultyBroker({TOPIC: PARTITIONS}) as broker:
        async with publishing(broker, request_timeout=10) as publisher:
            rows = [
                row(f"m-{number}", value=b"x" * size) for number, size in enumerate((10, 600_000, 990_000, 10, 899_990))
            ]
            assert await published(publisher, rows) == [2, 1, 1, 1]
        assert (await written(broker))[0] == [each.key for each in rows]


async def test_keys_go_where_every_standard_client_puts_them() -> None:
    with FaultyBroker({TOPIC: PARTITIONS}) as broker:
        async with publishing(broker) as publisher:
            # Apache Kafka's own vectors for murmur2 (clients/src/test, UtilsTest), made positive.
            vectors = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
            for key, hashed in vectors.items():
                assert publisher.partition(TOPIC, key) == (hashed & 0x7FFFFFFF) % PARTITIONS
            with pytest.raises(NoSuchTopic, match="saga topics apply"):
                publisher.partition("nowhere", b"k")


async def test_a_refusal_for_good_is_raised_and_the_next_attempt_has_a_new_producer() -> None:
    with FaultyBroker({TOPIC: PARTITIONS}) as broker:
        async with publishing(broker) as publisher:
            broker.push_request_errors(ApiKey.PRODUCE, [MESSAGE_TOO_LARGE])
            with pytest.raises(KafkaError):
                await published(publisher, [row("m-1")])
            await published(publisher, [row("m-1")])
        assert (await written(broker))[0] == [b"m-1"]


async def test_a_refusal_for_now_is_waited_out() -> None:
    with FaultyBroker({TOPIC: PARTITIONS}) as broker:
        async with publishing(broker, request_timeout=5) as publisher:
            broker.push_request_errors(ApiKey.PRODUCE, [NOT_ENOUGH_REPLICAS] * 3)
            await published(publisher, [row("m-1"), row("m-2")])
        assert (await written(broker))[0] == [b"m-1", b"m-2"]


async def test_a_broker_that_is_away_is_an_error_in_time_and_nothing_is_lost_when_it_is_back(tmp_path: Path) -> None:
    with FaultyBroker({TOPIC: PARTITIONS}) as broker:
        async with (
            publishing(broker) as publisher,
            open_coordinator(tmp_path / "saga.db", publisher=publisher) as it,
            asyncio.TaskGroup() as tasks,
        ):
            relaying = tasks.create_task(it.relay.run())
            broker.set_down()
            rows = [row(f"m-{number}", number % PARTITIONS) for number in range(24)]
            it.relay.push(await it.store.transact(lambda tx: tx.save(Changes(outbox=rows))))
            await eventually(lambda: len(it.watcher.troubles) >= PARTITIONS, "every lane has failed")
            broker.set_up()
            await it.relay.wait_until_drained()
            relaying.cancel()
        found = await written(broker)
        for partition in range(PARTITIONS):
            assert list(dict.fromkeys(found[partition])) == [each.key for each in rows if each.partition == partition]


async def test_lanes_that_fail_together_share_one_new_producer(tmp_path: Path) -> None:
    """A second one would stay connected without end: nobody stops it."""
    with FaultyBroker({TOPIC: PARTITIONS}) as broker:
        async with (
            publishing(broker) as publisher,
            open_coordinator(tmp_path / "saga.db", publisher=publisher) as it,
            asyncio.TaskGroup() as tasks,
        ):
            broker.push_request_errors(ApiKey.PRODUCE, [MESSAGE_TOO_LARGE] * 2)
            rows = [row(f"m-{number}", number % PARTITIONS) for number in range(24)]
            it.relay.push(await it.store.transact(lambda tx: tx.save(Changes(outbox=rows))))
            relaying = tasks.create_task(it.relay.run())
            await it.relay.wait_until_drained()
            assert it.watcher.troubles
            relaying.cancel()
        found = await written(broker)
        assert {name for keys in found.values() for name in keys} == {each.key for each in rows}
        assert unclosed() == []


def unclosed() -> list[AIOKafkaProducer]:
    """The producers that nobody has stopped."""
    found = [each for each in gc.get_objects() if isinstance(each, AIOKafkaProducer)]
    return [each for each in found if not each._closed]  # noqa: SLF001  there is no public attribute
