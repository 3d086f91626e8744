"""Lets a service that runs meet errors of Kafka, and sees that nothing of it is left in the end."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from tests.integration._support.kafka_errors import Code
from tests.integration._support.on_broker import TOPICS
from tests.integration._support.two_brokers import READ, WRITTEN, Scene
from tests.support.kafka.faulty_broker import ApiKey, FaultyBroker
from tests.unit.handlers._support.eventually import LOOK_EVERY, eventually

KICKS: Final[Mapping[ApiKey, Sequence[tuple[ApiKey, Code]]]] = {
    ApiKey.API_VERSIONS: [(ApiKey.FETCH, Code.DISCONNECTED)],
    ApiKey.METADATA: [(ApiKey.FETCH, Code.NOT_LEADER_OR_FOLLOWER), (ApiKey.PRODUCE, Code.NOT_LEADER_OR_FOLLOWER)],
    ApiKey.INIT_PRODUCER_ID: [(ApiKey.PRODUCE, Code.INVALID_PRODUCER_EPOCH)],
    ApiKey.FIND_COORDINATOR: [(ApiKey.HEARTBEAT, Code.NOT_COORDINATOR)],
    ApiKey.JOIN_GROUP: [(ApiKey.HEARTBEAT, Code.UNKNOWN_MEMBER_ID)],
    ApiKey.SYNC_GROUP: [(ApiKey.HEARTBEAT, Code.ILLEGAL_GENERATION)],
    ApiKey.OFFSET_FETCH: [(ApiKey.HEARTBEAT, Code.REBALANCE_IN_PROGRESS)],
}
"""What makes a service that runs send a request that it otherwise sends only at its start."""

ENDS_WITHIN_S: Final = 40.0
KICKED_AGAIN_AFTER_S: Final = 1.0
KICKS_AT_MOST: Final = 30


async def meets(here: Scene, api: ApiKey, errors: Sequence[Code], order: str, delay_ms: int = 0) -> None:
    """Let the service meet errors, or answers that are late, while there is an order to be done."""
    what = f"{api.name} with {len(errors)} x {errors[0].name}, late by {delay_ms} ms"
    await push(here.broker, api, errors, delay_ms)
    await here.world.order(order)
    for number in range(KICKS_AT_MOST):
        await kick(here, api, f"{order}-{number}")
        if await are_met(here, api):
            break
    await eventually(lambda: not unmet(here.broker, api), f"the service meets {what}", ENDS_WITHIN_S)
    if is_set(api, errors[0]):
        await set_topic_errors(here.broker, 0)
    await eventually(lambda: order in here.world.published_outcomes(), f"{order} has ended after {what}", ENDS_WITHIN_S)
    await eventually(lambda: here.it.service.health.is_ready, f"it is ready after {what}", ENDS_WITHIN_S)


async def push(broker: FaultyBroker, api: ApiKey, errors: Sequence[Code], delay_ms: int = 0) -> None:
    """Let the next requests of a kind fail, or their answers be late."""
    if is_set(api, errors[0]):
        await set_topic_errors(broker, errors[0])
        broker.push_broker_errors(broker_of(api), api, [0] * len(errors))  # they count the requests
    else:
        broker.push_broker_errors(broker_of(api), api, errors, delay_ms=delay_ms)


def is_set(api: ApiKey, error: Code) -> bool:
    """Return whether an error is returned while it is set, and not once per push."""
    return api is ApiKey.METADATA and error not in {Code.DISCONNECTED, Code.NONE}


async def set_topic_errors(broker: FaultyBroker, error: int) -> None:
    """Return an error for every topic in the metadata. It can take seconds, in which other services continue."""
    for topic in TOPICS:
        await asyncio.to_thread(broker.set_topic_error, topic, error)


async def kick(here: Scene, api: ApiKey, order: str) -> None:
    """Let other requests fail, so that the service sends one that it otherwise sends only at its start."""
    for other, code in KICKS.get(api, ()):
        if not unmet(here.broker, other):
            here.broker.push_broker_errors(broker_of(other), other, [code])
        if other is ApiKey.PRODUCE:
            await here.world.order(order)


async def are_met(here: Scene, api: ApiKey) -> bool:
    """Say whether requests have met all errors; give them a moment for it."""
    try:
        async with asyncio.timeout(KICKED_AGAIN_AFTER_S):
            while unmet(here.broker, api):  # noqa: ASYNC110  what is looked at sets no event
                await asyncio.sleep(LOOK_EVERY)
    except TimeoutError:
        return False
    return True


def unmet(broker: FaultyBroker, api: ApiKey) -> int:
    """How many errors no request has met yet."""
    return broker.unmet_errors(broker_of(api), api)


def broker_of(api: ApiKey) -> int:
    """The broker that the service alone sends such requests to, sooner or later."""
    return WRITTEN if api is ApiKey.PRODUCE else READ


async def check(here: Scene) -> None:
    """Every order has one outcome, no id has two contents, the outbox is empty, and the service is ready."""
    health = here.it.service.health
    await eventually(lambda: health.is_ready, f"ready: {health.checks}", ENDS_WITHIN_S)
    await eventually(
        lambda: set(here.world.placed) <= here.world.published_outcomes().keys(), "all orders have ended", ENDS_WITHIN_S
    )
    open_ = "SELECT count(*) FROM instance WHERE ended_at IS NULL"
    await eventually(lambda: here.it.rows(open_) == [(0,)], "every instance has ended", ENDS_WITHIN_S)
    await eventually(lambda: here.it.rows("SELECT count(*) FROM outbox") == [(0,)], "the outbox is empty")
    assert {order: len(types) for order, types in here.world.published_outcomes().items()} == dict.fromkeys(
        here.world.placed, 1
    )
    contents = {(row.message_id, row.topic, row.key, row.headers, row.value) for row in here.world.received}
    assert len(contents) == len({row.message_id for row in here.world.received})
