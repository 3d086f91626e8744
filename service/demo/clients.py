"""The Kafka clients of participants and shop: their settings, how they fetch and send, and their warnings."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import count
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from saga_coordinator.service.demo.conversation import RawHeaders

T = TypeVar("T")

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


class Later(Generic[T]):
    """What is to be done later; of what is due at the same time, the first that was put in comes first."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._sequence = count()

    def __iter__(self) -> Iterator[T]:
        """Iterate over all of it, in no order."""
        return (what for _, _, what in self._heap)

    def put(self, seconds: float, what: T) -> None:
        """Put something in that is due in so many seconds."""
        heappush(self._heap, (time.monotonic() + seconds, next(self._sequence), what))

    def due(self) -> Iterator[T]:
        """Take out what is due."""
        while self._heap and self._heap[0][0] <= time.monotonic():
            yield heappop(self._heap)[2]

    def wait_s(self, most: float) -> float:
        """Return in how many seconds something is due, at most `most`."""
        return max(0.0, min(most, self._heap[0][0] - time.monotonic())) if self._heap else most


class DemoClient:
    """A consumer and a producer; what goes wrong is a warning.

    The consumer starts at the beginning and commits by hand. An empty fetch waits 20 ms only: the embedded broker holds
    it for the whole of that time, even when a record arrives. A broker that was frozen may never answer a client that
    joins a group at that moment; the client asks again after `max.poll.interval.ms` and 3 s, by default five minutes.

    The producer retries without a limit; only a message that can never be sent is warned about. It is not idempotent: a
    copy does no harm in this conversation, and no error of a broker can end the producer.
    """

    def __init__(self, bootstrap_servers: str, group: str, properties: Properties, warn: Warn) -> None:
        """Open both; `properties` are for both."""
        self._warn = warn
        common = {"bootstrap.servers": bootstrap_servers, **_quiet(warn)}
        self.consumer = Consumer(
            {
                **common,
                "group.id": group,
                "on_commit": self._committed,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 20,
                "session.timeout.ms": 6_000,
                "heartbeat.interval.ms": 2_000,
                "max.poll.interval.ms": 10_000,
                "topic.metadata.refresh.interval.ms": 10_000,
                **properties,
            }
        )
        self.producer = Producer(
            {
                **common,
                "acks": "all",
                "linger.ms": 0,
                "message.timeout.ms": 0,
                "delivery.report.only.error": True,
                "on_delivery": self._delivered,
                **properties,
            }
        )

    def fetch(self, wait_s: float) -> list[FetchedRecord]:
        """Return all fetched records, or the first that arrive within `wait_s` seconds. Raises `KafkaException`."""
        first = self.consumer.poll(wait_s)
        if first is None:
            return []
        batch = [first, *self.consumer.consume(_MAX_RECORDS, 0)]
        return [_record(message) for message in batch if _is_good(message, self._warn)]

    def send(self, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        """Hand a message to the producer; wait while its queue is full."""
        while True:
            try:
                self.producer.produce(topic, value, key, headers=list(headers))
            except BufferError:
                self.producer.poll(0.1)
            else:
                return

    def close(self) -> None:
        """Leave the group, and send what is queued, for some seconds at most; what could not be sent is dropped."""
        self.consumer.close()
        if unsent := self.producer.flush(_CLOSE_LIMIT_S):
            self._warn(f"{unsent} messages could not be sent before the end: is the broker up?")
            self.producer.purge()
        self.producer.close()

    def _committed(self, error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
        if error is not None:
            self._warn(f"offsets were not committed, records will come again: {error}")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._warn(f"a message to {message.topic()} with key {message.key()!r} was given up: {error}")


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
