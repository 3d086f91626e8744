"""The publisher on aiokafka: idempotent, acknowledged by all replicas, one batch of a partition at a time.

Every call has a limit: with the broker down an idempotent producer neither sends nor stops by itself. A batch whose
time is over may still be written later; stable ids absorb the copy. After an error that is not retriable a producer
answers every later send with an error, so it is replaced.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import lru_cache

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerClosed
from aiokafka.partitioner import murmur2

from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES, size_of
from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.kafka.admin import max_batch_bytes
from saga_coordinator.service.kafka.aiokafka_internals import Close, Task, ended
from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.kafka.errors import describe_refusal
from saga_coordinator.service.kafka.losing import lost
from saga_coordinator.service.settings import KafkaSettings

BATCH_BYTES = 900_000


class NoSuchTopic(LookupError):
    """A topic that the coordinator writes to does not exist: `saga topics apply` creates it."""


Condition = Callable[[str | None], None]
"""Who is told that everything can be published (None), or what cannot."""


class KafkaPublisher:
    """Brings rows to Kafka; see `handlers.ports.Publisher`."""

    def __init__(self, settings: KafkaSettings, topics: Collection[str], condition: Condition = lambda _: None) -> None:
        self._settings = settings
        self._topics = topics
        self._condition = condition
        self._troubles: dict[tuple[str, int], str] = {}
        self._partitions: dict[str, int] = {}
        self._limits: Mapping[str, int] = {}
        self._producer: AIOKafkaProducer | None = None
        self._connecting = asyncio.Lock()

    async def start(self) -> None:
        """Connect, and learn of each topic how many partitions it has, and how large a batch may be.

        Raises `NoSuchTopic`, or aiokafka's errors.
        """
        self._limits = await max_batch_bytes(self._settings, self._topics)
        producer = await self._connected()
        async with asyncio.timeout(self._settings.request_timeout):
            for topic in self._topics:
                partitions = await producer.partitions_for(topic)
                if not partitions:
                    raise NoSuchTopic(f"topic {topic} does not exist: create it by `saga topics apply`")
                self._partitions[topic] = len(partitions)

    async def stop(self) -> None:
        """Disconnect within a few seconds, whatever state the broker is in."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await _stop_producer(producer)

    def partition(self, topic: str, key: bytes) -> int:
        """Return the partition of a key, as every standard client computes it. Raises `NoSuchTopic`, `NotReady`."""
        if not self._partitions:
            raise NotReady("Kafka has not been reached since the start: nobody knows where this belongs; see /readyz")
        try:
            return _murmur2(key) % self._partitions[topic]
        except KeyError:
            raise NoSuchTopic(f"topic {topic} is not known: create it by `saga topics apply`, and restart") from None

    def most(self, topic: str) -> int:
        """Return how many bytes a message to a topic may have, with its headers and its frame."""
        return min(MAX_MESSAGE_BYTES, self._limits.get(topic, MAX_MESSAGE_BYTES))

    async def publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        """Publish rows in order; see `handlers.ports.Publisher`. Raises `TimeoutError`, or aiokafka's errors."""
        try:
            await self._publish(topic, partition, rows)
        except (OSError, KafkaError) as error:
            self._troubles[topic, partition] = f"{topic}:{partition}: {describe_refusal(self._settings, error)}"
            self._condition("; ".join(self._troubles.values()))
            raise
        if self._troubles and self._troubles.pop((topic, partition), ""):
            self._condition("; ".join(self._troubles.values()) or None)

    async def _publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        producer = await self._connected()
        try:
            async with asyncio.timeout(self._settings.request_timeout * 1.5):
                for chunk in _split(rows, min(BATCH_BYTES, self.most(topic))):
                    await _send(producer, topic, partition, chunk)
        except KafkaError as error:
            if not error.retriable and self._producer is producer:
                await self.stop()
            raise

    async def _connected(self) -> AIOKafkaProducer:
        """Return the one producer; lanes that find none, or one that is lost, wait for the first to make it."""
        if self._producer is not None and lost(self._producer.client._sync_task):  # noqa: SLF001
            await self.stop()
        if self._producer is None:
            async with self._connecting:
                if self._producer is None:
                    self._producer = await self._started()
        return self._producer

    async def _started(self) -> AIOKafkaProducer:
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
            await _stop_producer(producer)
            raise
        return producer


def _split(rows: Sequence[OutboxMessage], most: int) -> Iterator[Sequence[OutboxMessage]]:
    """Split rows, in order, so that those of a portion fit into a batch of so many bytes; a larger one stands alone."""
    begin, size = 0, 0
    for index, row in enumerate(rows):
        size += size_of(row)
        if size > most and index > begin:
            yield rows[begin:index]
            begin, size = index, size_of(row)
    yield rows[begin:]


async def _send(producer: AIOKafkaProducer, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
    """Send rows in as few batches as they fit in, each when the one before it is acknowledged."""
    batch = producer.create_batch()
    for row in rows:
        if batch.append(key=row.key, value=row.value, timestamp=None, headers=list(row.headers)) is None:
            await (await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=row.key, value=row.value, timestamp=None, headers=list(row.headers))
    await (await producer.send_batch(batch, topic, partition=partition))


async def _stop_producer(producer: AIOKafkaProducer) -> None:
    """Stop a producer within seconds. What it has not sent by then fails at once, and it sends it no more."""
    await ended(producer.stop, lambda: _rest(producer))


def _rest(producer: AIOKafkaProducer) -> tuple[Collection[Task], Close]:
    """Fail what waits to be sent, and return the task that would send it."""
    producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001  there is no other way to it
    sending = producer._sender.sender_task  # noqa: SLF001
    return [] if sending is None else [sending], producer.client.close


@lru_cache(maxsize=65_536)
def _murmur2(key: bytes) -> int:
    """Return the hash that decides a key's partition; one key is hashed for each of its messages otherwise."""
    hashed: int = murmur2(key)
    return hashed & 0x7FFFFFFF
