"""Asks the broker at intervals whether partitions can be read: aiokafka retries without end, and only logs it."""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.ports import Observer
from saga_coordinator.service.health import KAFKA, Health
from saga_coordinator.service.kafka.aiokafka_internals import ClusterDescription, describe_topics
from saga_coordinator.service.kafka.errors import describe_failure, describe_refusal
from saga_coordinator.service.kafka.partitions import Partitions
from saga_coordinator.service.settings import KafkaSettings


@dataclass(slots=True, kw_only=True)
class BrokerMonitor:
    """Reports whether partitions can be read, and how far they lag.

    `on_recreated` is called when a topic is no longer the one that its leases know.
    """

    topics: Collection[str]
    settings: KafkaSettings
    partitions: Partitions
    leases: Leases
    health: Health
    observer: Observer
    on_recreated: Callable[[], None]
    lag: dict[tuple[str, int], int] = field(default_factory=dict, init=False)

    async def check(self, consumer: AIOKafkaConsumer) -> None:
        """Ask where the logs end: a broker that does not answer fails no poll, but it fails this."""
        stopped = self.partitions.stopped_at()
        asked = {TopicPartition(*each) for each in self.leases.owned()} | stopped.keys() | self._unknown(consumer)
        if not asked:
            return
        try:
            async with asyncio.timeout(self.settings.request_timeout):
                ends = await consumer.end_offsets(asked)
                described = await describe_topics(consumer, self.topics)
        except (KafkaError, TimeoutError) as error:
            self.lag = {}  # what it was before the outage says nothing of now
            problem = await self._describe(consumer, error)
            self.health.failing(KAFKA, problem)
            self.observer.on_error(problem, error)
        else:
            assigned = consumer.assignment()
            for at in assigned & ends.keys():
                ends[at] = max(ends[at], consumer.highwater(at) or 0)  # the end is only that of ended transactions
            offsets = stopped | {TopicPartition(*each): offset for each, offset in self.leases.offsets()}
            self.lag = {at: max(0, ends[at] - offset) for at, offset in offsets.items() if at in ends}
            if self._is_recreated(described):
                self.on_recreated()
            self.partitions.note_open_transactions(consumer, assigned & offsets.keys(), time.monotonic())
            self.report(consumer)

    async def _describe(self, consumer: AIOKafkaConsumer, error: Exception) -> str:
        """Return why the broker does not answer, by connecting to it once more."""
        topics = ", ".join(sorted(at.topic for at in self._unknown(consumer)))
        if topics:
            return f"the broker does not describe {topics}: {describe_refusal(self.settings, error)}"
        return await describe_failure(self.settings, error)

    def report(self, consumer: AIOKafkaConsumer) -> None:
        """Report to readiness which partitions cannot be read, if any."""
        owned = set(self.leases.owned())  # nothing needs to be fetched from the others
        unanswered = self.partitions.unanswered(consumer, self.settings.request_timeout, time.monotonic())
        remedy = f"its fetches have failed for {self.settings.request_timeout:.0f} s: what does the broker's log say?"
        problems = [
            *self.partitions.problems(),
            *self.partitions.held_up(time.monotonic()),
            *(f"{at.topic}:{at.partition} cannot be read; {remedy}" for at in unanswered if at in owned),
        ]
        if problems:
            self.health.failing(KAFKA, "; ".join(problems))
        else:
            self.health.ok(KAFKA)

    def _is_recreated(self, described: ClusterDescription) -> bool:
        """Return whether a topic has another id than its leases know."""
        ids = {topic: each.id for topic, each in described.topics.items()}
        known = [(lease.topic_id, ids.get(lease.topic)) for lease in self.leases.leases()]
        return any(before and now and before != now for before, now in known)

    def _unknown(self, consumer: AIOKafkaConsumer) -> set[TopicPartition]:
        """Return a partition of each topic that the broker last denied: asking for its end asks for it again."""
        return {TopicPartition(topic, 0) for topic in self.topics if not consumer.partitions_for_topic(topic)}
