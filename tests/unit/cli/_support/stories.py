"""Databases as the real handlers leave them: orders on their way, done, undone, stalled; records of every verdict."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.sagas.catalog import catalog
from tests.unit.handlers._support.coordinator import Coordinator, HandClock, open_coordinator
from tests.unit.handlers._support.order_log import Log

RESERVE, CHARGE = "inventory.reserve-stock.v1", "payments.charge-card.v1"
RELEASE, REFUND = "inventory.release-stock.v1", "payments.refund-card.v1"
SHIP, NOTIFY = "shipping.ship-order.v1", "notifications.notify-customer.v1"

Story: TypeAlias = Callable[[Coordinator, Log], Awaitable[None]]


def run_stories(
    path: Path, *stories: Story, ago: timedelta = timedelta(), sagas: tuple[AnySaga, ...] = catalog
) -> None:
    """Let stories happen on one database, one after the other; the first began so long ago."""

    async def run() -> None:
        clock, log = HandClock(), Log()
        clock.time = datetime.now(UTC) - ago
        async with open_coordinator(path, *sagas, clock=clock) as it:
            for story in stories:
                await story(it, log)

    asyncio.run(run())


def placed(order: str) -> Story:
    """An order was placed, and its first two commands were sent."""

    async def story(it: Coordinator, log: Log) -> None:
        await it.take(log.placed(order))

    return story


def shipped(order: str) -> Story:
    """An order was shipped, and its customer is being notified."""

    async def story(it: Coordinator, log: Log) -> None:
        await it.take(log.placed(order))
        for type_ in (RESERVE, CHARGE, SHIP):
            await it.take(log.answer(it.sent(type_, order)[0]))

    return story


def completed(order: str) -> Story:
    """An order came to its good end, each answer 50 ms after its command."""

    async def story(it: Coordinator, log: Log) -> None:
        await it.take(log.placed(order))
        for type_ in (RESERVE, CHARGE, SHIP, NOTIFY):
            it.clock.pass_by(timedelta(milliseconds=50))
            await it.take(log.answer(it.sent(type_, order)[0]))

    return story


def refused_at_shipping(order: str, *, undone: bool = True) -> Story:
    """Nobody ships an order. If `undone`, everything done for it is undone."""

    async def story(it: Coordinator, log: Log) -> None:
        await it.take(log.placed(order))
        for type_ in (RESERVE, CHARGE):
            await it.take(log.answer(it.sent(type_, order)[0]))
        await it.take(log.refuse(it.sent(SHIP, order)[0]))
        if undone:
            await it.take(*(log.answer(it.sent(type_, order)[0]) for type_ in (RELEASE, REFUND)))

    return story


def stalled(order: str) -> Story:
    """Nobody ships an order, and its card cannot be refunded."""

    async def story(it: Coordinator, log: Log) -> None:
        await refused_at_shipping(order, undone=False)(it, log)
        await it.take(log.answer(it.sent(RELEASE, order)[0]))
        await it.take(log.refuse(it.sent(REFUND, order)[0]))

    return story


def silent_for(minutes: int) -> Story:
    """No participant replies, and timers fire, for this long."""

    async def story(it: Coordinator, log: Log) -> None:  # noqa: ARG001  the form of a story
        for _ in range(minutes):
            it.clock.pass_by(timedelta(minutes=1))
            await it.fire_due()

    return story


def topics_of_orders(partitions: int) -> dict[str, int]:
    """All topics of order fulfilment, with so many partitions each."""
    routes = Routes(catalog)
    return dict.fromkeys(routes.topics_in | routes.topics_out, partitions)
