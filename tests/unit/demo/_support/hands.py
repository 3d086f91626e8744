"""The coordinator played by hand: sends records, and collects all that arrives on the topics it listens to."""

from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from confluent_kafka import TopicPartition

from saga_coordinator.service.demo.clients import DemoClient, FetchedRecord
from tests.unit.demo._support.by_hand import headers, topic, value, wait_until

QUICK_TAKEOVER: Final = {"session.timeout.ms": 1500, "heartbeat.interval.ms": 300}
"""The embedded broker lets a group's next member in only when the session of the one before has run out."""


class Hands:
    """A consumer and a producer for one test."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.received: list[FetchedRecord] = []
        self.warnings: list[str] = []
        self._client = DemoClient(bootstrap_servers, f"hands-{uuid4()}", {}, self.warnings.append)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def listen(self, *topics: str, partitions: int = 2) -> None:
        """Read these topics from their beginnings."""
        self._client.consumer.assign([TopicPartition(name, each, 0) for name in topics for each in range(partitions)])

    def command(self, name: str, order: str, *, attempt: int = 1, **changed: object) -> None:
        """Send a command; `changed` fields of its value differ from what is usual."""
        fields = list(headers(name, order, attempt).items())
        self.send(topic(name), order, value(name, order, **changed), dict(fields))

    def send(self, to: str, key: str, content: bytes, fields: dict[str, bytes]) -> None:
        """Send any record and wait until the broker has it."""
        self._client.send(to, key.encode(), content, list(fields.items()))
        assert self._client.producer.flush(10) == 0

    def take(self) -> list[FetchedRecord]:
        """What has arrived since the last time."""
        fresh = self._client.fetch(0.05)
        self.received += fresh
        return fresh

    def wait_for(self, number: int) -> list[FetchedRecord]:
        """All that was received, once it is at least so many records."""

        def arrived() -> bool:
            self.take()
            return len(self.received) >= number

        wait_until(arrived, f"{number} records received")
        return self.received
