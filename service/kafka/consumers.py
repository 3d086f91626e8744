"""Consumers of aiokafka that join the coordinators' group, and leave it in a bounded time."""

import asyncio
from collections.abc import Collection

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from service.kafka.assignment import Assignment
from service.kafka.connection import connection
from service.settings import KafkaSettings

STOP_WITHIN = 3.0


async def joined(
    settings: KafkaSettings, topics: Collection[str], owner: str, assignment: Assignment
) -> AIOKafkaConsumer:
    """Start a consumer that joins the group under the owner's name; the assignment hears of its partitions.

    Raises `KafkaError`, `TimeoutError`; then nothing is left open.
    """
    options = connection(settings)
    session_ms = int(settings.session_timeout * 1000)
    options["request_timeout_ms"] = max(options["request_timeout_ms"], session_ms + 5_000)
    consumer = AIOKafkaConsumer(
        **options,
        group_id=settings.group,
        group_instance_id=owner,
        enable_auto_commit=False,
        auto_offset_reset="none",  # a log that is trimmed ahead of us is an error, not a place to jump to
        isolation_level="read_committed",
        max_poll_records=settings.batch,
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=min(3_000, session_ms // 3),
        fetch_max_wait_ms=int(settings.fetch_wait * 1000),
    )
    consumer.subscribe(topics=list(topics), listener=assignment)
    try:
        async with asyncio.timeout(settings.request_timeout * 1.5):
            await consumer.start()
    except BaseException as error:
        if trouble := await left(consumer):
            error.add_note(f"and it did not stop: {type(trouble).__name__} {trouble}")
        raise
    return consumer


async def left(consumer: AIOKafkaConsumer) -> Exception | None:
    """Stop a consumer, if the broker lets us; else abandon it and return why."""
    try:
        async with asyncio.timeout(STOP_WITHIN):
            await consumer.stop()
    except (TimeoutError, KafkaError) as error:
        return error
    return None
