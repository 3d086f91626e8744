"""A whole world from one seed: coordinators with the real handlers, feed and loops, and everything that goes wrong."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from handlers.batch import Wire
from handlers.intake import Intake
from handlers.leases import Leases
from handlers.memory import Memory
from handlers.relay import Relay
from handlers.routing import REPLIES, Routes
from handlers.rows import Committed
from handlers.wake import Alarms
from service import run as running
from service.api import checks
from service.api.health import Health
from service.bootstrap import Service
from service.kafka import assignment, consumers
from service.kafka import feed as feeding
from service.kafka.feed import Feed
from service.settings import KafkaSettings, Settings
from tests.acceptance import hurried_catalog
from tests.worlds import trips
from tests.worlds.broker import SESSION_TIMEOUT, Broker, Consumer, Publisher, Weather
from tests.worlds.database import Database, Mood, SimulatedStore
from tests.worlds.loop import Life, SimulatedLoop
from tests.worlds.people import Manners, Participants, Shop
from tests.worlds.trips import Travellers

START = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings(kafka=KafkaSettings(request_timeout=2.0, batch=20), store="sqlite:///simulated.db")
ENDS_WITHIN = 1_200.0
"""Seconds in which all must be over, beside those by which clocks were ever ahead: an alarm was set by such a clock."""
QUIET = 16
"""Seconds in which nothing may happen any more: longer than a command and its reply may be late together."""

KINDS = (
    "crash", "crash", "pause", "pause", "rebalance", "database", "answer", "down", "send", "ack", "late-send", "clock",
    "slow",
)  # fmt: skip
"""What may go wrong; what stands twice does so twice as often."""


LATE_TAKEOVERS = 0.1
"""In how many worlds leases are taken over, once all is well, by somebody who then does nothing with them."""


class NotOver(AssertionError):
    """All is well again, and something does not end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: when it begins, how long it lasts, whom it concerns, how strong it is (0 to 1)."""

    kind: str
    at: float
    lasts: float
    whom: int
    strength: float


@dataclass
class Clock:
    """What time a coordinator believes it is."""

    loop: SimulatedLoop
    jump: timedelta = timedelta()

    def now(self) -> datetime:
        return START + timedelta(seconds=self.loop.time()) + self.jump


@dataclass
class Watch:
    """An observer that keeps what it is told: of trouble, and which row of a history is an alarm of which life."""

    began: float = 0.0
    troubles: list[str] = field(default_factory=list)
    alarms: list[tuple[str, int, float]] = field(default_factory=list)

    def committed(self, turn: Committed) -> None:
        rows = [hop.entry for hop in turn.hops if hop.entry.kind == "wake"]
        self.alarms += [(row.instance_id, row.seq, self.began) for row in rows]

    def troubled(self, what: str, error: BaseException) -> None:
        self.troubles.append(f"{what}: {type(error).__name__} {error}")


@dataclass
class Coordinator:
    """One coordinator, through all its lives."""

    number: int
    clock: Clock
    watch: Watch = field(default_factory=Watch)
    life: Life | None = None


@dataclass
class World:
    """Everything that there is, after `lived` all that happened."""

    seed: int
    faults: tuple[Fault, ...]
    loop: SimulatedLoop
    routes: Routes
    broker: Broker
    database: Database
    shop: Shop
    travellers: Travellers
    participants: Participants
    coordinators: list[Coordinator]
    ended_at: float = 0.0
    offsets_ahead: list[str] = field(default_factory=list)


def planned(seed: int) -> tuple[Fault, ...]:
    """What goes wrong in the world of a seed."""
    chance = Random(f"faults of {seed}")
    kinds = (
        "crash",
        "crash",
        "pause",
        "pause",
        "rebalance",
        "database",
        "answer",
        "down",
        "send",
        "ack",
        "late-send",
        "clock",
    )
    return tuple(_one_fault(chance.choice(kinds), chance) for _ in range(chance.randint(0, 8)))


def _one_fault(kind: str, chance: Random) -> Fault:
    """A pause may be twice as long as the group waits for a member: its partitions are given to others meanwhile."""
    longest = 2 * SESSION_TIMEOUT if kind == "pause" else 8.0
    return Fault(kind, chance.random() * 12, chance.random() * longest, chance.randrange(3), chance.random())


def lived(seed: int, faults: tuple[Fault, ...] | None = None) -> World:
    """Let the world of a seed happen, with its own faults or with these, until all is well and over."""
    chance = Random(seed)
    loop = SimulatedLoop(chance)
    world = _made(seed, planned(seed) if faults is None else faults, loop, chance)
    with _in_place_of_kafka(world.broker):
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(_live(world))
        finally:
            world.database.mood, world.broker.weather, world.broker.is_closed = (
                Mood(fails=1.0),
                Weather(is_down=True),
                True,
            )
            loop.clear()
            asyncio.set_event_loop(None)
            loop.close()
    return world


def _made(seed: int, faults: tuple[Fault, ...], loop: SimulatedLoop, chance: Random) -> World:
    routes = Routes((*hurried_catalog.catalog, *trips.catalog))
    coordinators = [Coordinator(number, Clock(loop)) for number in range(chance.choice((1, 1, 2, 3)))]
    broker = Broker(chance)
    manners = Manners(
        refuses=chance.choice((0.0, 0.05, 0.2)),
        postpones=chance.choice((0.0, 0.1)),
        loses_reply=chance.choice((0.0, 0.1, 0.3)),
        repeats_reply=chance.choice((0.0, 0.3)),
        answers_late=chance.choice((0.0, 0.2)),
        works_late=chance.choice((0.0, 0.1)),
        talks_nonsense=chance.choice((0.0, 0.1)),
    )
    world = World(
        seed=seed,
        faults=faults,
        loop=loop,
        routes=routes,
        broker=broker,
        database=Database(routes, chance, is_shared=len(coordinators) > 1),
        shop=Shop(broker, chance),
        travellers=Travellers(broker, chance),
        participants=Participants(broker, chance, manners),
        coordinators=coordinators,
    )
    broker.hinted = lambda at, offset: _hinted(world, (at.topic, at.partition), offset)
    return world


async def _live(world: World) -> None:
    world.participants.listen()
    world.shop.open(world.database.chance.randint(1, 5), 6.0)
    world.travellers.open(world.database.chance.randint(0, 2), 6.0)
    for coordinator in world.coordinators:
        _start(world, coordinator)
    for fault in world.faults:
        world.loop.call_later(fault.at, _begin, world, fault)
        world.loop.call_later(fault.at + fault.lasts, _end, world, fault)
    await asyncio.sleep(max([8.0, *(fault.at + fault.lasts for fault in world.faults)]) + 0.1)
    _heal(world)
    ahead = sum(max(0.0, _step(fault)) for fault in world.faults if fault.kind == "clock")
    limit, over_since = ENDS_WITHIN + ahead, 0
    while over_since < QUIET:
        over_since = over_since + 1 if _is_over(world) else 0
        if world.loop.time() > limit:
            raise NotOver(f"not over after {limit:.0f} s: {_open(world)}")
        await asyncio.sleep(1)
    world.ended_at = world.loop.time()


def _start(world: World, coordinator: Coordinator) -> None:
    """Begin a life of a coordinator: its memory is empty, the database is what it was."""
    coordinator.watch.began = world.loop.time()
    life = coordinator.life = Life(f"coordinator-{coordinator.number}")
    _ = world.loop.live(life, _coordinate(world, coordinator))


async def _coordinate(world: World, coordinator: Coordinator) -> None:
    """Run the service as `saga serve` does, on simulated ports."""
    store, publisher = SimulatedStore(world.database), Publisher(world.broker)
    leases, memory, health, watch = Leases(), Memory(), Health(checks.ALL, coordinator.clock.now), coordinator.watch
    relay, wire = Relay(store, publisher, leases, watch), Wire(world.broker.partition, lambda _: False)
    intake = Intake(
        routes=world.routes,
        store=store,
        clock=coordinator.clock,
        wire=wire,
        leases=leases,
        memory=memory,
        relay=relay,
        observer=watch,
    )
    alarms = Alarms(
        routes=world.routes,
        store=store,
        clock=coordinator.clock,
        wire=wire,
        leases=leases,
        memory=memory,
        relay=relay,
        observer=watch,
    )
    feed = Feed(
        settings=SETTINGS,
        topics=world.routes.topics_in,
        owner=f"coordinator-{coordinator.number}",
        intake=intake,
        store=store,
        leases=leases,
        memory=memory,
        relay=relay,
        health=health,
        observer=watch,
    )
    parts: Any = (SETTINGS, world.routes, store, publisher, relay, feed, alarms, None, None, health)
    service = Service(*parts)  # nobody operates it here
    await running._ran(service, asyncio.Event(), watch)  # noqa: SLF001  without the collector's settings


# --- what goes wrong, and how it ends


def _begin(world: World, fault: Fault) -> None:
    coordinator = world.coordinators[fault.whom % len(world.coordinators)]
    life = coordinator.life
    match fault.kind:
        case "crash" if life is not None:
            world.loop.end(life)
            coordinator.life = None
        case "pause" if life is not None:
            world.loop.pause(life)
            world.loop.call_later(SESSION_TIMEOUT + 0.1, world.broker.rebalance)
        case "rebalance":
            world.broker.rebalance()
        case "clock":
            coordinator.clock.jump += timedelta(seconds=_step(fault))
        case _:
            _worsen(world, fault)


def _step(fault: Fault) -> float:
    """By how many seconds a clock is set forward (or back): up to an hour, for the first coordinator a little."""
    return 3600 * (fault.strength - 0.5) * (2 if fault.whom else 0.05)


def _worsen(world: World, fault: Fault) -> None:
    mood, weather = world.database.mood, world.broker.weather
    match fault.kind:
        case "database":
            mood.fails = fault.strength / 4
        case "answer":
            mood.loses_answer = fault.strength / 2
        case "slow":
            mood.slow = fault.strength / 2
        case "down":
            weather.is_down = True
        case "send":
            weather.loses_send = fault.strength
        case "ack":
            weather.loses_ack = fault.strength
        case "late-send":
            weather.delays_send = fault.strength / 2


def _end(world: World, fault: Fault) -> None:
    coordinator = world.coordinators[fault.whom % len(world.coordinators)]
    match fault.kind:
        case "crash" if coordinator.life is None:
            _start(world, coordinator)
        case "pause" if coordinator.life is not None:
            world.loop.resume(coordinator.life)
        case "clock" | "crash" | "pause" | "takeover":
            pass
        case "rebalance":
            world.broker.rebalance()
        case _:
            world.database.mood, world.broker.weather = Mood(), Weather()


def _heal(world: World) -> None:
    """From now on all is well."""
    world.database.mood, world.broker.weather = Mood(), Weather()
    world.participants.manners = replace(Manners(), works_late=0.0)
    for coordinator in world.coordinators:
        coordinator.clock.jump = timedelta()
        if coordinator.life is None:
            _start(world, coordinator)
        else:
            world.loop.resume(coordinator.life)
    world.broker.rebalance()
    for fault in world.faults:
        if fault.kind == "takeover" and world.database.is_shared:
            world.loop.call_later(1 + 4 * fault.strength, world.database.take_all)


def _is_over(world: World) -> bool:
    return not _open(world)


def _open(world: World) -> list[str]:
    """What is not over yet."""
    found = [f"instance {row.key}" for row in world.database.instances.values() if not row.is_over]
    found += [f"message {owed.message_id}" for owed in world.database.outbox.values()]
    for (topic, partition), log in world.broker.logs.items():
        if topic in world.routes.topics_in:
            _, _, done = world.database.leases.get((topic, partition), (0, "", None))
            found += [f"{topic}:{partition} from {done}"] if (done or 0) < len(log) else []
    return found


def _hinted(world: World, place: tuple[str, int], offset: int) -> None:
    """Kafka is told an offset: never one that the database has not reached (I22)."""
    _, _, done = world.database.leases.get(place, (0, "", None))
    if offset > (done or 0):
        world.offsets_ahead.append(f"{place} {offset} > {done}")


@contextmanager
def _in_place_of_kafka(broker: Broker) -> Iterator[None]:
    """Let the feed find the simulated consumer, and the loop's time."""
    Consumer.broker = broker
    members: Any = consumers
    feeds: Any = feeding
    times: Any = assignment
    real = members.AIOKafkaConsumer, feeds.time, times.time
    members.AIOKafkaConsumer, feeds.time, times.time = Consumer, _LoopTime, _LoopTime
    try:
        yield
    finally:
        members.AIOKafkaConsumer, feeds.time, times.time = real


class _LoopTime:
    @staticmethod
    def monotonic() -> float:
        return asyncio.get_event_loop().time()


__all__ = ["REPLIES", "Fault", "World", "lived", "planned"]
