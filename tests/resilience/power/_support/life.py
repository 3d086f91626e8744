"""A coordinator's life among its neighbours, from its start until there is nothing more to do, or a sync has failed."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random

from saga_coordinator.handlers.records import Record
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.sqlite.errors import is_sync_failure
from tests.resilience.power._support.neighbours import Acknowledged, Neighbours, Note, ToNeighbours, image
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.order_log import EVENTS, REPLIES

Course = tuple[Random, int]
"""What decides on the way, and how many orders there will be."""


async def lived(path: Path, neighbours: Neighbours, course: Course, note: Callable[[Note], None]) -> bool:
    """Live until all orders are placed and there is nothing more to do. False: a sync has failed before."""

    def on_result(trouble: str | None) -> None:
        if trouble is None:
            note(Acknowledged(image(path)))

    try:
        with closing(Reader(path)) as reader:
            async with open_coordinator(path, publisher=ToNeighbours(neighbours), on_result=on_result) as it:
                await _at_work(_Feed(it, neighbours, reader, *course))
    except StoreError as error:
        assert sync_has_failed(error) or "did not reach the disk" in str(error)  # noqa: PT017  raised by nothing else
        return False
    except sqlite3.OperationalError as error:
        if not is_sync_failure(error):
            raise
        return False
    return True


def sync_has_failed(error: StoreError) -> bool:
    """Say whether it is the failed sync itself, not the refusal of everything after it."""
    return isinstance(error.__cause__, sqlite3.Error) and is_sync_failure(error.__cause__)


class Reader:
    """Somebody who looks at the database now and then, as `saga ls` does: meanwhile only parts are written back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looking: sqlite3.Connection | None = None

    def looks(self) -> None:
        """Look, or look no longer."""
        if self._looking is not None:
            self.close()
            return
        self._looking = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        self._looking.execute("BEGIN")
        self._looking.execute("SELECT count(*) FROM instance").fetchall()

    def close(self) -> None:
        """Look no longer."""
        if self._looking is not None:
            self._looking.close()
            self._looking = None


@dataclass
class _Feed:
    """Receives records in batches of random size, and publishes the outbox at once or meanwhile."""

    it: Coordinator
    neighbours: Neighbours
    reader: Reader
    chance: Random
    orders: int

    async def begin(self) -> None:
        """Acquire all partitions, and read the outbox."""
        self.it.leases.clear()
        self.it.instance_cache.clear()
        for topic, partition in product((EVENTS, REPLIES), (0, 1)):
            self.it.leases.add(await self.it.store.acquire(topic, partition, "test"))
        self.it.relay.push(await self.it.store.unsent())

    async def run(self) -> None:
        """Go on until all orders are placed and nothing is left; after a failed sync restart, as the real consumer."""
        while True:
            try:
                is_idle = await self._turn()
            except StoreError as error:
                if not sync_has_failed(error):
                    raise
                await self.begin()
            else:
                if is_idle and len(self.neighbours.orders) >= self.orders:
                    return

    async def _turn(self) -> bool:
        """Do one thing after the other. True: there was nothing to do."""
        for _ in range(min(self.orders - len(self.neighbours.orders), self.chance.randint(0, 3))):
            self.neighbours.order()
        fresh = self._fresh()
        await self.it.intake.receive(fresh[: self.chance.randint(1, 8)])
        if not fresh or self.chance.random() < 0.3:
            await self.it.relay.wait_until_drained()
        if self.chance.random() < 0.2:
            self.reader.looks()
        if self.chance.random() < 0.3:
            await self.it.store.checkpoint()
        self.neighbours.answer()
        return not (fresh or self._fresh())

    def _fresh(self) -> list[Record]:
        """What is not taken in yet."""
        return [each for each in self.neighbours.records if self.it.leases.is_expected(each.place)]


async def _at_work(feed: _Feed) -> None:
    """Let a feed run beside the relay."""
    running = asyncio.create_task(feed.it.relay.run())
    try:
        async with asyncio.timeout(60):
            await feed.begin()
            await feed.run()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
