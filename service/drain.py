"""The door to what changes something: shut when the coordinator ends, so that it leaves nothing behind that it owes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

SHUTTING_DOWN: Final = "the coordinator is about to end and changes nothing more: ask again once it has started anew"


class Drain:
    """Whoever is inside when it is shut is awaited; whoever comes later has to see why it is (None: it is open)."""

    def __init__(self) -> None:
        self.closed_reason: str | None = None
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Be inside for as long as the block."""
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def close(self) -> None:
        """Let nobody in any more, and wait until nobody is inside."""
        self.closed_reason = SHUTTING_DOWN
        await self._idle.wait()
