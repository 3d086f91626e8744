"""The private parts of aiokafka that the service relies on are there: an upgrade that changes one fails here."""

import inspect
from asyncio import Future

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.structs import OffsetAndMetadata

from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.service.kafka.aiokafka_internals import (
    allowed_on_group,
    allowed_on_topics,
    committed_offsets,
    consumer_error,
    describe_topics,
    fill_batch,
    post_batch,
    producer_error,
    topic_errors,
)
from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.settings import KafkaSettings
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.support.kafka_fixtures import RealKafka
from tests.support.project_tree import ROOT

pytestmark = pytest.mark.slow

UNKNOWN_TOPIC = 3


async def test_the_private_parts_of_its_clients_are_those_that_the_service_uses() -> None:
    with FaultyBroker({"t": 1}) as broker:
        options = connection(KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
        consumer = AIOKafkaConsumer("t", **options, group_id="g", session_timeout_ms=6_000)
        producer, admin = AIOKafkaProducer(**options), AIOKafkaAdminClient(**options)
        clients = (consumer, producer, admin)
        for client in clients:
            await client.start()
        try:
            coordinator, fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001
            tasks = [
                consumer._client._sync_task,  # noqa: SLF001
                coordinator._coordination_task,  # noqa: SLF001
                coordinator._heartbeat_task,  # noqa: SLF001
                coordinator._commit_refresh_task,  # noqa: SLF001
                fetcher._fetch_task,  # noqa: SLF001
                producer.client._sync_task,  # noqa: SLF001
                producer._sender.sender_task,  # noqa: SLF001
            ]
            assert [task for task in tasks if task is not None and not isinstance(task, Future)] == []
            assert tasks[0] is not None
            assert tasks[-2:] != [None, None]
            assert all(isinstance(task, Future) for task in fetcher._pending_tasks)  # noqa: SLF001
            assert callable(producer._message_accumulator.fail_all)  # noqa: SLF001
            batch, count = fill_batch([OutboxMessage("m", 0, "t", 0, b"k", (("name", b"value"),), b"v")], 1_000)
            assert post_batch(producer, TopicPartition("t", 0), batch) is None, "it knows no leader yet"
            assert await producer.partitions_for("t") == {0}
            posted = post_batch(producer, TopicPartition("t", 0), batch)
            assert posted is not None
            assert (count, (await posted).offset) == (1, 0)
            assert (consumer_error(consumer), producer_error(producer)) == (None, None)
            assert await topic_errors(admin, ["t", "nobody-made-it"]) == {"t": 0, "nobody-made-it": UNKNOWN_TOPIC}
            assert await allowed_on_topics(admin, ["t"]) == {}
            assert await allowed_on_group(admin, "g") is None
            cluster_id, described = await describe_topics(consumer, ["t", "nobody-made-it"])
            assert (cluster_id or "").startswith("mockCluster")
            assert [(name, len(each.id or ""), each.partitions) for name, each in described.items()] == [("t", 22, [0])]
            await consumer.commit({TopicPartition("t", 0): (0, "metadata")})
            assert await committed_offsets(consumer, [TopicPartition("t", 0)]) == {
                TopicPartition("t", 0): OffsetAndMetadata(0, "metadata")
            }
        finally:
            for client in clients:
                await (client.close() if client is admin else client.stop())


@pytest.mark.kafka
async def test_a_broker_without_an_authorizer_reports_all_operations_on_what_exists(real_kafka: RealKafka) -> None:
    topic = real_kafka.fresh_topic(1)
    admin = AIOKafkaAdminClient(**connection(KafkaSettings(bootstrap_servers=real_kafka.bootstrap_servers)))
    await admin.start()
    try:
        on_topics = await allowed_on_topics(admin, [topic, "nobody-made-it"])
        await has_groups(real_kafka.bootstrap_servers, topic)
        on_group = await allowed_on_group(admin, "nobody-joined-it")
    finally:
        await admin.close()
    assert on_topics == {topic: {"Read", "Write", "Describe", "DescribeConfigs"}}
    assert {"Read", "Describe"} <= set(on_group or ()) <= {"Read", "Describe", "DescribeConfigs"}


async def has_groups(bootstrap_servers: str, topic: str) -> None:
    """Join a group: a new Kafka has none before."""
    options = connection(KafkaSettings(bootstrap_servers=bootstrap_servers))
    consumer = AIOKafkaConsumer(topic, **options, group_id="g")
    await consumer.start()
    await consumer.stop()


def test_a_connection_is_closed_with_a_reason_after_a_request_that_it_cannot_write() -> None:
    assert "reason" in inspect.signature(AIOKafkaConnection.close).parameters
    assert "CONNECTION_BROKEN" in CloseReason.__members__


def test_no_other_file_of_the_service_uses_a_private_part() -> None:
    private = (
        "._client",
        "._coordinator",
        "._fetcher",
        "._sender",
        "._message_accumulator",
        "._sync_task",
        "._subscription",
    )
    files = [file for file in (ROOT / "service/kafka").glob("*.py") if file.name != "aiokafka_internals.py"]
    assert len(files) > 5
    found = {file.name: part for file in files for part in private if part in file.read_text(encoding="utf-8")}
    assert found == {"embedded_broker.py": "._client"}, "that one has a client of librdkafka of its own"
