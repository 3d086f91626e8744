"""Every request that the service makes of Kafka meets every error: all orders end, nothing is lost, nothing differs."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from service.kafka.embedded import ApiKey, EmbeddedBroker
from tests.handlers.eventually import eventually
from tests.handlers.order_log import EVENTS, REPLIES
from tests.integration.kafka_errors import CODES, KICKS, Code
from tests.integration.on_broker import PARTITIONS, TOPICS, Running, World, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

READ, WRITTEN = 1, 2
"""The broker that leads what the service reads, and coordinates its group; and the one that leads what it writes."""

GROUP: Final = "group"
REQUEST_TIMEOUT_S: Final = 2.0
BURST: Final = 3
ENDS_WITHIN_S: Final = 20.0


class Scene(NamedTuple):
    """A service that runs, the world around it, and the brokers between them."""

    broker: EmbeddedBroker
    world: World
    it: Running


@pytest.mark.asyncio
async def test_all(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        for api in CODES:
            (tmp_path/api.name).mkdir()
            tasks.create_task(one(api, tmp_path/api.name))

async def one(api, p):
    b=time.monotonic()
    try:
        await test_any_error_of_any_request_is_lived_through_single_and_in_bursts(api, p)
    except BaseException as e:
        print("DIED", api.name, repr(e)[:600])
    print("END", api.name, round(time.monotonic()-b,1))

@pytest.mark.parametrize("api", CODES, ids=[api.name for api in CODES])
async def test_any_error_of_any_request_is_lived_through_single_and_in_bursts(api: ApiKey, tmp_path: Path) -> None:
    async with scene(tmp_path) as here:
        orders = []
        for code in CODES[api]:
            for errors in ([code], [code] * BURST):
                orders.append(f"o-{len(orders)}")
                await meets(here, api, errors, orders[-1])
        await check(here, orders)


async def meets(here: Scene, api: ApiKey, errors: Sequence[Code], order: str) -> None:
    """Let the service meet errors, for which it may have to be made to ask, while an order is there to be done."""
    began = time.monotonic()
    what = f"{api.name} with {len(errors)} x {errors[0].name}"
    here.broker.push_broker_errors(broker_of(api), api, errors)
    await here.world.order(order)
    await eventually(
        lambda: not unmet(here, api) or make_ask(here, api),
        f"the service meets {what}; it told {here.it.watcher.troubles[-5:]}",
        ENDS_WITHIN_S,
    )
    t=time.monotonic() - began
    try:
        await eventually(lambda: order in here.world.told(), f"{order} has ended after {what}", ENDS_WITHIN_S)
    except AssertionError as e:
        print("FAIL", e, here.it.watcher.troubles[-3:])
    print(what, round(t, 2), round(time.monotonic() - began, 2))


def make_ask(here: Scene, api: ApiKey) -> bool:
    """Make the service send such a request, if it does not by itself. Always False: it has not done so yet."""
    if api in KICKS:
        kick, code = KICKS[api]
        if not unmet(here, kick):
            here.broker.push_broker_errors(broker_of(kick), kick, [code])
    return False


def unmet(here: Scene, api: ApiKey) -> int:
    """How many errors no request has met yet."""
    return here.broker.unmet_errors(broker_of(api), api)


def broker_of(api: ApiKey) -> int:
    """The broker that the service alone sends such requests to, sooner or later."""
    return WRITTEN if api is ApiKey.PRODUCE else READ


async def check(here: Scene, orders: Sequence[str]) -> None:
    """Every order has one outcome, no id has two contents, and nothing is owed."""
    await eventually(lambda: here.it.service.health.is_ready, f"ready: {here.it.service.health.checks}")
    await eventually(lambda: here.it.rows("SELECT count(*) FROM outbox") == [(0,)], "nothing is owed")
    told = here.world.told()
    assert {order: len(told[order]) for order in orders} == dict.fromkeys(orders, 1)
    contents = {(row.message_id, row.topic, row.key, row.value) for row in here.world.received}
    assert len(contents) == len({row.message_id for row in here.world.received})
    assert here.it.rows("SELECT count(*) FROM instance WHERE ended_at IS NULL") == [(0,)]


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
