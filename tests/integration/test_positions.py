"""An operator says from where topics are read, and the running coordinator continues there."""

import shutil
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Actor
from tests.integration._support.on_broker import PARTITIONS, TOPICS, World, serving
from tests.integration.test_guard_on_broker import GROUP, complete, is_refused, is_stopped_as_another_topic, reason
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import EVENTS, REPLIES

pytestmark = pytest.mark.slow

OLGA = Actor("olga", "the topic is ours")
ORDERS = ("o-1", "o-2")


@pytest.mark.parametrize(("position", "found"), [("beginning", {"o-1", "o-2"}), ("end", {"o-2"})])
async def test_a_topic_with_history_is_read_from_where_an_operator_says(
    tmp_path: Path, position: str, found: set[str]
) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            await world.order("o-1")
            async with serving(broker, tmp_path / "saga.db", start_from="none") as it:
                await eventually(lambda: "say from where it is read" in reason(it), "it asks from where")
                await it.service.positions.set(EVENTS, None, position, OLGA)
                await it.ready()
                await world.order("o-2")
                await world.outcomes(*found)
                assert set(it.rows("SELECT correlation FROM instance")) == {(each,) for each in found}


async def test_a_topic_that_was_created_again_is_read_when_an_operator_says_so(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        await complete(broker, tmp_path / "saga.db", "o-1")
        broker.recreate_topic(EVENTS, PARTITIONS)
        async with World(broker) as world:
            await world.order("o-1", "o-2")
            async with serving(broker, tmp_path / "saga.db", group=GROUP) as it:
                await is_stopped_as_another_topic(it)
                await it.service.positions.set(EVENTS, None, "beginning", OLGA)
                await world.outcomes("o-2")
                await it.ready()
                orders = it.rows("SELECT correlation, verdict, count(*) FROM history JOIN instance ON number = instance"
                                 " WHERE kind = 'start' GROUP BY 1, 2 ORDER BY 1, 2")  # fmt: skip
                assert orders == [("o-1", "applied", 1), ("o-1", "duplicate", 1), ("o-2", "applied", 1)]


async def test_a_database_continues_where_a_lost_one_ended_when_an_operator_says_so(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        await complete(broker, tmp_path / "saga.db", "o-1")
        async with World(broker) as world, serving(broker, tmp_path / "new.db", group=GROUP) as it:
            await is_refused(it, "the consumer group same belongs to the database")
            await it.service.positions.set(EVENTS, None, "committed", OLGA)
            await is_refused(it, "the consumer group same belongs to the database")
            await it.service.positions.set(REPLIES, None, "committed", OLGA)
            await it.ready()
            await world.order("o-2")
            await world.outcomes("o-2")
            assert it.rows("SELECT correlation FROM instance") == [("o-2",)]
            is_set = "SELECT count(*) FROM lease WHERE is_set = 1"
            await eventually(lambda: it.rows(is_set) == [(0,)], "the group has committed every position")
        async with serving(broker, tmp_path / "new.db", group=GROUP) as it:
            await it.ready()


async def test_an_older_copy_continues_from_where_an_operator_says(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        await complete(broker, tmp_path / "saga.db", ORDERS[0])
        shutil.copy(tmp_path / "saga.db", tmp_path / "backup.db")
        await complete(broker, tmp_path / "saga.db", ORDERS[1])
        async with World(broker) as world, serving(broker, tmp_path / "backup.db", group=GROUP) as it:
            await is_refused(it, "went back")
            for topic in (EVENTS, REPLIES):
                await it.service.positions.set(topic, None, "beginning", OLGA)
            await it.ready()
            await eventually(lambda: len(it.rows("SELECT 1 FROM instance")) == len(ORDERS), "both are known")
            await world.send(*(world.log.answer(row) for row in world.received if row.topic.endswith(".commands.v1")))
            completed = "SELECT 1 FROM instance WHERE status = 'completed'"
            await eventually(lambda: len(it.rows(completed)) == len(ORDERS), "both are completed")


async def test_a_position_that_is_set_back_under_way_is_read_from_there(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db", group=GROUP) as it:
            await world.order("o-1", "o-2")
            await world.outcomes("o-1", "o-2")
            await it.service.positions.set(EVENTS, None, "beginning", OLGA)
            copies = "SELECT count(*) FROM history WHERE kind = 'start' AND verdict = 'duplicate'"
            await eventually(lambda: it.rows(copies) == [(2,)], "both are read once more")
            await it.ready()


@pytest.mark.parametrize(
    ("topic", "partition", "position", "problem"),
    [
        ("nobody.events.v1", None, "end", "is none of the topics that are read: orders.events.v1, saga.replies.v1"),
        (EVENTS, 7, "end", "has no partition 7: it has 0, 1"),
        (EVENTS, 0, "99", "reaches from 0 to 0: 99 is outside"),
        (EVENTS, 0, "soon", "soon is no position: say `beginning`, `end`, `committed`"),
        (EVENTS, 0, "2026-01-31T08:00", "has no zone: add it, such as 2026-01-31T08:00Z"),
    ],
)
async def test_what_is_no_position_of_a_topic_that_is_read_is_refused(
    tmp_path: Path, topic: str, partition: int | None, position: str, problem: str
) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with serving(broker, tmp_path / "saga.db") as it:
            await it.ready()
            before = it.leased()
            with pytest.raises(ValueError, match=problem):
                await it.service.positions.set(topic, partition, position, OLGA)
            assert it.leased() == before
