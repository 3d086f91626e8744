"""The Kafka clients of participants and shop: their settings, how they fetch and send, and their warnings."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from saga_coordinator.service.demo.conversation import RawHeaders

Warn: TypeAlias = Callable[[str], None]
Properties: TypeAlias = Mapping[str, str | int | float | bool]

_MAX_RECORDS: Final = 500
_CLOSE_LIMIT_S: Final = 5.0
_SILENCE_S: Final = 30.0


class FetchedRecord(NamedTuple):
    """A record in Kafka."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders


def to_stderr(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def new_consumer(bootstrap_servers: str, group: str, properties: Properties, warn: Warn) -> Consumer:
    """Return a consumer that starts at the beginning and commits by hand; a failed commit is warned about.

    An empty fetch waits 20 ms only: the embedded broker holds it for the whole of that time, even when a record
    arrives. A broker that was frozen may never answer a client that joins a group at that moment; the client asks
    again after `max.poll.interval.ms` and 3 s, by default five minutes.
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
    """Return a producer that retries without a limit; only a message that can never be sent is warned about.

    It is not idempotent: a copy does no harm in this conversation, and no error of a broker can end the producer.
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


def fetch(consumer: Consumer, wait_s: float, warn: Warn) -> list[FetchedRecord]:
    """Return all fetched records, or the first that arrive within `wait_s` seconds. Raises `KafkaException`."""
    first = consumer.poll(wait_s)
    if first is None:
        return []
    batch = [first, *consumer.consume(_MAX_RECORDS, 0)]
    return [_record(message) for message in batch if _is_good(message, warn)]


def send(producer: Producer, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
    """Hand a message to the producer; wait while its queue is full."""
    while True:
        try:
            producer.produce(topic, value, key, headers=list(headers))
        except BufferError:
            producer.poll(0.1)
        else:
            return


def close_producer(producer: Producer, warn: Warn) -> None:
    """Send what is queued, for some seconds at most; what could not be sent is dropped and warned about."""
    unsent = producer.flush(_CLOSE_LIMIT_S)
    if unsent:
        warn(f"{unsent} messages could not be sent before the end: is the broker up?")
        producer.purge()
    producer.close()


def _quiet(warn: Warn) -> dict[str, object]:
    """Return settings that report errors by `warn`, each kind once in a while, and not by the library's own log."""
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


def _record(message: Message) -> FetchedRecord:
    # A consumer's headers are a list of names and bytes; the stubs allow all that a producer takes.
    headers = cast("RawHeaders", message.headers() or ())
    place = (message.topic() or "", message.partition() or 0, message.offset() or 0)
    return FetchedRecord(*place, message.key(), message.value(), headers)
