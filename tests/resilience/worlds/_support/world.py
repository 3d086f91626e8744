"""A whole world from one seed: coordinators with the real handlers, feed and loops, and everything that goes wrong."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from saga_coordinator.handlers.routing import Routes
from tests.acceptance._support import short_timeouts_catalog
from tests.resilience.worlds._support import trips
from tests.resilience.worlds._support.broker import SESSION_TIMEOUT, Broker, Weather
from tests.resilience.worlds._support.coordinators import Around, Clock, Coordinator, in_place_of_kafka
from tests.resilience.worlds._support.database import Database, Mood
from tests.resilience.worlds._support.faults import Fault, planned
from tests.resilience.worlds._support.loop import SimulatedLoop
from tests.resilience.worlds._support.people import Manners, Participants, Shop
from tests.resilience.worlds._support.trips import Travellers

ENDS_WITHIN = 300.0
"""Seconds in which everything must end, eight times as many as any sound world takes: to set clocks takes none."""
QUIET = 5
"""Seconds in which nothing may happen any more: longer than any loop of a coordinator waits between two looks.

While something waits for a timer, the clocks are then set forward to it: empty polls prove nothing.
"""
STILL = 60
"""Seconds after which nothing will ever happen: no coordinator waits so long to try again."""


class NotOver(AssertionError):
    """All is well again, and something does not end."""


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


def lived(seed: int, faults: tuple[Fault, ...] | None = None, *, orders: int | None = None) -> World:
    """Let the world of a seed happen, with its own faults and orders or with these, until all is well and over."""
    chance = Random(seed)
    loop = SimulatedLoop(chance)
    world = _made(seed, planned(seed) if faults is None else faults, loop, chance)
    with in_place_of_kafka(world.broker):
        asyncio.set_event_loop(loop)
        try:
            loop.run_until_complete(_live(world, orders or chance.randint(1, 5)))
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
    routes = Routes((*short_timeouts_catalog.catalog, *trips.catalog))
    how_many, broker = chance.choice((1, 1, 2, 3)), Broker(chance)
    database = Database(routes, chance, is_shared=how_many > 1, refuses_batch=chance.choice((0.0, 0.0, 0.3, 1.0)))
    around = Around(loop, routes, broker, database)
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
        database=database,
        shop=Shop(broker, chance),
        travellers=Travellers(broker, chance),
        participants=Participants(broker, chance, manners),
        coordinators=[Coordinator(number, around, Clock(loop)) for number in range(how_many)],
    )
    broker.hinted = lambda at, offset: _hinted(world, (at.topic, at.partition), offset)
    return world


async def _live(world: World, orders: int) -> None:
    world.participants.listen()
    world.shop.open(orders, 6.0)
    world.travellers.open(world.database.chance.randint(0, 2), 6.0)
    for coordinator in world.coordinators:
        coordinator.start()
    for fault in world.faults:
        world.loop.call_later(fault.at, _begin, world, fault)
        world.loop.call_later(fault.at + fault.lasts, _end, world, fault)
    await asyncio.sleep(max([8.0, *(fault.at + fault.lasts for fault in world.faults)]) + 0.1)
    _heal(world)
    await _until_over(world)
    world.ended_at = world.loop.time()


async def _until_over(world: World) -> None:
    """Return when nothing happens any more and everything has ended. Raises `NotOver`."""
    quiet, before = 0, -1
    while quiet < QUIET or _open(world):
        if world.loop.time() > ENDS_WITHIN or quiet > STILL:
            raise NotOver(f"not over at {world.loop.time():.0f} s: {_open(world)}")
        if quiet >= QUIET and (wait := _until_next_timer(world)) > 0:
            quiet = 0
            for coordinator in world.coordinators:
                coordinator.clock.jump += timedelta(seconds=wait)
        await asyncio.sleep(1)
        now = world.database.commits + world.broker.records
        quiet = quiet + 1 if now == before and world.loop.is_calm() else 0
        before = now


def _until_next_timer(world: World) -> float:
    """Return for how many seconds the coordinators, by their clocks, have nothing to do."""
    now = world.coordinators[0].clock.now()
    timers = [row.next_timer_at for row in world.database.instances.values() if row.next_timer_at]
    return (min(timers, default=now) - now).total_seconds() - 1


# --- what goes wrong, and how it ends


def _begin(world: World, fault: Fault) -> None:
    coordinator = world.coordinators[fault.whom % len(world.coordinators)]
    life = coordinator.life
    match fault.kind:
        case "crash":
            coordinator.crash()
        case "pause" if life is not None:
            world.loop.pause(life)
            world.loop.call_later(SESSION_TIMEOUT + 0.1, world.broker.rebalance)
        case "rebalance":
            world.broker.rebalance()
        case "clock":
            coordinator.clock.jump += timedelta(seconds=fault.step)
        case _:
            _worsen(world, fault)


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
            coordinator.start()
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
            coordinator.start()
        else:
            world.loop.resume(coordinator.life)
    world.broker.rebalance()
    for fault in world.faults:
        if fault.kind == "takeover" and world.database.is_shared:
            world.loop.call_later(1 + 4 * fault.strength, world.database.take_all)


def _open(world: World) -> list[str]:
    """What is not over yet."""
    found = [f"instance {row.key}" for row in world.database.instances.values() if not row.has_ended]
    found += [f"message {row.message_id}" for row in world.database.outbox.values()]
    topics = world.routes.topics_in
    for (topic, partition), log in world.broker.logs.items():
        if topic in topics:
            _, _, done = world.database.leases.get((topic, partition), (0, "", None))
            found += [f"{topic}:{partition} from {done}"] if (done or 0) < len(log) else []
    return found


def _hinted(world: World, place: tuple[str, int], offset: int) -> None:
    """An offset is committed to Kafka: never one that the database has not reached (I22)."""
    _, _, done = world.database.leases.get(place, (0, "", None))
    if offset > (done or 0):
        world.offsets_ahead.append(f"{place} {offset} > {done}")
