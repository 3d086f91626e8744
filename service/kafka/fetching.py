"""How long a consumer's fetches have brought no answer: aiokafka asks again for ever, and tells nobody but its log."""

from collections.abc import Iterator
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition


class _Asked(NamedTuple):
    answered: int | None
    since: float


class Fetching:
    """The partitions that are being fetched from. Times are monotonic, in seconds."""

    def __init__(self) -> None:
        self._asked: dict[TopicPartition, _Asked] = {}

    def note_empty_poll(self, consumer: AIOKafkaConsumer, now: float) -> None:
        """Note, after a poll that brought nothing, what is asked for: no answer waits to be polled then."""
        for at, answered in _answers(consumer):
            if at not in self._asked or self._asked[at].answered != answered:
                self._asked[at] = _Asked(answered, now)

    def silent_partitions(self, consumer: AIOKafkaConsumer, seconds: float, now: float) -> list[TopicPartition]:
        """Return the partitions that were asked for longer ago than that, and of which no good answer came since."""
        return [
            at
            for at, answered in _answers(consumer)
            if at in self._asked and self._asked[at].answered == answered and now - self._asked[at].since > seconds
        ]

    def clear(self) -> None:
        """Forget all: it is another consumer, or other partitions."""
        self._asked.clear()


def _answers(consumer: AIOKafkaConsumer) -> Iterator[tuple[TopicPartition, int | None]]:
    """Yield when each partition was last answered, by the wall clock: good to be compared, not to be reckoned with."""
    for at in sorted(consumer.assignment() - consumer.paused()):
        yield at, consumer.last_poll_timestamp(at)
