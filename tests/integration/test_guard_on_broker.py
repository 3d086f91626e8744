"""A database reads only what belongs to it: its own cluster, its own group, and the topics that it knows."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from aiokafka import TopicPartition

from saga_coordinator.service.settings import StartFrom
from tests.integration._support.on_broker import PARTITIONS, TOPICS, Running, World, look, member, serving
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.eventually import LIMIT, eventually
from tests.unit.handlers._support.order_log import EVENTS, REPLIES

pytestmark = pytest.mark.slow

GROUP = "same"


async def test_a_lost_database_reads_nothing_of_a_group_that_has_offsets(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        await complete(broker, tmp_path / "saga.db", "o-1")
        async with serving(broker, tmp_path / "other.db", group=GROUP) as it:
            lost = database_id(tmp_path / "saga.db")
            await is_refused(it, f"the consumer group same belongs to the database {lost}", "restore its newest backup")
        await has_decided_nothing(tmp_path / "other.db")


async def test_a_database_that_is_empty_reads_nothing_of_a_group_whose_offsets_carry_no_id(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with serving(broker, tmp_path / "saga.db", group=GROUP) as it:
            await it.ready()
            await member(it).commit({TopicPartition(EVENTS, each): 7 for each in range(PARTITIONS)})
        async with serving(broker, tmp_path / "other.db", group=GROUP) as it:
            await is_refused(it, "the consumer group same", "other.db")
        await has_decided_nothing(tmp_path / "other.db")


async def test_of_two_databases_in_one_group_the_second_takes_nothing_from_the_first(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db", group=GROUP) as first:
            await first.ready()
            async with serving(broker, tmp_path / "other.db", group=GROUP) as second:
                await is_refused(second, "the consumer group same belongs to the database")
                orders = [f"o-{number}" for number in range(20)]
                await world.order(*orders)
                await world.outcomes(*orders)
                assert first.service.health.is_ready
                assert len(member(first).assignment()) == 2 * PARTITIONS
            assert first.rows("SELECT count(*) FROM instance") == [(len(orders),)]
        await has_decided_nothing(tmp_path / "other.db")


async def test_a_database_that_went_back_reads_nothing(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        await complete(broker, tmp_path / "saga.db", "o-1")
        shutil.copy(tmp_path / "saga.db", tmp_path / "backup.db")
        await complete(broker, tmp_path / "saga.db", "o-2", "o-33")
        async with serving(broker, tmp_path / "backup.db", group=GROUP) as it:
            await is_refused(it, "went back", "committed orders.events.v1:", "`saga serve --recover`")
            assert it.rows("SELECT correlation FROM instance") == [("o-1",)]


async def test_a_database_of_another_cluster_reads_nothing(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker, FaultyBroker(TOPICS) as other:
        await complete(broker, tmp_path / "saga.db", "o-1")
        async with serving(other, tmp_path / "saga.db", group=GROUP) as it:
            await is_refused(it, "belongs to the Kafka cluster mockCluster", "SAGA_KAFKA__BOOTSTRAP_SERVERS")


@pytest.mark.parametrize("records", [0, 3])
async def test_a_topic_that_was_created_again_is_not_read_though_it_contains_the_offset(
    tmp_path: Path, records: int
) -> None:
    with FaultyBroker(TOPICS) as broker:
        await complete(broker, tmp_path / "saga.db", "o-1")
        broker.recreate_topic(EVENTS, PARTITIONS)
        async with World(broker) as world:
            await world.order(*(f"o-{number}" for number in range(10, 10 + 10 * records)))
            async with serving(broker, tmp_path / "saga.db", group=GROUP) as it:
                await is_stopped_as_another_topic(it)
                assert it.rows("SELECT correlation FROM instance") == [("o-1",)]


async def test_a_topic_that_is_created_again_while_it_is_read_is_stopped_and_the_others_are_read(
    tmp_path: Path,
) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db", group=GROUP) as it:
            await world.order("o-1")
            await world.outcomes("o-1")
            world.is_silent = True
            await world.order("o-2")
            await eventually(lambda: len(world.of("payments.commands.v1")) >= 2, "o-2 waits for its replies")
            broker.recreate_topic(EVENTS, PARTITIONS)
            await is_stopped_as_another_topic(it)
            await world.send(*(world.log.answer(row) for row in world.received if row.key == b"o-2"))
            await eventually(lambda: it.rows("SELECT count(*) FROM history WHERE kind = 'answer'")[0][0] > 4, "replies")


@pytest.mark.parametrize(("start_from", "found"), [("beginning", {"o-1", "o-2", "o-3"}), ("end", {"o-3"})])
async def test_a_topic_with_history_is_read_from_where_the_setting_says(
    tmp_path: Path, start_from: StartFrom, found: set[str]
) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            await world.order("o-1", "o-2")
            async with serving(broker, tmp_path / "saga.db", start_from=start_from) as it:
                await it.ready()
                await world.order("o-3")
                await world.outcomes("o-3")
            assert set(look(tmp_path / "saga.db", "SELECT correlation FROM instance")) == {(each,) for each in found}


async def test_a_topic_with_history_is_not_read_before_somebody_says_from_where(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            await world.order("o-1")
            for _ in range(2):  # a restart does not decide it
                async with serving(broker, tmp_path / "saga.db", start_from="none") as it:
                    problem = "has records (0 to 1) from before this database first saw it: say from where it is read"
                    await eventually(lambda: problem in reason(it), f"readiness says {problem}")  # noqa: B023
                    assert "`saga positions set orders.events.v1 beginning --reason WHY`" in reason(it)
                    assert it.rows("SELECT count(*) FROM instance") == [(0,)]
                    await eventually(lambda: sum(it.service.consumer.lag.values()) == 1, "its record is lag")
                    assert [at[0] for at in it.service.consumer.stopped] == ["orders.events.v1"]


async def test_in_an_outage_there_is_no_lag_that_was_true_before(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with serving(broker, tmp_path / "saga.db", request_timeout=0.5) as it:
            await it.ready()
            await eventually(lambda: len(it.service.consumer.lag) == 2 * PARTITIONS, "the lag is known")
            broker.set_down()
            await eventually(lambda: it.service.consumer.lag == {}, "it is not known")
            broker.set_up()


async def test_a_topic_without_records_needs_no_word_even_if_they_come_while_it_is_down(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with serving(broker, tmp_path / "saga.db", start_from="none", group=GROUP) as it:
            await it.ready()
        async with World(broker) as world:
            await world.order("o-1")
            async with serving(broker, tmp_path / "saga.db", start_from="none", group=GROUP) as it:
                await world.outcomes("o-1")


# --- what the tests share


async def complete(broker: FaultyBroker, path: Path, *orders: str) -> None:
    """Run the service until these orders have ended, and the group has committed that."""
    async with World(broker) as world, serving(broker, path, group=GROUP) as it:
        await world.order(*orders)
        await world.outcomes(*orders)
        async with asyncio.timeout(LIMIT):
            for topic, partition in it.leased():
                while await member(it).committed(TopicPartition(topic, partition)) != it.leased()[topic, partition]:
                    pass


async def is_refused(it: Running, *words: str) -> None:
    """Readiness says all of these words, and nothing is read."""
    await eventually(lambda: all(word in reason(it) for word in words), f"readiness says {words}")
    assert not it.service.health.is_ready
    assert list(it.service.handlers.leases.owned()) == []


async def is_stopped_as_another_topic(it: Running) -> None:
    """Readiness says of each partition of the events that it is of another topic; the replies are read."""
    await eventually(
        lambda: reason(it).count("is of another topic than before: its id was") == PARTITIONS, f"stopped: {reason(it)}"
    )
    assert "`saga positions set orders.events.v1 beginning --reason WHY`" in reason(it)
    await eventually(
        lambda: {topic for topic, _ in it.service.handlers.leases.owned()} == {REPLIES}, "replies are read"
    )


async def has_decided_nothing(path: Path) -> None:
    for table in ("instance", "history", "outbox", "verdict"):
        assert look(path, f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608  the tables above


def reason(it: Running) -> str:
    """What readiness reports."""
    return "; ".join(check.reason or "" for check in it.service.health.checks)


def database_id(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        ((id_,),) = connection.execute("SELECT id FROM identity").fetchall()
    return str(id_)
