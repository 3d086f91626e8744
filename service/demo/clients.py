"""The Kafka clients of participants and orders: settings, fetching a batch, complaints that tell once what is wrong."""

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from saga_coordinator.service.demo.conversation import Headers, RawHeaders

Warn: TypeAlias = Callable[[str], None]
Properties: TypeAlias = Mapping[str, str | int | float | bool]

_MAX_RECORDS: Final = 500
_CLOSE_LIMIT_S: Final = 5.0
_SILENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it lies in Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders


def to_stderr(sentence: str) -> None:
    """Where complaints go unless somebody else wants them."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def new_consumer(bootstrap_servers: str, group: str, properties: Properties, warn: Warn) -> Consumer:
    """A consumer that starts at the beginning and commits by hand; a commit that failed is complained about.

    An empty fetch is held for 20 ms only, because the embedded broker answers none before that time is over. A broker
    that was frozen may never answer whoever joins a group just then: the client asks again after `max.poll.interval.ms`
    and 3 s, which by default are five minutes.
    """

    def report(error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
        if error is not None:
            warn(f"offsets were not committed, records will come again: {error}")

    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "on_commit": report,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 20,
            "session.timeout.ms": 6_000,
            "heartbeat.interval.ms": 2_000,
            "max.poll.interval.ms": 10_000,
            "topic.metadata.refresh.interval.ms": 10_000,
            **_quiet(warn),
            **properties,
        }
    )


def new_producer(bootstrap_servers: str, properties: Properties, warn: Warn) -> Producer:
    """A producer that waits for nobody and tries for ever; only what can never be sent is complained about.

    It is not idempotent: a copy does no harm in this conversation, and no broker's mishap can end the producer.
    """

    def report(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            warn(f"a message to {message.topic()} with key {message.key()!r} was given up: {error}")

    return Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "acks": "all",
            "linger.ms": 0,
            "message.timeout.ms": 0,
            "delivery.report.only.error": True,
            "on_delivery": report,
            **_quiet(warn),
            **properties,
        }
    )


def fetch(consumer: Consumer, wait_s: float, warn: Warn) -> list[Record]:
    """All records that are here, or the first that come within `wait_s` seconds.

    Raises:
        KafkaException: The client cannot go on.
    """
    first = consumer.poll(wait_s)
    if first is None:
        return []
    batch = [first, *consumer.consume(_MAX_RECORDS, 0)]
    return [_record(message) for message in batch if _is_good(message, warn)]


def send(producer: Producer, topic: str, key: bytes, value: bytes, headers: Headers) -> None:
    """Hand a message to the producer; waits while its queue is full."""
    while True:
        try:
            producer.produce(topic, value, key, headers=headers)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def close_producer(producer: Producer, warn: Warn) -> None:
    """Send what is still waiting, for some seconds at most; what could not be sent is given up and complained about."""
    unsent = producer.flush(_CLOSE_LIMIT_S)
    if unsent:
        warn(f"{unsent} messages could not be sent before the end: is the broker up?")
        producer.purge()
    producer.close()


def _quiet(warn: Warn) -> dict[str, object]:
    """Errors are told by `complain`, each kind once in a while, and not by the library's own log."""
    reported_at: dict[int, float] = {}

    def report(error: KafkaError) -> None:
        now = time.monotonic()
        if now - reported_at.get(error.code(), -_SILENCE_S) >= _SILENCE_S:
            reported_at[error.code()] = now
            warn(f"Kafka: {error.str()}; the client goes on trying")

    return {"error_cb": report, "log_level": 0}


def _is_good(message: Message, warn: Warn) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.fatal():
        raise KafkaException(error)
    warn(f"{message.topic()}: {error.str()}; if the topic is missing, `saga topics apply` creates it")
    return False


def _record(message: Message) -> Record:
    # A consumer's headers are a list of names and bytes; the stubs allow all that a producer takes.
    headers = cast("RawHeaders", message.headers() or ())
    return Record(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        headers,
    )
