"""Asks the broker now and then how it does: aiokafka tries for ever, and tells nobody but its log."""

import asyncio
import time
from collections.abc import Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.ports import Observer
from saga_coordinator.service.health import Health
from saga_coordinator.service.http import checks
from saga_coordinator.service.kafka.fetching import Fetching


class BrokerMonitor:
    """Reports whether partitions can be read, and how far they are behind. `patience` is in seconds."""

    def __init__(
        self, *, topics: Collection[str], patience: float, leases: Leases, health: Health, observer: Observer
    ) -> None:
        self._topics = topics
        self._patience = patience
        self._leases = leases
        self._health = health
        self._observer = observer
        self.fetching = Fetching()
        self.lag: dict[tuple[str, int], int] = {}

    async def look(self, consumer: AIOKafkaConsumer, stopped: Mapping[TopicPartition, str]) -> None:
        """Ask where the logs end: a broker that is silent fails no poll, but it fails this."""
        places = {TopicPartition(*each) for each in self._leases.owned()} | self._unknown(consumer)
        if not places:
            return
        try:
            async with asyncio.timeout(self._patience):
                ends = await consumer.end_offsets(places)
        except (KafkaError, TimeoutError) as error:
            unknown = ", ".join(sorted(at.topic for at in self._unknown(consumer)))
            trouble = f"the broker does not tell of {unknown}" if unknown else "the broker does not answer"
            self._health.failing(checks.KAFKA, f"{trouble}: {type(error).__name__} {error}")
            self._observer.on_error(trouble, error)
        else:
            offsets = {TopicPartition(*each): offset for each, offset in self._leases.offsets()}
            self.lag = {at: max(0, ends[at] - offset) for at, offset in offsets.items() if at in ends}
            self.report(consumer, stopped)

    def report(self, consumer: AIOKafkaConsumer, stopped: Mapping[TopicPartition, str]) -> None:
        """Report that all is read, but for the partitions that were stopped, or of which nothing can be fetched."""
        remedy = f"its fetches have failed for {self._patience:.0f} s: what does the broker's log say of it?"
        owned = set(self._leases.owned())  # of what is not leased nothing needs to be fetched
        silent = [
            at for at in self.fetching.silent_partitions(consumer, self._patience, time.monotonic()) if at in owned
        ]
        troubles = [*stopped.values(), *(f"{at.topic}:{at.partition} cannot be read; {remedy}" for at in silent)]
        if troubles:
            self._health.failing(checks.KAFKA, "; ".join(troubles))
        else:
            self._health.ok(checks.KAFKA)

    def _unknown(self, consumer: AIOKafkaConsumer) -> set[TopicPartition]:
        """Return a partition of each topic that the broker denied when last asked: aiokafka asks again for its end."""
        return {TopicPartition(topic, 0) for topic in self._topics if not consumer.partitions_for_topic(topic)}
