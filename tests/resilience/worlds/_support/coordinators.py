"""The service as it is, with its handlers, its consumer and its loops, on simulated ports: one life after the other."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

from saga_coordinator.handlers.bootstrap import wire_handlers
from saga_coordinator.handlers.ports import Lane
from saga_coordinator.handlers.records import Committed
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.service.app import run as running
from saga_coordinator.service.app.bootstrap import Service
from saga_coordinator.service.drain import Drain
from saga_coordinator.service.health import CHECKS, Health
from saga_coordinator.service.kafka import consumer, group_member, guard, monitor, partitions
from saga_coordinator.service.kafka.consumer import KafkaConsumer
from saga_coordinator.service.settings import KafkaSettings, Settings
from tests.resilience.worlds._support.broker import Broker, Consumer, Publisher
from tests.resilience.worlds._support.database import Database, SimulatedStore
from tests.resilience.worlds._support.loop import Life, SimulatedLoop

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings(
    kafka=KafkaSettings(request_timeout=2.0, batch=20, start_from="beginning"), store="sqlite:///simulated.db"
)


@dataclass
class Clock:
    """What time a coordinator believes it is."""

    loop: SimulatedLoop
    jump: timedelta = timedelta()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.loop.time()) + self.jump


@dataclass
class Watch:
    """An observer that records errors, and which row of a history is a fired timer of which life."""

    began: float = 0.0
    troubles: list[str] = field(default_factory=list)
    timers: list[tuple[str, int, float]] = field(default_factory=list)

    def on_commit(self, turn: Committed) -> None:
        rows = [hop.entry for hop in turn.transitions if hop.entry.kind == "wake"]
        self.timers += [(row.instance_id, row.seq, self.began) for row in rows]

    def on_error(self, what: str, error: BaseException) -> None:
        self.troubles.append(f"{what}: {type(error).__name__} {error}")

    def on_stopped(self, at: Lane, reason: str) -> None:
        self.troubles.append(f"{at}: {reason}")


@dataclass(frozen=True, slots=True)
class Around:
    """What is around a coordinator, and outlives it."""

    loop: SimulatedLoop
    routes: Routes
    broker: Broker
    database: Database


@dataclass
class Coordinator:
    """One coordinator, through all its lives."""

    number: int
    around: Around
    clock: Clock
    watch: Watch = field(default_factory=Watch)
    life: Life | None = None

    def start(self) -> None:
        """Begin a life: the memory is empty, the database is what it was."""
        self.watch.began = self.around.loop.time()
        life = self.life = Life(f"coordinator-{self.number}")
        _ = self.around.loop.live(life, self._live())

    def crash(self) -> None:
        """End this life, wherever it is."""
        if self.life is not None:
            self.around.loop.end(self.life)
            self.life = None

    async def _live(self) -> None:
        """Run the service as `saga serve` does, on simulated ports."""
        store, publisher = SimulatedStore(self.around.database), Publisher(self.around.broker)
        health, watch, routes = Health(CHECKS, self.clock.now), self.watch, self.around.routes
        handlers = wire_handlers(
            routes, store=store, publisher=publisher, clock=self.clock, observer=watch, sampler=lambda _: False
        )
        polling = KafkaConsumer(
            settings=SETTINGS,
            topics=routes.topics_in,
            owner=f"coordinator-{self.number}",
            handlers=handlers,
            store=store,
            health=health,
            observer=watch,
        )
        parts: Any = (SETTINGS, routes, store, publisher, handlers, polling, None, health, Drain())
        service = Service(*parts)  # the store and the publisher are simulated ones
        await running._run_until_stopped(service, asyncio.Event(), watch)  # noqa: SLF001  without the collector's settings


@contextmanager
def in_place_of_kafka(broker: Broker) -> Iterator[None]:
    """Let the consumer use the simulated consumer, and the loop's time."""
    Consumer.broker = broker
    simulated: dict[tuple[ModuleType, str], object] = {
        (group_member, "AIOKafkaConsumer"): Consumer,
        (group_member, "wait_for_assignment"): lambda _: asyncio.sleep(0),
        (consumer, "consumer_error"): lambda _: None,
        (consumer, "MetadataAge"): _Answered,
        (guard, "read_state"): Consumer.read_state,
        (monitor, "describe_topics"): Consumer.describe_topics,
        **{(module, "describe_failure"): _describe for module in (consumer, monitor)},
        **{(module, "time"): _LoopTime for module in (consumer, partitions, monitor)},
    }
    real = {place: getattr(*place) for place in simulated}
    _set(simulated)
    try:
        yield
    finally:
        _set(real)


def _set(values: Mapping[tuple[ModuleType, str], object]) -> None:
    for (module, name), value in values.items():
        setattr(module, name, value)


class _Answered:
    """A simulated consumer that is stale has no other address to ask."""

    def __init__(self, consumer: Consumer) -> None: ...

    def check(self) -> None: ...


async def _describe(_settings: KafkaSettings, error: BaseException) -> str:
    """Return what failed, without another connection: there is no network."""
    await asyncio.sleep(0)
    return repr(error)


class _LoopTime:
    @staticmethod
    def monotonic() -> float:
        return asyncio.get_event_loop().time()
