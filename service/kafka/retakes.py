"""When a partition that another coordinator has taken over may be taken again, should the group still call it ours.

Each of two that both believe to own it would take it back at its next poll, for as long as they believe so. So one
waits: longer after each takeover that follows soon upon the last, and by chance, so that not all wait alike.
"""

from collections.abc import Collection
from random import Random
from typing import NamedTuple

from aiokafka import TopicPartition

INITIAL_BACKOFF = 0.2
MAX_BACKOFF = 5.0
QUIET = 2 * MAX_BACKOFF
"""Seconds: a partition that was kept for so long begins anew with the first wait."""


class _Wait(NamedTuple):
    until: float
    backoff: float


class TakeoverBackoff:
    """The partitions that were taken from us and are still called ours. Times are monotonic, in seconds."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._waits: dict[TopicPartition, _Wait] = {}

    def lost(self, taken_over: Collection[tuple[str, int]], now: float) -> None:
        """Note which partitions another one has just taken over."""
        for topic, partition in taken_over:
            at = TopicPartition(topic, partition)
            last = self._waits.get(at)
            backoff = (
                INITIAL_BACKOFF if last is None or now - last.until > QUIET else min(2 * last.backoff, MAX_BACKOFF)
            )
            self._waits[at] = _Wait(now + backoff * self._chance.uniform(0.5, 1), backoff)

    def waiting(self, now: float) -> Collection[TopicPartition]:
        """Return the partitions that may not be taken yet."""
        return {at for at, wait in self._waits.items() if wait.until > now}

    def clear(self) -> None:
        """Forget all: the group has given its partitions out anew."""
        self._waits.clear()
