"""The embedded broker does what its description says: as a real Kafka where we rely on it, and where it differs."""

import _ctypes
import asyncio
import socket
import time
import types
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import MessageSizeTooLargeError, OffsetOutOfRangeError
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import KafkaError, KafkaException, NewTopic
from psutil import Process

from saga_coordinator.service.errors import BrokerError
from saga_coordinator.service.kafka import embedded_broker as embedded
from tests.support.kafka.faulty_broker import DISCONNECT, ApiKey, FaultyBroker

pytestmark = pytest.mark.slow

PARTITION = TopicPartition("orders", 0)


@asynccontextmanager
async def producer_of(broker: FaultyBroker, request_timeout_ms: int = 40_000) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(
        bootstrap_servers=broker.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        request_timeout_ms=request_timeout_ms,
    ) as producer:
        yield producer


@asynccontextmanager
async def consumer_of(
    broker: FaultyBroker, group: str | None = "readers", instance: str | None = None
) -> AsyncIterator[AIOKafkaConsumer]:
    async with AIOKafkaConsumer(
        *(["orders"] if group else []),
        bootstrap_servers=broker.bootstrap_servers,
        group_id=group,
        group_instance_id=instance,
        enable_auto_commit=False,
        auto_offset_reset="earliest" if group else "none",
        isolation_level="read_committed",
        fetch_max_wait_ms=20,
        session_timeout_ms=1500,
        heartbeat_interval_ms=200,
    ) as consumer:
        yield consumer


async def read(consumer: AIOKafkaConsumer, count: int) -> list[ConsumerRecord]:
    records: list[ConsumerRecord] = []
    async with asyncio.timeout(20):
        while len(records) < count:
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                records += batch
    return records


async def write(producer: AIOKafkaProducer, *values: bytes) -> None:
    async with asyncio.timeout(20):
        for value in values:
            await producer.send_and_wait("orders", value, partition=0)


async def test_a_group_consumer_gets_what_an_idempotent_producer_sent_with_key_headers_and_time() -> None:
    headers = [("ce_id", b"1"), ("ce_id", b"2"), ("odd", b"\xff\x00")]
    with FaultyBroker({"orders": 3}) as broker:
        async with producer_of(broker) as producer, consumer_of(broker) as consumer:
            await producer.send_and_wait("orders", b"value", key=b"key", headers=headers, timestamp_ms=1234567)
            (record,) = await read(consumer, 1)
    assert (record.key, record.value, record.timestamp) == (b"key", b"value", 1234567)
    assert list(record.headers) == headers


async def test_records_of_one_partition_come_in_the_order_in_which_they_were_sent() -> None:
    values = [str(number).encode() for number in range(500)]
    with FaultyBroker({"orders": 1}) as broker:
        async with producer_of(broker) as producer, consumer_of(broker) as consumer:
            await asyncio.gather(*[await producer.send("orders", value) for value in values])
            records = await read(consumer, 500)
    assert [record.value for record in records] == values
    assert [record.offset for record in records] == list(range(500))


async def test_the_next_consumer_of_a_group_goes_on_at_the_committed_offset() -> None:
    with FaultyBroker({"orders": 1}) as broker:
        async with producer_of(broker) as producer:
            await write(producer, b"0", b"1", b"2")
        async with consumer_of(broker) as first:
            await read(first, 3)
            await first.commit({PARTITION: 2})
        async with consumer_of(broker) as second:
            assert await second.committed(PARTITION) == 2
            assert [record.offset for record in await read(second, 1)] == [2]


async def test_a_consumer_learns_begin_and_end_offsets_and_seeks_between_them() -> None:
    with FaultyBroker({"orders": 1}) as broker:
        async with producer_of(broker) as producer, consumer_of(broker, group=None) as consumer:
            await write(producer, b"0", b"1", b"2")
            assert await consumer.beginning_offsets([PARTITION]) == {PARTITION: 0}
            assert await consumer.end_offsets([PARTITION]) == {PARTITION: 3}
            consumer.assign([PARTITION])
            consumer.seek(PARTITION, 1)
            assert [record.value for record in await read(consumer, 2)] == [b"1", b"2"]


async def test_clients_of_both_libraries_read_what_the_other_wrote() -> None:
    with FaultyBroker({"orders": 1, "replies": 1}) as broker:
        theirs = Producer({"bootstrap.servers": broker.bootstrap_servers, "enable.idempotence": True})
        theirs.produce("orders", b"from confluent", key=b"k", headers=[("ce_id", b"1")])
        assert theirs.flush(10) == 0
        async with producer_of(broker) as producer, consumer_of(broker) as consumer:
            (record,) = await read(consumer, 1)
            await producer.send_and_wait("replies", b"from aiokafka", key=b"k", headers=[("ce_id", b"2")])
        consumer_config = {"group.id": "theirs", "auto.offset.reset": "earliest", "fetch.wait.max.ms": 20}
        reader = Consumer({"bootstrap.servers": broker.bootstrap_servers, **consumer_config})
        reader.subscribe(["replies"])
        (message,) = reader.consume(1, 10)
        reader.close()
    assert (record.value, list(record.headers)) == (b"from confluent", [("ce_id", b"1")])
    assert (message.value(), message.headers()) == (b"from aiokafka", [("ce_id", b"2")])


async def test_while_it_is_down_a_send_waits_and_when_it_is_up_again_nothing_is_lost() -> None:
    with FaultyBroker({"orders": 1}) as broker:
        address = broker.bootstrap_servers
        async with producer_of(broker) as producer, consumer_of(broker) as consumer:
            await write(producer, b"before")
            broker.set_down()
            with pytest.raises(ConnectionRefusedError):
                connect(address)
            sending = await producer.send("orders", b"while down", partition=0)
            assert not sending.done()
            broker.set_up()
            async with asyncio.timeout(20):
                await sending
            assert [record.value for record in await read(consumer, 2)] == [b"before", b"while down"]
        assert broker.bootstrap_servers == address


async def test_a_producer_gets_past_pushed_errors_that_may_be_tried_again() -> None:
    request_timed_out, not_leader = 7, 6
    with FaultyBroker({"orders": 1}) as broker:
        async with producer_of(broker) as producer, consumer_of(broker) as consumer:
            broker.push_request_errors(ApiKey.PRODUCE, [request_timed_out, not_leader, DISCONNECT])
            await write(producer, b"0", b"1")
            assert [record.value for record in await read(consumer, 2)] == [b"0", b"1"]


async def test_a_pushed_error_that_is_final_reaches_the_caller_once() -> None:
    message_too_large = 10
    with FaultyBroker({"orders": 1}) as broker:
        async with producer_of(broker) as producer:
            broker.push_request_errors(ApiKey.PRODUCE, [message_too_large])
            with pytest.raises(MessageSizeTooLargeError):
                await write(producer, b"refused")
            await write(producer, b"taken")


async def test_pushed_errors_that_were_cleared_are_met_by_nobody() -> None:
    with FaultyBroker({"orders": 1}) as broker:
        async with producer_of(broker) as producer:
            broker.push_request_errors(ApiKey.PRODUCE, [10])
            broker.clear_request_errors(ApiKey.PRODUCE)
            await write(producer, b"taken")


async def test_a_round_trip_takes_as_long_as_it_was_set_to() -> None:
    with FaultyBroker({"orders": 1}) as broker:
        async with producer_of(broker) as producer:
            await write(producer, b"warm")
            broker.set_rtt(200)
            begun = time.monotonic()
            await write(producer, b"slow")
            assert time.monotonic() - begun >= 0.2


async def test_a_batch_that_is_sent_again_because_its_answer_was_late_is_there_twice() -> None:
    with FaultyBroker({"orders": 1}) as broker:
        async with producer_of(broker, request_timeout_ms=300) as producer, consumer_of(broker, None) as consumer:
            await write(producer, b"warm")
            broker.set_rtt(400)
            sending = await producer.send("orders", b"twice", partition=0)
            async with asyncio.timeout(20):
                while (await consumer.end_offsets([PARTITION]))[PARTITION] < 3:
                    broker.set_rtt(0)  # answers on their way keep their delay, so the first one is still too late
                await sending


async def test_a_reader_before_the_truncated_log_gets_offset_out_of_range() -> None:
    with FaultyBroker({"orders": 1}) as broker:
        async with producer_of(broker) as producer, consumer_of(broker, group=None) as consumer:
            await write(producer, *[b"x"] * 10)
            broker.delete_records("orders", 0, before=7)
            assert await consumer.beginning_offsets([PARTITION]) == {PARTITION: 7}
            consumer.assign([PARTITION])
            consumer.seek(PARTITION, 6)
            with pytest.raises(OffsetOutOfRangeError):
                await read(consumer, 1)


async def test_a_recreated_topic_begins_at_offset_0() -> None:
    with FaultyBroker({"orders": 1}) as broker:
        async with producer_of(broker) as producer, consumer_of(broker, group=None) as consumer:
            await write(producer, b"0", b"1")
            broker.recreate_topic("orders", 1)
            assert await consumer.end_offsets([PARTITION]) == {PARTITION: 0}


async def test_two_members_settle_when_the_one_that_joins_later_leads() -> None:
    with FaultyBroker({"orders": 2}) as broker:
        async with (
            consumer_of(broker, instance="b") as follower,
            consumer_of(broker, instance="a") as leader,
            asyncio.timeout(20),
        ):
            while not (len(follower.assignment()) == len(leader.assignment()) == 1):
                await asyncio.gather(follower.getmany(timeout_ms=50), leader.getmany(timeout_ms=50))


def test_an_admin_client_gets_an_error_at_once_when_it_creates_topics() -> None:
    with FaultyBroker() as broker:
        admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        creating = admin.create_topics([NewTopic("orders", 1)], request_timeout=30)["orders"]
        with pytest.raises(KafkaException) as refusal:
            creating.result(10)
    assert refusal.value.args[0].code() == KafkaError._UNSUPPORTED_FEATURE  # noqa: SLF001 - the library's public name


def test_it_has_the_topics_that_it_was_asked_for() -> None:
    with FaultyBroker({"orders": 3}) as broker:
        broker.create_topic("replies", 2)
        topics = AdminClient({"bootstrap.servers": broker.bootstrap_servers}).list_topics(timeout=10).topics
    assert {name: len(topic.partitions) for name, topic in topics.items()} == {"orders": 3, "replies": 2}


def test_a_topic_that_exists_is_refused_with_its_name() -> None:
    with FaultyBroker({"orders": 1}) as broker, pytest.raises(BrokerError, match=r"orders .*already exists"):
        broker.create_topic("orders", 1)


def test_outside_its_block_it_says_that_it_does_not_run() -> None:
    broker = FaultyBroker()
    with pytest.raises(BrokerError, match="only within `with"):
        _ = broker.bootstrap_servers
    with broker:
        pass
    with pytest.raises(BrokerError, match="only within `with"):
        broker.set_down()


def test_it_leaves_no_thread_no_file_and_no_listener_behind() -> None:
    with FaultyBroker({"orders": 4}) as broker:
        address = broker.bootstrap_servers
    before = Process().num_threads(), Process().num_fds()
    for _ in range(5):
        with FaultyBroker({"orders": 4}):
            pass
    assert (Process().num_threads(), Process().num_fds()) == before
    with pytest.raises(ConnectionRefusedError):
        connect(address)


def test_it_frees_everything_when_a_topic_is_refused_at_the_start() -> None:
    with FaultyBroker():
        pass
    before = Process().num_threads(), Process().num_fds()
    with pytest.raises(BrokerError, match="orders"), FaultyBroker({"orders": 0}):
        pass
    assert (Process().num_threads(), Process().num_fds()) == before


def test_a_library_without_mock_cluster_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "cimpl", types.SimpleNamespace(__file__=_ctypes.__file__))
    with pytest.raises(BrokerError, match=r"_ctypes.*install confluent-kafka"):
        FaultyBroker()


def connect(address: str) -> None:
    host, _, port = address.partition(":")
    socket.create_connection((host, int(port)), timeout=5).close()
