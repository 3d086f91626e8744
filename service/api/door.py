"""The door to what changes something: shut when the coordinator ends, so that it leaves nothing behind that it owes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Door:
    """Open until it is shut. Whoever is inside by then is awaited; whoever comes later has to see that it is shut."""

    def __init__(self) -> None:
        self.is_open = True
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
        self.is_open = False
        await self._empty.wait()
