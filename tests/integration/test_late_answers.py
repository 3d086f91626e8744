"""Answers of Kafka that come late, or after the service has ceased to wait: it costs time, and nothing else."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from tests.integration._support.kafka_errors import CODES, Code
from tests.integration._support.meeting import ENDS_WITHIN_S, check, meets
from tests.integration._support.two_brokers import scene
from tests.support.kafka.faulty_broker import ApiKey
from tests.unit.handlers._support.eventually import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REQUEST_TIMEOUT_S: Final = 1.0
LATE_MS: Final = 700
"""Within the limit."""
TOO_LATE_MS: Final = 2_500
"""Beyond the limit that the service sets for requests of its clients."""
MUCH_TOO_LATE_MS: Final = 7_000
"""Beyond the limit that aiokafka's consumer sets to a request: it waits for the group, so for a session and 5 s."""


async def test_late_answers_to_any_request_cost_nothing_but_time(tmp_path: Path) -> None:
    """Each kind of request alone, by a service of its own."""

    async def lives_through(api: ApiKey) -> None:
        async with scene(tmp_path / f"{api.name}.db", REQUEST_TIMEOUT_S) as here:
            for delay_ms in (LATE_MS, TOO_LATE_MS, MUCH_TOO_LATE_MS):
                await meets(here, api, [Code.NONE], f"o-{delay_ms}", delay_ms)
            await check(here)

    async with asyncio.TaskGroup() as tasks:
        for api in CODES:
            tasks.create_task(lives_through(api))


async def test_when_all_answers_are_late_for_a_while_it_costs_nothing_but_time(tmp_path: Path) -> None:
    async def lives_through(delay_ms: int) -> None:
        async with scene(tmp_path / f"{delay_ms}.db", REQUEST_TIMEOUT_S) as here:
            await asyncio.to_thread(here.broker.set_rtt, delay_ms)
            placing = asyncio.create_task(here.world.order("o"))
            await asyncio.sleep(2 * delay_ms / 1000)  # the fault itself
            await asyncio.to_thread(here.broker.set_rtt, 0)
            await placing
            await eventually(
                lambda: "o" in here.world.published_outcomes(), f"it has ended after {delay_ms} ms", ENDS_WITHIN_S
            )
            await check(here)

    async with asyncio.TaskGroup() as tasks:
        for delay_ms in (LATE_MS, TOO_LATE_MS, MUCH_TOO_LATE_MS):
            tasks.create_task(lives_through(delay_ms))
