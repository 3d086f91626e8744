"""The publisher on aiokafka: idempotent, acknowledged by all replicas, one batch of a partition at a time.

Every call has a timeout: with the broker down an idempotent producer neither sends nor stops. A batch that timed out
may still be written later; stable ids absorb the copy. After an error that is not retriable a producer fails every
later send, so it is replaced.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES, size_of
from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.kafka.admin import NoSuchTopic, TopicLimits, check_topics
from saga_coordinator.service.kafka.aiokafka_internals import MetadataAge, producer_error, stop_producer
from saga_coordinator.service.kafka.connection import Credentials, connection
from saga_coordinator.service.kafka.errors import describe_refusal
from saga_coordinator.service.settings import KafkaSettings

BATCH_BYTES = 900_000


Report = Callable[[str | None], None]
"""Called with what cannot be published and why, and with None when everything can."""


class KafkaPublisher:
    """Publishes rows; see `handlers.ports.Publisher`."""

    def __init__(self, settings: KafkaSettings, topics: Collection[str], report: Report = lambda _: None) -> None:
        self._settings = settings
        self._topics = topics
        self._report = report
        self._problems: dict[tuple[str, int], str] = {}
        self._limits: Mapping[str, TopicLimits] = {}
        self._producer: AIOKafkaProducer | None = None
        self._credentials: Credentials
        self._metadata_age: MetadataAge
        self._is_failing = False
        self._connecting = asyncio.Lock()

    async def start(self) -> None:
        """Check that all topics exist, and connect. Raises as `check_topics` does."""
        self._limits = await check_topics(self._settings, self._topics)
        await self._connect()

    async def stop(self) -> None:
        """Disconnect within a few seconds, whatever state the broker is in."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_producer(producer)

    def partition(self, topic: str, key: bytes) -> int:
        """Return the partition of a key, as every standard client computes it. Raises `NoSuchTopic`, `NotReady`."""
        if not self._limits:
            raise NotReady("Kafka was not reached since the start, so the partition is unknown; see /readyz")
        try:
            return _murmur2(key) % self._limits[topic].partitions
        except KeyError:
            raise NoSuchTopic(f"topic {topic} is not known: create it by `saga topics apply`, and restart") from None

    def max_message_bytes(self, topic: str) -> int:
        """Return how many bytes a message to a topic may have, with its headers and its frame."""
        limits = self._limits.get(topic)
        return (
            MAX_MESSAGE_BYTES
            if limits is None or limits.max_bytes is None
            else min(MAX_MESSAGE_BYTES, limits.max_bytes)
        )

    async def publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        """Publish rows in order; see `handlers.ports.Publisher`. Raises `TimeoutError`, or aiokafka's errors."""
        try:
            await self._publish(topic, partition, rows)
        except (OSError, KafkaError) as error:
            self._is_failing = True
            self._problems[topic, partition] = f"{topic}:{partition}: {describe_refusal(self._settings, error)}"
            self._report("; ".join(self._problems.values()))
            raise
        self._is_failing = False
        if self._problems and self._problems.pop((topic, partition), ""):
            self._report("; ".join(self._problems.values()) or None)

    async def _publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        producer = await self._connect()
        try:
            async with asyncio.timeout(self._settings.request_timeout * 1.5):
                for chunk in _split(rows, min(BATCH_BYTES, self.max_message_bytes(topic))):
                    await _send(producer, topic, partition, chunk)
        except KafkaError as error:
            if not error.retriable and self._producer is producer:
                await self.stop()
            raise

    async def _connect(self) -> AIOKafkaProducer:
        """Return the producer; lanes that find none, or one that cannot recover, wait for the first to start one."""
        if self._producer is not None and (producer_error(self._producer) or self._metadata_age.check()):
            await self.stop()
        if self._producer is not None:
            self._credentials.renew(is_failing=self._is_failing)
        if self._producer is None:
            async with self._connecting:
                if self._producer is None:
                    self._producer = await self._start_producer()
                    self._credentials = Credentials(self._settings, self._producer)
                    self._metadata_age = MetadataAge(self._producer)
        return self._producer

    async def _start_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **connection(self._settings),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES,
            max_request_size=BATCH_BYTES + 200_000,
        )
        try:
            async with asyncio.timeout(self._settings.request_timeout * 1.5):
                await producer.start()
        except BaseException:
            await stop_producer(producer)
            raise
        return producer


def _split(rows: Sequence[OutboxMessage], max_bytes: int) -> Iterator[Sequence[OutboxMessage]]:
    """Split rows, in order, into chunks that fit into a batch of so many bytes; a larger row is a chunk of its own."""
    begin, size = 0, 0
    for index, row in enumerate(rows):
        size += size_of(row)
        if size > max_bytes and index > begin:
            yield rows[begin:index]
            begin, size = index, size_of(row)
    yield rows[begin:]


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
    """Send rows in as few batches as possible, each after the one before it is acknowledged."""
    batch = producer.create_batch()
    for row in rows:
        if batch.append(key=row.key, value=row.value, timestamp=None, headers=list(row.headers)) is None:
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=row.key, value=row.value, timestamp=None, headers=list(row.headers))
    await (await producer.send_batch(batch, topic, partition=partition))


@lru_cache(maxsize=65_536)
def _murmur2(key: bytes) -> int:
    """Return the hash that determines a key's partition; it is cached, as a key has many messages."""
    hashed: int = murmur2(key)
    return hashed & 0x7FFFFFFF
