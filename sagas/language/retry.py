"""How often a command is sent, and how long the wait is before it is sent again."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Retry:
    """`attempts` sendings in all (None: without limit); the wait is `first`, growing by `factor` up to `cap`.

    `jitter` is the share of each wait that chance may take away, 0 to 1: instances that failed together do not
    retry together. The chance is derived from the command's id, so a replay waits exactly as long. `total` limits
    the time from the first sending to the last one.
    """

    attempts: int | None = 1
    first: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    cap: timedelta = timedelta(minutes=5)
    jitter: float = 0.2
    total: timedelta | None = None

    @property
    def is_endless(self) -> bool:
        """Return whether it never gives up."""
        return self.attempts is None and self.total is None

    def allows(self, sendings: int, spent: timedelta = timedelta(0)) -> bool:
        """Return whether one more sending is allowed, after so many and this long after the first."""
        return (self.attempts is None or sendings < self.attempts) and (self.total is None or spent <= self.total)

    def wait(self, sendings: int, chance: float) -> timedelta:
        """Return the wait after so many sendings (0: the only one was overtaken), for a chance in [0, 1)."""
        doublings = min(max(sendings, 1) - 1, 64)
        longest = min(self.cap.total_seconds(), self.first.total_seconds() * self.factor**doublings)
        return timedelta(seconds=longest * (1 - self.jitter * chance))


ONCE = Retry()
"""The default of a step before the pivot, and of the pivot: one sending."""

FOREVER = Retry(attempts=None)
"""The default of a step after the pivot: the saga can only go forward, so the command is sent until it is answered."""

PATIENT = Retry(attempts=12)
"""The default of a compensation: some twenty minutes of waiting, then the instance stalls."""
