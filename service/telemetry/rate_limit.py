"""Saying the same thing seldom: once a second, and then how often it was kept back."""

import re
from collections.abc import Callable
from time import monotonic

MAX_KEYS = 1_000

_VARYING = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|\d+")


def fingerprint(text: str) -> str:
    """Return a text without its ids and numbers: two of one gist say the same thing."""
    return _VARYING.sub("#", text)


class RateLimit:
    """Decides whether something is said again, by its gist. For one thread, or under its caller's lock."""

    def __init__(self, every: float = 1.0, clock: Callable[[], float] = monotonic) -> None:
        self._every = every
        self._clock = clock
        self._reported: dict[str, tuple[float, int]] = {}

    def suppressed(self, what: str) -> int | None:
        """Return how often it was kept back since it was said last, if it may be said now; None: keep it back."""
        now = self._clock()
        reported_at, times = self._reported.get(what, (-self._every, 0))
        if now - reported_at < self._every:
            self._reported[what] = (reported_at, times + 1)
            return None
        if len(self._reported) >= MAX_KEYS:
            self._reported.clear()
        self._reported[what] = (now, 0)
        return times
