"""The publisher on aiokafka: idempotent, acknowledged by all replicas, one batch of a partition at a time.

Every batch has a timeout: with the broker down an idempotent producer neither sends nor stops. A batch that timed out
may still be written later; stable ids absorb the copy. After an error that is not retriable a producer fails every
later send, so it is replaced.

What a producer can send at once is handed to it without a task, a timer or a coroutine of its own: a service publishes
to a dozen partitions after each commit. A batch that has to wait (for a producer, for its topic's metadata, for an
older batch) waits in a task.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.partitioner import murmur2

from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES
from saga_coordinator.handlers.ports import Done, Lane
from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.kafka.admin import NoSuchTopic, TopicLimits, check_topics
from saga_coordinator.service.kafka.aiokafka_internals import (
    MetadataAge,
    Task,
    fill_batch,
    post_batch,
    producer_error,
    stop_producer,
)
from saga_coordinator.service.kafka.connection import Credentials, connection
from saga_coordinator.service.kafka.errors import describe_refusal
from saga_coordinator.service.settings import KafkaSettings

BATCH_BYTES = 900_000


Report = Callable[[str | None], None]
"""Called with what cannot be published and why, and with None when everything can."""


class _Posted(NamedTuple):
    """So many rows of a lane that a producer was given, and until when (a time of the loop) they may take."""

    producer: AIOKafkaProducer
    lane: Lane
    row_count: int
    done: Done
    deadline: float


class KafkaPublisher:
    """Publishes rows; see `handlers.ports.Publisher`."""

    def __init__(self, settings: KafkaSettings, topics: Collection[str], report: Report = lambda _: None) -> None:
        self._settings = settings
        self._timeout = settings.request_timeout * 1.5
        self._topics = topics
        self._report = report
        self._problems: dict[Lane, str] = {}
        self._limits: Mapping[str, TopicLimits] = {}
        self._producer: AIOKafkaProducer | None = None
        self._credentials: Credentials
        self._metadata_age: MetadataAge
        self._is_failing = False
        self._connecting = asyncio.Lock()
        self._in_flight: dict[Task, _Posted] = {}
        self._expiry: asyncio.TimerHandle | None = None
        self._waiting: set[Task] = set()
        self._stopping: set[Task] = set()

    async def start(self) -> None:
        """Check that all topics exist, and connect. Raises as `check_topics` does."""
        self._limits = await check_topics(self._settings, self._topics)
        await self._connect()

    async def stop(self) -> None:
        """Disconnect within a few seconds, whatever state the broker is in."""
        for task in self._waiting:
            task.cancel()
        self._retire()
        if tasks := self._waiting | self._stopping:
            await asyncio.wait(tasks)
        self._in_flight.clear()
        if self._expiry is not None:
            self._expiry.cancel()

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

    def post(self, lanes: Mapping[Lane, Sequence[OutboxMessage]], done: Done) -> None:
        """Begin to publish rows of each lane; see `handlers.ports.Publisher`. `done` gets aiokafka's errors too."""
        producer = self._producer if self._is_usable() else None
        for lane, rows in lanes.items():
            if producer is None or not self._post(producer, lane, rows, done):
                _keep(self._waiting, self._publish(lane, rows, done))

    def _is_usable(self) -> bool:
        """Return whether there is a producer that can recover, and that has its credentials."""
        return not (
            self._producer is None
            or producer_error(self._producer)
            or self._metadata_age.check()
            or self._credentials.are_due(is_failing=self._is_failing)
        )

    def _post(self, producer: AIOKafkaProducer, lane: Lane, rows: Sequence[OutboxMessage], done: Done) -> bool:
        """Hand a batch to the producer; return whether it can send it at once."""
        try:
            batch, count = fill_batch(rows, self._max_batch_bytes(lane[0]))
            acknowledged = post_batch(producer, TopicPartition(*lane), batch)
        except Exception:  # noqa: BLE001  `_publish` meets it again, and reports it
            return False
        if acknowledged is None:
            return False
        loop = asyncio.get_running_loop()
        self._in_flight[acknowledged] = _Posted(producer, lane, count, done, loop.time() + self._timeout)
        acknowledged.add_done_callback(self._on_acknowledged)
        if self._expiry is None:
            self._expiry = loop.call_later(self._timeout, self._expire)
        return True

    def _on_acknowledged(self, acknowledged: Task) -> None:
        batch, error = self._in_flight.pop(acknowledged, None), acknowledged.exception()
        if batch is not None:
            self._finish(batch, error if isinstance(error, Exception) else batch.row_count)

    def _expire(self) -> None:
        """Report the batches that are not acknowledged in time, the oldest first; look again when the next one is due.

        One timer serves all of them.
        """
        loop, self._expiry = asyncio.get_running_loop(), None
        for acknowledged, batch in tuple(self._in_flight.items()):
            if batch.deadline > loop.time():
                self._expiry = loop.call_at(batch.deadline, self._expire)
                break
            del self._in_flight[acknowledged]
            self._finish(batch, TimeoutError(f"no acknowledgement within {self._timeout:g} s"))

    async def _publish(self, lane: Lane, rows: Sequence[OutboxMessage], done: Done) -> None:
        """Publish a batch when there is a producer that can send it."""
        producer, (topic, partition) = self._producer, lane
        outcome: int | Exception
        try:
            producer = await self._connect()
            batch, outcome = fill_batch(rows, self._max_batch_bytes(topic))
            async with asyncio.timeout(self._timeout):
                await (await producer.send_batch(batch, topic, partition=partition))
        except Exception as error:  # noqa: BLE001  whatever it is, the relay reports it and tries again
            outcome = error
        self._finish(_Posted(producer, lane, 0, done, 0.0), outcome)

    def _finish(self, batch: _Posted, outcome: int | Exception) -> None:
        """Report the outcome of a batch, and replace a producer that cannot recover from it."""
        lane = batch.lane
        if isinstance(outcome, OSError | KafkaError):
            self._is_failing = True
            self._problems[lane] = f"{lane[0]}:{lane[1]}: {describe_refusal(self._settings, outcome)}"
            self._report("; ".join(self._problems.values()))
            if isinstance(outcome, KafkaError) and not outcome.retriable and self._producer is batch.producer:
                self._retire()
        elif isinstance(outcome, int):
            self._is_failing = False
            if self._problems and self._problems.pop(lane, ""):
                self._report("; ".join(self._problems.values()) or None)
        batch.done(lane, outcome)

    def _max_batch_bytes(self, topic: str) -> int:
        return min(BATCH_BYTES, self.max_message_bytes(topic))

    async def _connect(self) -> AIOKafkaProducer:
        """Return the producer; lanes that find none, or one that cannot recover, wait for the first to start one."""
        if self._producer is not None and (producer_error(self._producer) or self._metadata_age.check()):
            self._retire()
        if self._producer is not None:
            self._credentials.renew(is_failing=self._is_failing)
        if self._producer is None:
            async with self._connecting:
                if self._producer is None:
                    self._producer = await self._start_producer()
                    self._credentials = Credentials(self._settings, self._producer)
                    self._metadata_age = MetadataAge(self._producer)
        return self._producer

    def _retire(self) -> None:
        """Stop the producer, beside the work of the next one. What it has not sent yet is sent or fails in seconds."""
        producer, self._producer = self._producer, None
        if producer is not None:
            _keep(self._stopping, stop_producer(producer))

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
            async with asyncio.timeout(self._timeout):
                await producer.start()
        except BaseException:
            await stop_producer(producer)
            raise
        return producer


def _keep(tasks: set[Task], work: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine as a task that is kept until it has ended."""
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


@lru_cache(maxsize=65_536)
def _murmur2(key: bytes) -> int:
    """Return the hash that determines a key's partition; it is cached, as a key has many messages."""
    hashed: int = murmur2(key)
    return hashed & 0x7FFFFFFF
