"""The whole service on an embedded broker, and the world around it by hand: who orders, who answers, who listens."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.producer.message_accumulator import BatchBuilder

from saga_coordinator.handlers.names import DEFAULT_NAMES
from saga_coordinator.handlers.records import OutboxMessage, Record
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.service.app.bootstrap import Service, build_service
from saga_coordinator.service.app.database import path_of
from saga_coordinator.service.app.run import run
from saga_coordinator.service.settings import KafkaSettings, Settings, StartFrom
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.coordinator import Watcher, sampled
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import ANSWERS, EVENTS, OUTCOMES, REPLIES, Log, type_of

PARTITIONS = 2
COMMANDS = tuple(f"{name}.commands.v1" for name in ("inventory", "payments", "reviews", "shipping", "notifications"))
DEAD_LETTERS = (f"{EVENTS}-dlt", f"{REPLIES}-dlt")
TOPICS: Mapping[str, int] = dict.fromkeys((EVENTS, REPLIES, OUTCOMES, *COMMANDS, *DEAD_LETTERS), PARTITIONS)


class World:
    """Everybody but the coordinator: answers each command as often as it arrives, unless scripted otherwise."""

    def __init__(self, broker: FaultyBroker) -> None:
        self.placed: list[str] = []
        self.received: list[OutboxMessage] = []
        self.refused: set[tuple[str, str]] = set()
        self.is_silent = False
        self.log = Log()
        servers = broker.bootstrap_servers
        self._producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all")
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=servers, auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=20
        )
        self._listening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Connect, and begin to listen and to answer."""
        await self._producer.start()
        await self._consumer.start()
        listened_to = (OUTCOMES, *COMMANDS, *DEAD_LETTERS)
        self._consumer.assign([TopicPartition(topic, each) for topic in listened_to for each in range(PARTITIONS)])
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Disconnect, and raise what went wrong while listening."""
        assert self._listening is not None
        self._listening.cancel()
        try:
            with suppress(asyncio.CancelledError):
                await self._listening
        finally:
            await self._consumer.stop()
            await self._producer.stop()

    async def send_batch(self, topic: str, partition: int, batch: BatchBuilder) -> None:
        """Send a batch that was made by hand."""
        batch.close()
        await (await self._producer.send_batch(batch, topic, partition=partition))

    def new_batch(self) -> BatchBuilder:
        """An empty batch to make by hand."""
        return self._producer.create_batch()

    async def send(self, *records: Record) -> None:
        """Send records, in order; their partition is that of their key."""
        for record in records:
            headers = list(record.headers)
            await self._producer.send_and_wait(record.place.topic, record.value, record.key, headers=headers)

    async def order(self, *orders: str) -> None:
        """Place orders."""
        self.placed += orders
        await self.send(*(self.log.placed(order) for order in orders))

    async def outcomes(self, *orders: str) -> None:
        """Return when every one of these orders has its outcome."""
        await eventually(lambda: set(orders) <= self.published_outcomes().keys(), f"an outcome of each of {orders}")

    def published_outcomes(self) -> dict[str, list[str]]:
        """Return the outcomes of each order, with copies of the same message once."""
        found: dict[str, dict[str, str]] = {}
        for row in self.of(OUTCOMES):
            found.setdefault((row.key or b"").decode(), {})[row.message_id] = type_of(row)
        return {order: list(types.values()) for order, types in found.items()}

    def of(self, topic: str) -> list[OutboxMessage]:
        """What was received of a topic, in order of arrival."""
        return [row for row in self.received if row.topic == topic]

    async def _listen(self) -> None:
        while True:
            for records in (await self._consumer.getmany(timeout_ms=100)).values():
                for each in records:
                    headers = tuple(each.headers)
                    named = dict(headers)
                    id_ = (named.get("ce_id") or b"").decode()
                    row = OutboxMessage(id_, 0, each.topic, each.partition, each.key, headers, each.value)
                    self.received.append(row)
                    await self._answer(row)

    async def _answer(self, row: OutboxMessage) -> None:
        if self.is_silent or type_of(row) not in ANSWERS or row.topic in DEAD_LETTERS:
            return
        is_refused = ((row.key or b"").decode(), type_of(row)) in self.refused
        await self.send(self.log.refuse(row) if is_refused else self.log.answer(row))


@dataclass
class Running:
    """A running service, and what it reported to its observer."""

    service: Service
    watcher: Watcher
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Return when every check holds and every partition is leased."""
        await eventually(lambda: self.service.health.is_ready and len(self.leased()) == 2 * PARTITIONS, "ready")

    def leased(self) -> dict[tuple[str, int], int | None]:
        """The next offset of every partition that is leased, as the database has it."""
        rows = self.rows("SELECT topic, partition, next_offset FROM lease")
        return {(topic, partition): next_offset for topic, partition, next_offset in rows}

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What stands in the database, read by a connection of its own."""
        return look(path_of(self.service.settings), sql)


def member(it: Running) -> AIOKafkaConsumer:
    """The consumer of the service: only a member of the group may commit for it."""
    consumer = it.service.consumer._consumer  # noqa: SLF001
    assert consumer is not None
    return consumer


def look(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """What stands in a database."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


@asynccontextmanager
async def serving(
    broker: FaultyBroker,
    path: Path,
    *,
    crash: bool = False,
    request_timeout: float = 5.0,
    session_timeout: float = 1.0,
    group: str | None = None,
    batch: int = 500,
    outbox_limit: int = 10_000,
    name: str = DEFAULT_NAMES.coordinator,
    saga: AnySaga = order_fulfilment,
    start_from: StartFrom = "beginning",
    is_recovering: bool = False,
) -> AsyncIterator[Running]:
    """The service on a broker and a database file. In the end it is drained, or, as by a crash, cut off where it is.

    It has a group of its own, so that it need not wait until the embedded broker gives up the member before it.
    """
    kafka = KafkaSettings(
        bootstrap_servers=broker.bootstrap_servers,
        group=group or f"group-{uuid4()}",
        session_timeout=session_timeout,
        request_timeout=request_timeout,
        fetch_wait=0.02,
        batch=batch,
        start_from=start_from,
    )
    settings = Settings(name=name, kafka=kafka, store=f"sqlite:///{path}", outbox_limit=outbox_limit)
    watcher = Watcher()
    async with build_service(settings, [saga], watcher, sampled, is_recovering=is_recovering) as service:
        running = Running(service, watcher)
        running.task = asyncio.create_task(run(service, running.stop, watcher))
        try:
            yield running
        finally:
            if crash:
                running.task.cancel()
                with suppress(asyncio.CancelledError):
                    await running.task
            else:
                running.stop.set()
                await running.task
