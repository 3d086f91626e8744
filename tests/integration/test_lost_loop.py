"""A loop that a library cancels ends the service: alive without it, the service would do nothing and say nothing."""

import asyncio
from pathlib import Path
from typing import NoReturn

import pytest
from aiokafka import AIOKafkaConsumer

from tests.integration._support.on_broker import TOPICS, serving
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.eventually import eventually

pytestmark = pytest.mark.slow


async def cancelled(*_: object, **__: object) -> NoReturn:
    raise asyncio.CancelledError


async def test_a_cancellation_that_nobody_has_asked_for_ends_the_service_with_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with FaultyBroker(TOPICS) as broker, pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="by a library")):
        async with serving(broker, tmp_path / "saga.db", crash=True) as it:
            await it.ready()
            monkeypatch.setattr(AIOKafkaConsumer, "getmany", cancelled)
            task = it.task
            assert task is not None
            await eventually(task.done, "the service has ended")
