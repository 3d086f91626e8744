"""How often a step is asked, and how long it waits before it is asked again."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Retry:
    """`attempts` sendings in all (None: without limit); the wait is `first`, growing by `factor` up to `cap`.

    `jitter` is the share of each wait that chance may take away, 0 to 1: instances that failed together do not
    come back together. The chance is derived from the command's id, so a replay waits exactly as long. `total` is how
    long after the first sending the last one may leave.
    """

    attempts: int | None = 1
    first: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    cap: timedelta = timedelta(minutes=5)
    jitter: float = 0.2
    total: timedelta | None = None

    @property
    def is_endless(self) -> bool:
        """Say whether it never gives up."""
        return self.attempts is None and self.total is None

    def allows(self, sendings: int, spent: timedelta = timedelta(0)) -> bool:
        """Say whether one more sending is allowed after so many, so long after the first."""
        return (self.attempts is None or sendings < self.attempts) and (self.total is None or spent <= self.total)

    def wait(self, sendings: int, chance: float) -> timedelta:
        """Return the wait after so many sendings (0: the only one was overtaken), for a chance in [0, 1)."""
        doublings = min(max(sendings, 1) - 1, 64)
        longest = min(self.cap.total_seconds(), self.first.total_seconds() * self.factor**doublings)
        return timedelta(seconds=longest * (1 - self.jitter * chance))


ONCE = Retry()
"""A compensatable step or a pivot that says nothing else: one sending."""

FOREVER = Retry(attempts=None)
"""A step after the pivot that says nothing else: the saga can only go forward, so it asks until it is answered."""

PATIENT = Retry(attempts=12)
"""A compensation that says nothing else: some twenty minutes of waiting, then it stalls and an operator is told."""
