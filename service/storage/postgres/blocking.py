"""A session for callers that are not asynchronous, such as a command."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from saga_coordinator.service.storage.postgres.session import SETTINGS, PostgresSession, Server

T = TypeVar("T")


class Blocking(Protocol):
    """Returns what a coroutine returns."""

    def __call__(self, work: Coroutine[Any, Any, T]) -> T: ...


@contextmanager
def blocking_session(
    server: Server, settings: Mapping[str, str] = SETTINGS
) -> Iterator[tuple[PostgresSession, Blocking]]:
    """Yield a session, and what runs its coroutines: on a loop of a thread, as the caller may be on one of its own."""
    session = PostgresSession(server, settings)
    with ThreadPoolExecutor(1) as thread:
        runner = asyncio.Runner()

        def run(work: Coroutine[Any, Any, T]) -> T:
            return thread.submit(runner.run, work).result()

        try:
            yield session, run
        finally:
            run(session.close())
            thread.submit(runner.close).result()
