"""The consumer as a member of the coordinators' group: its name, its options, and what it reports of its partitions."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from saga_coordinator.handlers.records import Place, Record
from saga_coordinator.service.kafka.aiokafka_internals import (
    name_undecodable_records,
    stop_consumer,
    wait_for_assignment,
)
from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.kafka.partitions import Assignment
from saga_coordinator.service.settings import KafkaSettings

LogRanges = Mapping[TopicPartition, tuple[int, int]]
"""The first offset of each log, and the one behind its last."""


def member_name(owner: str, retired: Collection[str]) -> str:
    """Name a static member after its owner, and after the topics that the owner has read and reads no more.

    A member that returns under its name keeps its assignment, and cannot join with another subscription.
    """
    if not retired:
        return owner
    return f"{owner}-{hashlib.sha256(' '.join(sorted(retired)).encode()).hexdigest()[:12]}"


Admit = Callable[[AIOKafkaConsumer], Awaitable[object]]
"""Asks Kafka by a consumer that is no member yet whether it may join, and raises if it may not."""


async def join(
    settings: KafkaSettings, topics: Collection[str], name: str, assignment: Assignment, admit: Admit
) -> AIOKafkaConsumer:
    """Start a consumer that joins the group under a name; its rebalances are recorded in `assignment`.

    Raises `KafkaError`, `TimeoutError`, and whatever `admit` raises; then nothing is left open.
    """
    name_undecodable_records()
    options = connection(settings)
    session_ms = int(settings.session_timeout * 1000)
    options["request_timeout_ms"] = max(options["request_timeout_ms"], session_ms + 5_000)
    consumer = AIOKafkaConsumer(
        **options,
        group_id=settings.group,
        group_instance_id=name,
        enable_auto_commit=False,
        auto_offset_reset="none",  # a log that is trimmed ahead of us is an error, not a place to jump to
        isolation_level="read_committed",
        max_poll_records=settings.batch,
        client_rack=settings.rack,
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=min(3_000, session_ms // 3),
        fetch_max_wait_ms=int(settings.fetch_wait * 1000),
    )
    try:
        async with asyncio.timeout(settings.request_timeout * 1.5):
            await consumer.start()
            await admit(consumer)
            consumer.subscribe(topics=list(topics), listener=assignment)
            await wait_for_assignment(consumer)
    except BaseException as error:
        if problem := await stop_consumer(consumer):
            error.add_note(f"and it did not stop: {type(problem).__name__} {problem}")
        raise
    return consumer


async def log_ranges(
    consumer: AIOKafkaConsumer, asked: Collection[TopicPartition], seconds: float
) -> tuple[LogRanges, Mapping[TopicPartition, Exception]]:
    """Return where logs begin and end, and the errors of the partitions that did not answer in time."""
    logs: dict[TopicPartition, tuple[int, int]] = {}
    failed: dict[TopicPartition, Exception] = {}

    async def ask(at: TopicPartition) -> None:
        try:
            async with asyncio.timeout(seconds):
                first, end = await consumer.beginning_offsets([at]), await consumer.end_offsets([at])
        except (KafkaError, TimeoutError) as error:
            failed[at] = error
        else:
            logs[at] = first[at], end[at]

    async with asyncio.TaskGroup() as asking:
        for at in sorted(asked):
            asking.create_task(ask(at))
    return logs, failed


def to_record(polled: "ConsumerRecord[bytes, bytes]") -> Record:
    """Return a record of aiokafka as the handlers expect it."""
    place = Place(polled.topic, polled.partition, polled.offset)
    return Record(place, polled.timestamp, polled.key, polled.value, polled.headers, polled.timestamp_type or 0)
