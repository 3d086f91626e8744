"""Every request that the service makes of Kafka meets every error: all orders end, nothing is lost, nothing differs."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from service.kafka.embedded import ApiKey, EmbeddedBroker
from tests.handlers.eventually import eventually
from tests.handlers.order_log import EVENTS, REPLIES
from tests.integration.kafka_errors import CODES, KICKS, Code
from tests.integration.on_broker import PARTITIONS, TOPICS, Running, World, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

READ, WRITTEN = 1, 2
"""The broker that leads what the service reads, and coordinates its group; and the one that leads what it writes."""

GROUP: Final = "group"
REQUEST_TIMEOUT_S: Final = 2.0
BURST: Final = 3
ENDS_WITHIN_S: Final = 40.0
AT_ONE_SERVICE: Final = 5
BETWEEN_KICKS_S: Final = 0.15


class Scene(NamedTuple):
    """A service that runs, the world around it, and the brokers between them."""

    broker: EmbeddedBroker
    world: World
    it: Running


async def test_any_error_of_any_request_is_lived_through_single_and_in_bursts(tmp_path: Path) -> None:
    """Side by side, for most of the time is waited; each service meets a few errors, one after the other."""
    async with asyncio.TaskGroup() as tasks:
        for api, codes in CODES.items():
            for first in range(0, len(codes), AT_ONE_SERVICE):
                folder = tmp_path / f"{api.name}-{first}"
                folder.mkdir()
                tasks.create_task(all_are_met(folder, api, codes[first : first + AT_ONE_SERVICE]))


async def test_answers_that_come_late_or_too_late_cost_nothing_but_time(tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        for number, delay_ms in enumerate((50, 300, int(REQUEST_TIMEOUT_S * 1500))):
            here.broker.set_rtt(delay_ms)
            for api in ApiKey:
                here.broker.push_broker_errors(broker_of(api), api, [0, 0], delay_ms=delay_ms)
            placing = asyncio.create_task(here.world.order(f"o-{number}"))
            await asyncio.sleep(2 * REQUEST_TIMEOUT_S)  # the fault itself: nothing can be awaited
            here.broker.set_rtt(0)
            await placing
            await eventually(lambda name=f"o-{number}": name in here.world.told(), "it has ended", ENDS_WITHIN_S)
        await check(here, [f"o-{number}" for number in range(3)])


async def all_are_met(folder: Path, api: ApiKey, codes: Sequence[Code]) -> None:
    """Let one service meet each of these errors, once and in a burst, with an order for each time."""
    async with scene(folder) as here:
        orders = []
        for code in codes:
            for errors in ([code], [code] * BURST):
                orders.append(f"o-{len(orders)}")
                await meets(here, api, errors, orders[-1])
        await check(here, orders)


async def meets(here: Scene, api: ApiKey, errors: Sequence[Code], order: str) -> None:
    """Let the service meet errors, for which it may have to be made to ask, while an order is there to be done."""
    what = f"{api.name} with {len(errors)} x {errors[0].name}"
    here.broker.push_broker_errors(broker_of(api), api, errors)
    await here.world.order(order)
    for number in count():
        if not unmet(here, api) or api not in KICKS:
            break
        await make_ask(here, *KICKS[api], f"{order}-{number}", what)
    await eventually(lambda: not unmet(here, api), f"the service meets {what}", ENDS_WITHIN_S)
    await eventually(lambda: order in here.world.told(), f"{order} has ended after {what}", ENDS_WITHIN_S)


async def make_ask(here: Scene, kick: ApiKey, code: Code, order: str, what: str) -> None:
    """Let another request fail, so that the service sends one that it sends at its start otherwise."""
    here.broker.push_broker_errors(broker_of(kick), kick, [code])
    if kick is ApiKey.PRODUCE:
        await here.world.order(order)
    await eventually(lambda: not unmet(here, kick), f"{kick.name} fails, for {what}", ENDS_WITHIN_S)
    await asyncio.sleep(BETWEEN_KICKS_S)


def unmet(here: Scene, api: ApiKey) -> int:
    """How many errors no request has met yet."""
    return here.broker.unmet_errors(broker_of(api), api)


def broker_of(api: ApiKey) -> int:
    """The broker that the service alone sends such requests to, sooner or later."""
    return WRITTEN if api is ApiKey.PRODUCE else READ


async def check(here: Scene, orders: Sequence[str]) -> None:
    """Every order has one outcome, no id has two contents, and nothing is owed."""
    await eventually(lambda: here.it.service.health.is_ready, f"ready: {here.it.service.health.checks}")
    open_ = "SELECT count(*) FROM instance WHERE ended_at IS NULL"
    await eventually(lambda: here.it.rows(open_) == [(0,)], "every instance has ended", ENDS_WITHIN_S)
    await eventually(lambda: here.it.rows("SELECT count(*) FROM outbox") == [(0,)], "nothing is owed")
    told = here.world.told()
    assert set(orders) <= told.keys()
    assert {order: len(types) for order, types in told.items()} == dict.fromkeys(told, 1)
    contents = {(row.message_id, row.topic, row.key, row.value) for row in here.world.received}
    assert len(contents) == len({row.message_id for row in here.world.received})


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """A service that is ready."""
    with EmbeddedBroker(TOPICS, brokers=2) as broker:
        for topic in TOPICS:
            for partition in range(PARTITIONS):
                broker.set_leader(topic, partition, READ if topic in {EVENTS, REPLIES} else WRITTEN)
        broker.set_coordinator(GROUP, READ)
        async with (
            World(broker) as world,
            serving(broker, folder / "saga.db", request_timeout=REQUEST_TIMEOUT_S, group=GROUP) as it,
        ):
            await it.ready()
            yield Scene(broker, world, it)
