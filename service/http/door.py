"""The door to what changes something: shut when the coordinator ends, so that it leaves nothing behind that it owes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ENDING: Final = "the coordinator is about to end and changes nothing more: ask again once it has started anew"


class Door:
    """Whoever is inside when it is shut is awaited; whoever comes later has to see why it is (None: it is open)."""

    def __init__(self) -> None:
        self.why_shut: str | None = None
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Be inside for as long as the block."""
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    async def shut(self) -> None:
        """Let nobody in any more, and wait until nobody is inside."""
        self.why_shut = ENDING
        await self._empty.wait()
