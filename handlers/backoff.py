"""How long to wait before the next attempt at something that failed."""

INITIAL_BACKOFF = 0.2
MAX_BACKOFF = 5.0


class Backoff:
    """Delays in seconds: each is twice the last one, up to `MAX_BACKOFF`."""

    def __init__(self) -> None:
        self._next = INITIAL_BACKOFF

    def next(self) -> float:
        """Return how long to wait after another failure."""
        delay, self._next = self._next, min(2 * self._next, MAX_BACKOFF)
        return delay

    def reset(self) -> None:
        """Start again at `INITIAL_BACKOFF`: an attempt succeeded."""
        self._next = INITIAL_BACKOFF
