"""A coordinator that runs beside the command line, with its API on a socket, as `saga serve` has it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

from saga_coordinator.contracts import Reply
from saga_coordinator.handlers.records import Actor, PartitionOfTopic, SetPosition
from saga_coordinator.service.drain import Drain
from saga_coordinator.service.http.routes import build_actions
from saga_coordinator.service.http.server import listen, serve_api
from tests.unit.handlers._support.coordinator import Coordinator, HandClock, open_coordinator
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.faulty import OF_CATALOG, Two, catalog

T = TypeVar("T")
LIMIT = 20


class Running:
    """The coordinator, the two instances of its saga, and where it listens."""

    def __init__(self, path: Path) -> None:
        self.bind = ""
        self.it: Coordinator
        self.two: Two
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()

    def does(self, work: Callable[[], Awaitable[T]]) -> T:
        """Let the coordinator do something, and wait for it."""

        async def worked() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(worked(), self._loop).result(LIMIT)

    def answers(self, type_: str, reply: Reply, *, copies: int) -> "Future[None]":
        """Let a participant answer the last command of a type, once so many copies of it were sent."""

        async def answered() -> None:
            await eventually(lambda: len(self.it.sent(type_, "bad")) >= copies, f"{copies} of {type_}")
            await self.it.take(self.two.log.says(self.it.sent(type_, "bad")[-1], reply))

        return asyncio.run_coroutine_threadsafe(answered(), self._loop)

    def run(self, started: Callable[[], None]) -> None:
        """Run until stopped."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._served(started))
        self._loop.close()

    async def set_positions(self, topic: str, partition: int | None, position: str, by: Actor) -> Sequence[SetPosition]:
        """Set partition 0 of a topic to an offset."""
        if not position.isdecimal():
            raise ValueError(f"{position} is no position")
        positions = [SetPosition(PartitionOfTopic(topic, partition or 0, None), int(position))]
        await self.it.store.set_positions(positions, None, by)
        return positions

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _served(self, started: Callable[[], None]) -> None:
        listener = listen("127.0.0.1:0")
        self.bind = f"127.0.0.1:{listener.getsockname()[1]}"
        clock = HandClock()
        clock.time = datetime.now(UTC)
        async with open_coordinator(self._path, *catalog, clock=clock) as self.it, asyncio.TaskGroup() as tasks:
            actions = build_actions(self.it.operator, self.it.redrive, self.set_positions, self.bind, Drain())
            serving = tasks.create_task(serve_api(actions, listener))
            self.two = await Two(self.it).begin()
            started()
            await self._stop.wait()
            serving.cancel()


@contextmanager
def running(path: Path) -> Iterator[Running]:
    """Run a coordinator in a thread; its bad instance is broken until the test corrects it."""
    OF_CATALOG.keys.add("bad")
    started = Event()
    beside = Running(path)
    thread = Thread(target=beside.run, args=(started.set,))
    thread.start()
    assert started.wait(LIMIT)
    try:
        yield beside
    finally:
        beside.stop()
        thread.join(LIMIT)
