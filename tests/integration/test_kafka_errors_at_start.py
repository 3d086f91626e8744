"""A service that meets errors of Kafka while it starts: it becomes ready, and does its work."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from tests.integration._support.kafka_errors import CODES, Code
from tests.integration._support.meeting import ENDS_WITHIN_S, check, is_set, push, set_topic_errors, unmet
from tests.integration._support.on_broker import World, serving
from tests.integration._support.two_brokers import SESSION_TIMEOUT_S, Scene, brokers
from tests.support.kafka.faulty_broker import ApiKey, FaultyBroker
from tests.unit.handlers._support.eventually import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

AT_START: Final = (
    ApiKey.API_VERSIONS,
    ApiKey.METADATA,
    ApiKey.INIT_PRODUCER_ID,
    ApiKey.FIND_COORDINATOR,
    ApiKey.JOIN_GROUP,
    ApiKey.SYNC_GROUP,
    ApiKey.OFFSET_FETCH,
    ApiKey.LIST_OFFSETS,
)
ERRORS: Final = 4
SERVICES_AT_ONCE: Final = 24


async def test_a_service_that_meets_any_error_at_its_start_becomes_ready(tmp_path: Path) -> None:
    at_once = asyncio.Semaphore(SERVICES_AT_ONCE)
    pairs = [(api, code) for api in AT_START for code in CODES[api]]
    began = await asyncio.gather(
        *(begins(at_once, tmp_path / f"{api.name}-{code.name}.db", api, code) for api, code in pairs),
        return_exceptions=True,
    )
    failed = [f"{api.name} x {code.name}: {why!r}" for (api, code), why in zip(pairs, began, strict=True) if why]
    assert not failed


async def begins(at_once: asyncio.Semaphore, path: Path, api: ApiKey, code: Code) -> None:
    """Start a service that meets an error some times before all is well, and let it do an order."""
    async with at_once, brokers(1) as broker:
        await push(broker, api, [code] * ERRORS)
        async with serving(broker, path, request_timeout=2.0, session_timeout=SESSION_TIMEOUT_S) as it:
            if is_set(api, code):
                await eventually(lambda: not unmet(broker, api), "it has met all", ENDS_WITHIN_S)
                await set_topic_errors(broker, 0)
            await eventually(lambda: it.service.health.is_ready, "it is ready", ENDS_WITHIN_S)
            assert met(broker, api)
            async with World(broker) as world:
                await world.order("o")
                await check(Scene(broker, world, it))


def met(broker: FaultyBroker, api: ApiKey) -> bool:
    """Say whether the start has met the errors; it asks for committed offsets no second time, if it can do without."""
    return unmet(broker, api) == 0 or (api is ApiKey.OFFSET_FETCH and unmet(broker, api) < ERRORS)
