"""A database that was restored after it had gone on: what it decided since is found in Kafka, and not decided again."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.handlers.recovery import IN_DOUBT
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.service.app import recovery
from saga_coordinator.service.app.bootstrap import build_service
from saga_coordinator.service.kafka.gap import read_gap
from saga_coordinator.service.settings import KafkaSettings, Settings
from saga_coordinator.service.storage.sqlite.backup import backup, restore
from tests.integration._support.on_broker import COMMANDS, TOPICS, Running, World, member, serving
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.support.kafka.java import JavaKafka
from tests.unit.handlers._support.coordinator import Watcher, sampled
from tests.unit.handlers._support.eventually import LIMIT, eventually

pytestmark = pytest.mark.slow

GROUP = "same"
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
STALLED = "SELECT correlation, json_extract(state, '$.stall.code') FROM instance WHERE status = 'stalled' ORDER BY 1"
MESSAGE_OF_THE_FIRST = "SELECT json_extract(state, '$.stall.message') FROM instance WHERE correlation = 'o-1'"
IN_DOUBT_ARE = [("o-1", IN_DOUBT), ("o-2", IN_DOUBT)]


async def test_a_kill_between_backup_and_loss_lets_nothing_be_decided_twice(tmp_path: Path) -> None:
    path = tmp_path / "saga.db"
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            await goes_back(broker, world, path)
            async with serving(broker, path, group=GROUP, is_recovering=True) as it:
                await is_recovered(it)
                [message] = [row[0] for row in it.rows(MESSAGE_OF_THE_FIRST)]
                assert message.startswith("more was decided than this database contains, since it went back: ")
                world.is_silent = False
                await answer(world, "o-3", "o-4")
                await world.outcomes("o-3", "o-4")
                await has_committed(it)
            async with serving(broker, path, group=GROUP) as it:
                await it.ready()
                assert it.rows("SELECT * FROM doubt") == []
            assert [len(types) for types in world.published_outcomes().values()] == [1] * 4, "no second outcome"


async def test_a_killed_recovery_is_refused_without_the_option_and_completed_with_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "saga.db"
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            await goes_back(broker, world, path)
            kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, group=GROUP)
            settings = Settings(kafka=kafka, store=f"sqlite:///{path}")
            async with build_service(settings, [order_fulfilment], Watcher(), sampled, is_recovering=True) as service:
                await service.publisher.start()
                await recovery.prepare(service)
            async with serving(broker, path, group=GROUP) as it:
                await eventually(lambda: "went back" in reason(it), "it is refused")
            async with serving(broker, path, group=GROUP, is_recovering=True) as it:
                await is_recovered(it)


async def test_a_database_that_did_not_go_back_loses_nothing_by_the_option(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            world.is_silent = True
            async with serving(broker, tmp_path / "saga.db", group=GROUP, crash=True) as it:
                await world.order("o-1")
                await eventually(lambda: len(commands(world, "o-1")) == 2, "its commands are sent")
            world.is_silent = False
            await answer(world, "o-1")
            async with serving(broker, tmp_path / "saga.db", group=GROUP, is_recovering=True) as it:
                await world.outcomes("o-1")
                assert it.rows(STALLED) == []


async def goes_back(broker: FaultyBroker, world: World, path: Path) -> None:
    """Let orders live, make a backup, complete two of them, kill the coordinator, and restore the backup.

    `o-1` and `o-3` are live in the backup, `o-2` and `o-4` begin after it; `o-1` and `o-2` are completed. A late
    cancellation of `o-2` was ignored.
    """
    world.is_silent = True
    async with serving(broker, path, group=GROUP, crash=True) as it:
        await world.order("o-1", "o-3")
        await eventually(lambda: len(commands(world, "o-1", "o-3")) == 4, "their commands are sent")
        backup(path, path.with_name("backup.db"))
        world.is_silent = False
        await answer(world, "o-1")
        await world.order("o-2")
        await world.outcomes("o-1", "o-2")
        world.is_silent = True
        await world.send(world.log.cancelled("o-2"))
        await world.order("o-4")
        await eventually(lambda: len(commands(world, "o-4")) == 2, "its commands are sent")
        await has_committed(it)
    restore(path, path.with_name("backup.db"))


async def is_recovered(it: Running) -> None:
    """The backlog is processed, two instances are in doubt, and the two others continue."""
    await it.ready()
    await eventually(lambda: it.rows("SELECT * FROM doubt") == [], "the recovery is complete")
    assert it.rows(STALLED) == IN_DOUBT_ARE
    assert it.rows("SELECT correlation FROM instance WHERE status = 'running' ORDER BY 1") == [("o-3",), ("o-4",)]


async def answer(world: World, *orders: str) -> None:
    """Answer the commands of some orders that were received in silence."""
    await world.send(*(world.log.answer(row) for row in commands(world, *orders)))


def commands(world: World, *orders: str) -> list[OutboxMessage]:
    """The commands of some orders, each once."""
    keys = {order.encode() for order in orders}
    return list({row.message_id: row for row in world.received if row.topic in COMMANDS and row.key in keys}.values())


async def has_committed(it: Running) -> None:
    async with asyncio.timeout(LIMIT):
        for (topic, partition), offset in it.leased().items():
            while await member(it).committed(TopicPartition(topic, partition)) != offset:
                pass


def reason(it: Running) -> str:
    return "; ".join(check.reason or "" for check in it.service.health.checks)


@pytest.mark.kafka  # the embedded broker finds no offset by its time
async def test_outcomes_are_read_from_a_time_on_and_replies_from_an_offset_on(own_kafka: JavaKafka) -> None:
    own_kafka.create_topics({"outcomes": 1, "replies": 1, "empty": 1})
    async with AIOKafkaProducer(bootstrap_servers=own_kafka.bootstrap_servers) as producer:
        for topic, hour in product(("outcomes", "replies"), range(4)):
            at = int((MIDNIGHT + timedelta(hours=hour)).timestamp() * 1000)
            await producer.send_and_wait(topic, str(hour).encode(), partition=0, timestamp_ms=at)
    kafka = KafkaSettings(bootstrap_servers=own_kafka.bootstrap_servers)
    since = MIDNIGHT + timedelta(hours=2)

    gap = read_gap(kafka, {("replies", 0): 1}, {"outcomes", "empty", "not-there"}, since)
    found = [(record.place.topic, record.value) async for some in gap for record in some]

    assert [each for topic, each in found if topic == "outcomes"] == [b"2", b"3"]
    assert [each for topic, each in found if topic == "replies"] == [b"1", b"2", b"3"]
