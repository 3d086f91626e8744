"""Reads what topics contain from an offset or a time on, up to their ends at this moment, without joining a group."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition

from saga_coordinator.handlers.records import Record
from saga_coordinator.service.kafka.aiokafka_internals import describe_topics, stop_consumer
from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.kafka.group_member import to_record
from saga_coordinator.service.settings import KafkaSettings

POLL_MS = 500


async def read_gap(
    settings: KafkaSettings, offsets: Mapping[tuple[str, int], int], topics: Collection[str], since: datetime
) -> AsyncIterator[Sequence[Record]]:
    """Yield the records of partitions from their offsets on, and those of whole topics from a time on.

    Raises `OSError` (`TimeoutError` when Kafka does not answer) and aiokafka's errors.
    """
    consumer = AIOKafkaConsumer(
        **connection(settings),
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # what was trimmed is no evidence
        isolation_level="read_committed",
        max_poll_records=settings.batch,
    )
    try:
        async with asyncio.timeout(settings.request_timeout * 1.5):
            await consumer.start()
            ends = await _seek(consumer, offsets, topics, since)
        while ends:
            polled = await consumer.getmany(timeout_ms=POLL_MS)
            yield [to_record(each) for some in polled.values() for each in some]
            async with asyncio.timeout(settings.request_timeout):
                ends = {at: end for at, end in ends.items() if await consumer.position(at) < end}
    finally:
        await stop_consumer(consumer)


async def _seek(
    consumer: AIOKafkaConsumer, offsets: Mapping[tuple[str, int], int], topics: Collection[str], since: datetime
) -> Mapping[TopicPartition, int]:
    """Assign the partitions, seek to where their reading begins, and return where it ends."""
    described = await describe_topics(consumer, topics)
    whole = [TopicPartition(topic, each) for topic, found in described.topics.items() for each in found.partitions]
    starts = {TopicPartition(*at): offset for at, offset in offsets.items()}
    assigned = [*starts, *whole]
    if not assigned:
        return {}
    consumer.assign(assigned)
    ends = await consumer.end_offsets(assigned)
    if whole:
        found = await consumer.offsets_for_times({at: int(since.timestamp() * 1000) for at in whole})
        starts |= {at: ends[at] if found.get(at) is None else found[at].offset for at in whole}
    begins = await consumer.beginning_offsets(assigned)
    for at, start in starts.items():
        consumer.seek(at, max(start, begins[at]))
    return {at: ends[at] for at, start in starts.items() if max(start, begins[at]) < ends[at]}
