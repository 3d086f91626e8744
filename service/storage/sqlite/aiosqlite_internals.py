"""What aiosqlite does not offer: a function of ours in the thread of its connection.

Its public methods make a trip to the thread for each statement, which costs the event loop 100 us. The private parts of
aiosqlite are used here and nowhere else; a test fails when an upgrade changes them.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final, TypeVar

import aiosqlite

T = TypeVar("T")

MAX_WAIT: Final = 0.005
"""For so many seconds the event loop waits for a short function."""

NO_WAIT_FOR: Final = 1.0
"""For so many seconds it waits for none, once that was not enough: the disk is slow."""


async def run(connection: aiosqlite.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    """Run a function in the thread."""
    result: T = await connection._execute(function, connection._conn)  # type: ignore[no-untyped-call]  # noqa: SLF001
    return result


class BoundedWait:
    """Runs functions in the thread while the event loop stands still, as long as that does not take long.

    A loop that goes on competes with the thread for Python's lock: SQLite releases it at each row, and a busy loop then
    has it for 5 ms (`sys.getswitchinterval`). But a disk that is slow, or does not answer, must not stop heartbeats and
    the API.
    """

    def __init__(self) -> None:
        self._waits_from = 0.0

    async def run(self, connection: aiosqlite.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
        """Run a function in the thread."""
        if monotonic() < self._waits_from:
            return await run(connection, function)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        ended = Lock()
        ended.acquire()

        def call() -> T:
            try:
                return function(connection._conn)  # noqa: SLF001  see above
            finally:
                ended.release()

        connection._tx.put_nowait((future, call))  # noqa: SLF001  see above
        if not ended.acquire(timeout=MAX_WAIT):
            self._waits_from = monotonic() + NO_WAIT_FOR
        return await future
