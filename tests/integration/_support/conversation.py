"""A coordinator in the place of ours: it sends commands to a participant, and receives the replies."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from saga_coordinator.service.participant.records import IncomingRecord
from tests.unit.participant._support.warehouse import REPLIES, TOPIC

TIMEOUT = 60.0


@asynccontextmanager
async def replies_of(servers: str) -> AsyncIterator[Callable[[int], Awaitable[dict[str, str]]]]:
    consumer = AIOKafkaConsumer(REPLIES, bootstrap_servers=servers, auto_offset_reset="earliest")
    await consumer.start()

    async def first(count: int) -> dict[str, str]:
        """Return the types of replies by their commands, as soon as so many commands have one."""
        found: dict[str, str] = {}
        async with asyncio.timeout(TIMEOUT):
            while len(found) < count:
                headers = {name: text.decode() for name, text in (await consumer.getone()).headers}
                found[headers["ce_causationid"]] = headers["ce_type"]
        return found

    try:
        yield first
    finally:
        await consumer.stop()


async def send(servers: str, *records: IncomingRecord) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=servers)
    await producer.start()
    try:
        for each in records:
            await producer.send_and_wait(TOPIC, each.value, key=each.key, headers=list(each.headers))
    finally:
        await producer.stop()
