"""Virtual time: what is going to happen, and when. Times are whole microseconds since the beginning."""

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
    """A heap of future happenings. Those of the same time happen in the order in which they were noted."""

    def __init__(self) -> None:
        self.now = 0
        self._future: list[tuple[int, int, H]] = []
        self._noted = 0

    def note(self, at: int, occurrence: H) -> None:
        """Let something happen at a time, which is not before now."""
        self._noted += 1
        heappush(self._future, (at, self._noted, occurrence))

    def after(self, seconds: float, occurrence: H) -> None:
        """Let something happen so long after now."""
        self.note(self.now + microseconds(seconds), occurrence)

    def until(self, end: int) -> Iterator[H]:
        """Yield what happens, one after the other, until nothing is left or the end has come."""
        while self._future and self._future[0][0] <= end:
            self.now, _, occurrence = heappop(self._future)
            yield occurrence


def microseconds(seconds: float) -> int:
    """Return a length of time as virtual time has it."""
    return round(seconds * SECOND)


def as_datetime(at: int) -> datetime:
    """Return a moment of virtual time as the machine takes it."""
    return BEGINNING + timedelta(microseconds=at)


def as_moment(at: datetime) -> int:
    """Return a time of the machine as a moment of virtual time."""
    return (at - BEGINNING) // _MICROSECOND
