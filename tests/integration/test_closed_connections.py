"""A write to a connection that was closed a moment ago is a broken connection, under either loop."""

import asyncio
import sys
from collections.abc import Callable

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest

from saga_coordinator.service.kafka.connection import connection
from saga_coordinator.service.settings import KafkaSettings
from tests.support.kafka.faulty_broker import FaultyBroker

LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop]
if sys.platform != "win32":
    import uvloop

    LOOPS.append(uvloop.new_event_loop)


@pytest.mark.parametrize("loop", LOOPS, ids=lambda made: made.__module__)
def test_a_request_on_a_connection_that_was_just_closed_fails_as_one_that_is_broken(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with FaultyBroker({"t": 1}) as broker, asyncio.Runner(loop_factory=loop) as runner:
        settings = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, request_timeout=5.0)
        connection(settings)  # as any client of the service begins
        host, port = broker.bootstrap_servers.split(":")
        for turns in range(4):
            runner.run(ask_a_closed_one(host, int(port), turns))


async def ask_a_closed_one(host: str, port: int, turns: int) -> None:
    """Ask a connection that was closed so many turns of the loop ago; after three or so it has heard of it."""
    asked = AIOKafkaConnection(host, port, request_timeout_ms=5_000)
    await asked.connect()
    asked._writer.transport.abort()  # noqa: SLF001  as the system does when the broker is gone
    for _ in range(turns):
        await asyncio.sleep(0)
    with pytest.raises(KafkaConnectionError):
        await asked.send(ApiVersionRequest())
    assert not asked.connected()
