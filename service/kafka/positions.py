"""Sets from where topics are read, as an operator says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from saga_coordinator.handlers.ports import LeaseStore
from saga_coordinator.handlers.records import Actor, PartitionOfTopic, SetPosition
from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.kafka.aiokafka_internals import stop_consumer
from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.kafka.errors import describe_refusal
from saga_coordinator.service.kafka.group_member import LogRanges, log_ranges
from saga_coordinator.service.kafka.guard import KafkaState, read_state
from saga_coordinator.service.settings import KafkaSettings

LOG_TIMEOUT: Final = 5.0
FORMS: Final = "`beginning`, `end`, `committed` (where the consumer group is), an offset, or a time with its zone"


class Positions:
    """Sets positions by a client of its own, so that it can while the consumer is refused or replaced."""

    def __init__(
        self, settings: KafkaSettings, topics: Collection[str], store: LeaseStore, on_change: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._store = store
        self._on_change = on_change

    async def set(self, topic: str, partition: int | None, position: str, by: Actor) -> Sequence[SetPosition]:
        """Set from where a topic is read, or one of its partitions; what was read before is left as it is.

        Raises `ValueError` if there is no such partition or position, `NotReady` if Kafka does not answer.
        """
        if topic not in self._topics:
            raise ValueError(f"{topic} is none of the topics that are read: {', '.join(sorted(self._topics))}")
        try:
            async with asyncio.timeout(2 * self._settings.request_timeout), self._connected() as client:
                state = await read_state(client, [topic])
                chosen = _chosen(state, topic, partition)
                offsets = await _offsets(client, chosen, position, state)
        except (OSError, KafkaError) as error:
            raise NotReady(f"Kafka does not answer: {describe_refusal(self._settings, error)}") from error
        positions = [SetPosition(each, offsets[TopicPartition(topic, each.partition)]) for each in chosen]
        await self._store.set_positions(positions, state.cluster.id, by)
        self._on_change()
        return positions

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AIOKafkaConsumer]:
        """Yield a client that knows the group, and is no member of it."""
        client = AIOKafkaConsumer(**connection(self._settings), group_id=self._settings.group, enable_auto_commit=False)
        try:
            await client.start()
            yield client
        finally:
            await stop_consumer(client)


def _chosen(state: KafkaState, topic: str, partition: int | None) -> Sequence[PartitionOfTopic]:
    existing = state.partitions()
    chosen = [each for each in existing if partition in {None, each.partition}]
    if not chosen:
        numbers = ", ".join(str(each.partition) for each in existing) or "none"
        raise ValueError(f"{topic} has no partition {partition}: it has {numbers}")
    return chosen


async def _offsets(
    client: AIOKafkaConsumer, chosen: Sequence[PartitionOfTopic], position: str, state: KafkaState
) -> Mapping[TopicPartition, int]:
    """Return the offsets that a position means. Raises `ValueError` if a log does not contain one."""
    partitions = [TopicPartition(each.topic, each.partition) for each in chosen]
    logs, failed = await log_ranges(client, partitions, LOG_TIMEOUT)
    for error in failed.values():
        raise error
    match position:
        case "beginning":
            return {at: first for at, (first, _) in logs.items()}
        case "end":
            return {at: end for at, (_, end) in logs.items()}
        case "committed":
            return _contained({at: _committed(state, at) for at in partitions}, logs)
        case _ if position.isdecimal():
            return _contained(dict.fromkeys(partitions, int(position)), logs)
        case _:
            since = _milliseconds(position)
            found = await client.offsets_for_times(dict.fromkeys(partitions, since))
            return {at: end if found[at] is None else found[at].offset for at, (_, end) in logs.items()}


def _committed(state: KafkaState, at: TopicPartition) -> int:
    committed = state.committed.get(at)
    if committed is None:
        raise ValueError(f"the consumer group has committed nothing of {at.topic}/{at.partition}: say another position")
    return committed.offset


def _contained(offsets: Mapping[TopicPartition, int], logs: LogRanges) -> Mapping[TopicPartition, int]:
    for at, offset in offsets.items():
        first, end = logs[at]
        if not first <= offset <= end:
            raise ValueError(f"the log of {at.topic}/{at.partition} reaches from {first} to {end}: {offset} is outside")
    return offsets


def _milliseconds(position: str) -> int:
    try:
        at = datetime.fromisoformat(position)
    except ValueError as error:
        raise ValueError(f"{position} is no position: say {FORMS}, such as 2026-01-31T08:00+01:00") from error
    if at.tzinfo is None:
        raise ValueError(f"{position} has no zone: add it, such as {position}Z")
    return int(at.timestamp() * 1000)
