"""Consumers of aiokafka that join the coordinators' group, and leave it in a bounded time."""

import asyncio
import hashlib
from collections.abc import Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from saga_coordinator.handlers.records import Place, Record
from saga_coordinator.service.kafka.aiokafka_internals import Close, Task, ended
from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.kafka.losing import lost
from saga_coordinator.service.kafka.partitions import Assignment
from saga_coordinator.service.settings import KafkaSettings

Logs = Mapping[TopicPartition, tuple[int, int]]
"""The first offset of each log, and the one behind its last."""


def member(owner: str, retired: Collection[str]) -> str:
    """Name a member of the group after its owner, and after the topics that the owner has read and reads no more.

    Who comes back under a name is given what that name had, and cannot join with a topic that it does not want.
    """
    if not retired:
        return owner
    return f"{owner}-{hashlib.sha256(' '.join(sorted(retired)).encode()).hexdigest()[:12]}"


async def join(settings: KafkaSettings, topics: Collection[str], name: str, assignment: Assignment) -> AIOKafkaConsumer:
    """Start a consumer that joins the group under a name; the assignment hears of its partitions.

    Raises `KafkaError`, `TimeoutError`; then nothing is left open.
    """
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


async def log_ranges(
    consumer: AIOKafkaConsumer, asked: Collection[TopicPartition], within: float
) -> tuple[Logs, Mapping[TopicPartition, Exception]]:
    """Return where logs begin and end, and why not, of partitions that have not told within so many seconds."""
    logs: dict[TopicPartition, tuple[int, int]] = {}
    silent: dict[TopicPartition, Exception] = {}

    async def ask(at: TopicPartition) -> None:
        try:
            async with asyncio.timeout(within):
                first, end = await consumer.beginning_offsets([at]), await consumer.end_offsets([at])
        except (KafkaError, TimeoutError) as error:
            silent[at] = error
        else:
            logs[at] = first[at], end[at]

    async with asyncio.TaskGroup() as asking:
        for at in sorted(asked):
            asking.create_task(ask(at))
    return logs, silent


def record(polled: "ConsumerRecord[bytes, bytes]") -> Record:
    """Return a record as the handlers take it."""
    place = Place(polled.topic, polled.partition, polled.offset)
    return Record(place, polled.timestamp, polled.key, polled.value, polled.headers, polled.timestamp_type or 0)


def task_error(consumer: AIOKafkaConsumer) -> BaseException | None:
    """Return by what one of a consumer's tasks was lost, if it has to be replaced for that."""
    return lost(consumer._client._sync_task, *_tasks(consumer))  # noqa: SLF001  there is no other way to it


async def left(consumer: AIOKafkaConsumer) -> Exception | None:
    """Stop a consumer within seconds, whatever the broker does; return what was in its way."""
    return await ended(consumer.stop, lambda: _rest(consumer))


def _rest(consumer: AIOKafkaConsumer) -> tuple[Collection[Task], Close]:
    """Return what aiokafka runs for a consumer, and leaves running when `stop` does not come to its end."""
    fetches = () if consumer._fetcher is None else consumer._fetcher._pending_tasks  # noqa: SLF001  there is no other way to them
    return [*_tasks(consumer), *fetches], consumer._client.close  # noqa: SLF001


def _tasks(consumer: AIOKafkaConsumer) -> Collection[Task]:
    """Return the tasks by which a consumer stays in its group and fetches."""
    coordinator, fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001  there is no other way to them
    tasks: list[Task | None] = []
    if coordinator is not None:
        tasks += [coordinator._coordination_task, coordinator._heartbeat_task, coordinator._commit_refresh_task]  # noqa: SLF001
    if fetcher is not None:
        tasks.append(fetcher._fetch_task)  # noqa: SLF001
    return [task for task in tasks if task is not None]
