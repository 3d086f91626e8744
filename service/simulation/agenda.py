"""Virtual time: what is scheduled, and when. Times are whole microseconds since the beginning."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
"""When every simulation begins."""

SECOND = 1_000_000

_MICROSECOND = timedelta(microseconds=1)


class Agenda:
    """A heap of calls to come. Those of the same time are made in the order in which they were scheduled."""

    def __init__(self) -> None:
        self.now = 0
        self._future: list[tuple[int, int, Callable[[], None]]] = []
        self._scheduled = 0

    def schedule(self, at: int, call: Callable[[], None]) -> None:
        """Schedule a call for a time that is not before now."""
        self._scheduled += 1
        heappush(self._future, (at, self._scheduled, call))

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        self.schedule(self.now + microseconds(seconds), call)

    def run(self, end: int) -> None:
        """Make all calls in order, until none is left or the end is reached."""
        while self._future and self._future[0][0] <= end:
            self.now, _, call = heappop(self._future)
            call()


def microseconds(seconds: float) -> int:
    """Return a duration in virtual time."""
    return round(seconds * SECOND)


def as_datetime(at: int) -> datetime:
    return BEGINNING + timedelta(microseconds=at)


def as_moment(at: datetime) -> int:
    """Return a datetime of the machine as virtual time."""
    return (at - BEGINNING) // _MICROSECOND
