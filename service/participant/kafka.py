"""Runs a participant on Kafka: a poll is a batch, its replies are published, and then its offsets are committed.

At least once: what a crash leaves is delivered again, and the fence absorbs it. Clients that fail are replaced.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import ConsumerRecord

from saga_coordinator.service.participant import wire
from saga_coordinator.service.participant.batch import Batch
from saga_coordinator.service.participant.declaration import Participant
from saga_coordinator.service.participant.ports import FenceDatabase
from saga_coordinator.service.participant.records import IncomingRecord
from saga_coordinator.service.participant.wire import IncomingCommand, UnreadableRecord

SessionT = TypeVar("SessionT")

MAX_RECORDS: Final = 500
"""The most records of one batch, and of one publication."""

RETRY_DELAYS: Final = (0.2, 1.0)
"""Seconds before the second and the third call of a handler that has raised."""

_POLL_MS: Final = 200
_STOP_TIMEOUT: Final = 3.0
_INITIAL_BACKOFF, _MAX_BACKOFF = 0.5, 30.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaOptions:
    """Where Kafka is, and as which consumer group. `client` are further arguments of each client of aiokafka.

    Replies go to `reply_topics` only. `request_timeout` is in seconds, and so is `session_timeout`: after so long
    without a heartbeat the group gives the partitions of a member to another one.
    """

    bootstrap_servers: str
    group: str
    reply_topics: frozenset[str] = frozenset({"saga.replies.v1"})
    request_timeout: float = 10.0
    session_timeout: float = 45.0
    client: Mapping[str, object] = field(default_factory=dict)


class ParticipantRunner(Generic[SessionT]):
    """Carries out the commands of one participant until it is stopped."""

    def __init__(
        self, participant: Participant[SessionT], database: FenceDatabase[SessionT], options: KafkaOptions
    ) -> None:
        self._participant = participant
        self._database = database
        self._options = options
        self._batch = Batch(participant, database)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; the batch that runs then is ended, answered and committed.

        Kafka and the database may be out of reach: that is logged, and tried again. Raises what is neither's trouble.
        """
        delay = _INITIAL_BACKOFF
        while not stop.is_set():
            try:
                async with self._clients() as (consumer, producer):
                    delay = _INITIAL_BACKOFF
                    await self._serve(consumer, producer, stop)
            except Exception as error:
                if not isinstance(error, KafkaError | OSError) and not self._database.is_unavailable(error):
                    raise
                _log.warning("participant %s: %s; it is tried again", self._participant.name, str(error) or repr(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), delay)
                delay = min(2 * delay, _MAX_BACKOFF)

    @asynccontextmanager
    async def _clients(self) -> AsyncIterator[tuple[AIOKafkaConsumer, AIOKafkaProducer]]:
        options = {"bootstrap_servers": self._options.bootstrap_servers, **self._options.client}
        async with AsyncExitStack() as stack:
            producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True)
            stack.push_async_callback(_stop, producer)
            consumer = AIOKafkaConsumer(
                *self._participant.topics,
                **options,
                group_id=self._options.group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",  # a command that was sent before the first start is not lost
                isolation_level="read_committed",
                max_poll_records=MAX_RECORDS,
                session_timeout_ms=int(self._options.session_timeout * 1000),
                heartbeat_interval_ms=int(min(3.0, self._options.session_timeout / 3) * 1000),
                fetch_max_wait_ms=_POLL_MS,
            )
            stack.push_async_callback(_stop, consumer)
            async with asyncio.timeout(2 * self._options.request_timeout):
                await producer.start()
                await consumer.start()
            yield consumer, producer

    async def _serve(self, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, stop: asyncio.Event) -> None:
        await self._publish(producer)
        while not stop.is_set():
            polled = await consumer.getmany(timeout_ms=_POLL_MS)
            if polled:
                await self._carry_out(polled, producer)
                await self._commit(consumer, {at: records[-1].offset + 1 for at, records in polled.items()})

    async def _carry_out(
        self, polled: Mapping[TopicPartition, Sequence[ConsumerRecord[Any, Any]]], producer: AIOKafkaProducer
    ) -> None:
        """Carry out all commands of a poll, and publish each reply as soon as it is committed."""
        arrivals: Sequence[IncomingCommand[SessionT] | UnreadableRecord] = [
            arrival
            for records in polled.values()
            for record in records
            if (arrival := wire.read(self._participant, _to_record(record), self._options.reply_topics)) is not None
        ]
        while arrivals:
            postponed = await self._batch.execute(arrivals)
            await self._publish(producer)
            if postponed:
                await asyncio.sleep(RETRY_DELAYS[max(each.attempts for each in postponed) - 1])
            arrivals = postponed

    async def _publish(self, producer: AIOKafkaProducer) -> None:
        """Publish the outbox in its order. A record leaves it when the broker has acknowledged it."""
        while rows := await self._database.outbox(MAX_RECORDS):
            async with asyncio.timeout(self._options.request_timeout):
                sent = [
                    await producer.send(each.topic, each.value, key=each.key, headers=[*each.headers])
                    for _, each in rows
                ]
                await asyncio.gather(*sent)
            await self._database.forget([number for number, _ in rows])

    async def _commit(self, consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets; those of a partition that another member has by now are its concern."""
        async with asyncio.timeout(self._options.request_timeout):
            with suppress(CommitFailedError, IllegalStateError):
                await consumer.commit(offsets)


async def _stop(client: AIOKafkaConsumer | AIOKafkaProducer) -> None:
    """Stop a client, or leave it when its broker does not answer."""
    try:
        async with asyncio.timeout(_STOP_TIMEOUT):
            await client.stop()
    except (KafkaError, OSError) as error:
        _log.warning("a client of Kafka did not stop: %r", error)


def _to_record(record: ConsumerRecord[Any, Any]) -> IncomingRecord:
    return IncomingRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        tuple(record.headers),
    )
