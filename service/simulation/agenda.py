"""Virtual time: what is scheduled, and when. Times are whole microseconds since the beginning."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Generic, TypeVar

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""When every simulation begins."""

SECOND = 1_000_000

H = TypeVar("H")

_MICROSECOND = timedelta(microseconds=1)


class Agenda(Generic[H]):
    """A heap of scheduled occurrences. Those of the same time happen in the order in which they were scheduled."""

    def __init__(self) -> None:
        self.now = 0
        self._future: list[tuple[int, int, H]] = []
        self._scheduled = 0

    def schedule(self, at: int, occurrence: H) -> None:
        self._scheduled += 1
        heappush(self._future, (at, self._scheduled, occurrence))

    def after(self, seconds: float, occurrence: H) -> None:
        self.schedule(self.now + microseconds(seconds), occurrence)

    def until(self, end: int) -> Iterator[H]:
        """Yield the occurrences in order, until nothing is left or the end is reached."""
        while self._future and self._future[0][0] <= end:
            self.now, _, occurrence = heappop(self._future)
            yield occurrence


def microseconds(seconds: float) -> int:
    """Return a duration in virtual time."""
    return round(seconds * SECOND)


def as_datetime(at: int) -> datetime:
    return BEGINNING + timedelta(microseconds=at)


def as_moment(at: datetime) -> int:
    """Return a datetime of the machine as virtual time."""
    return (at - BEGINNING) // _MICROSECOND
