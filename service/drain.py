"""Shutting down without losing work in progress: changes in progress finish, and later ones are refused."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SHUTTING_DOWN: Final = "the coordinator is shutting down and changes nothing more: try again when it has restarted"


class Drain:
    """Counts changes in progress. `closed_reason` is None as long as further changes are accepted."""

    def __init__(self) -> None:
        self.closed_reason: str | None = None
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Count the block as a change in progress."""
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def close(self) -> None:
        """Refuse further changes, and wait for those in progress."""
        self.closed_reason = SHUTTING_DOWN
        await self._idle.wait()
