"""The whole service on an embedded broker: orders to their outcomes, duplicates, a broker that goes and comes."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from saga_coordinator.service.kafka import consumer as consuming
from tests.integration._support.on_broker import TOPICS, Running, World, look, member, serving
from tests.support.kafka.faulty_broker import ApiKey, FaultyBroker
from tests.unit.handlers._support.eventually import LIMIT, eventually
from tests.unit.handlers._support.order_log import EVENTS, REPLIES, Log, type_of

pytestmark = pytest.mark.slow

CONFIRMED, REJECTED = "orders.order-confirmed.v1", "orders.order-rejected.v1"
NOT_LEADER, NOT_ENOUGH_REPLICAS = 6, 19


async def test_orders_come_to_their_outcomes(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db") as it:
            world.refused = {("o-2", "shipping.ship-order.v1"), ("o-3", "payments.charge-card.v1")}
            await world.order("o-1", "o-2", "o-3")
            await world.outcomes("o-1", "o-2", "o-3")
            assert world.published_outcomes() == {"o-1": [CONFIRMED], "o-2": [REJECTED], "o-3": [REJECTED]}
            assert [row.key for row in world.of("payments.commands.v1") if "refund" in type_of(row)] == [b"o-2"]
        assert look(tmp_path / "saga.db", "SELECT count(*) FROM outbox") == [(0,)]
        assert it.watcher.troubles == []


async def test_messages_that_come_twice_are_acted_upon_once_i5_i10(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db") as it:
            await world.send(*[world.log.placed("o-1")] * 3)
            await world.outcomes("o-1")
            await world.send(*(world.log.answer(row) for row in world.received if row.topic.endswith(".commands.v1")))
            await world.order("o-2")
            await world.outcomes("o-2")
            verdicts = it.rows("SELECT verdict, count(*) FROM history GROUP BY verdict ORDER BY verdict")
            assert verdicts == [("applied", 10), ("duplicate", 6)]
        assert {order: len(types) for order, types in world.published_outcomes().items()} == {"o-1": 1, "o-2": 1}
        contents = {(row.message_id, row.topic, row.key, row.value) for row in world.received}
        assert len(contents) == len({row.message_id for row in world.received}) == 10


async def test_offsets_are_committed_to_kafka_and_never_beyond_the_stores_i22(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db") as it:
            await world.order("o-1")
            await world.outcomes("o-1")
            lease = {at: offset for at, offset in it.leased().items() if offset}
            committed: dict[tuple[str, int], int | None] = {}
            async with asyncio.timeout(LIMIT):
                while committed != lease:
                    committed = {at: await member(it).committed(TopicPartition(*at)) for at in lease}
                    assert all((committed[at] or 0) <= lease[at] for at in lease)


async def test_the_last_offsets_are_committed_when_it_stops_i22(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "COMMIT_INTERVAL", 3_600)
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db", group="g") as it:
            await world.order("o-1")
            await world.outcomes("o-1")
        done = {at: offset for at, offset in it.leased().items() if offset}
        consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers, group_id="g")
        await consumer.start()
        try:
            assert {at: await consumer.committed(TopicPartition(*at)) for at in done} == done
        finally:
            await consumer.stop()


async def test_the_stores_offset_wins_over_the_one_that_kafka_has_i23(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            async with serving(broker, tmp_path / "saga.db", group="same") as it:
                await world.order("o-1", "o-2", "o-33", "o-44")
                await world.outcomes("o-1", "o-2", "o-33", "o-44")
                await member(it).commit({TopicPartition(*at): 0 for at in it.leased()})
            applied = look(tmp_path / "saga.db", "SELECT count(*) FROM history")
            await world.order("o-5", "o-66")
            async with serving(broker, tmp_path / "saga.db", group="same") as it:
                await world.outcomes("o-5", "o-66")
                assert it.rows("SELECT count(*) FROM history") == [(applied[0][0] + 10,)]
                assert it.rows("SELECT DISTINCT verdict FROM history") == [("applied",)]


async def test_a_broker_that_is_not_there_at_the_start_is_waited_for_i34(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        broker.set_down()
        async with serving(broker, tmp_path / "saga.db", request_timeout=0.5) as it:
            await eventually(lambda: len(it.watcher.troubles) >= 2, "tried and reported twice")
            assert it.task is not None
            assert not it.task.done()
            assert not it.service.health.is_ready
            broker.set_up()
            await it.ready()
            async with World(broker) as world:
                await world.order("o-1")
                await world.outcomes("o-1")


async def test_a_service_that_waits_for_the_broker_can_be_stopped(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        broker.set_down()
        async with serving(broker, tmp_path / "saga.db", request_timeout=0.5) as it:
            await eventually(lambda: len(it.watcher.troubles) >= 1, "tried and reported")


async def test_a_broker_that_goes_in_the_middle_costs_nothing_i34(tmp_path: Path) -> None:
    orders = [f"o-{number}" for number in range(30)]
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db", request_timeout=0.5) as it:
            await world.order(*orders)
            await eventually(lambda: len(world.received) > 40, "in the middle")
            broker.set_down()
            await eventually(lambda: not it.service.health.is_ready, "not ready")
            broker.set_up()
            await world.outcomes(*orders)
            assert set(map(len, world.published_outcomes().values())) == {1}
        contents = {(row.message_id, row.topic, row.key, row.value) for row in world.received}
        assert len(contents) == len({row.message_id for row in world.received})


async def test_nothing_more_is_taken_in_while_too_much_is_unsent_i33(tmp_path: Path) -> None:
    orders, batch, outbox_limit = [f"o-{number}" for number in range(60)], 5, 10
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            await world.order(*orders)
            broker.push_request_errors(ApiKey.PRODUCE, [NOT_ENOUGH_REPLICAS] * 100_000)
            path = tmp_path / "saga.db"
            async with serving(broker, path, request_timeout=0.5, batch=batch, outbox_limit=outbox_limit) as it:
                await eventually(lambda: it.service.handlers.relay.pending > outbox_limit, "too much is unsent")
                await eventually(lambda: bool(it.watcher.troubles), "Kafka takes nothing")
                assert it.service.handlers.relay.pending <= outbox_limit + 2 * batch
                assert sum(offset or 0 for offset in it.leased().values()) < len(orders)
                broker.clear_request_errors(ApiKey.PRODUCE)
                await world.outcomes(*orders)


async def test_a_log_that_was_trimmed_beyond_the_stores_offset_stops_that_partition_i23(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db"):
            await world.order("o-1")
            await world.outcomes("o-1")
        async with World(broker) as world:
            await world.send(*(world.log.placed("o-1", total=f"{number}.00") for number in range(5)))
            at = await fullest(broker)
            broker.delete_records(EVENTS, at, 4)
            async with serving(broker, tmp_path / "saga.db") as it:
                await eventually(lambda: len(it.watcher.stopped) > 0, "a report")
                it.service.consumer.acquire_again()  # it is stopped again, and reported once
                ((stopped, reason),) = it.watcher.stopped
                assert stopped == (EVENTS, at)
                assert reason.startswith(f"{EVENTS}:{at} is done up to 1, but its log reaches from 4 to 6: ")
                assert f"`saga positions set {EVENTS}/{at} POSITION --reason WHY`" in reason
                await check_stopped(it, world, reason)
                assert it.watcher.stopped == [(stopped, reason)]
                assert it.watcher.troubles == []


async def test_a_log_that_is_trimmed_while_the_service_lags_is_never_jumped_over_i23(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db") as it:
            await world.order("o-1")
            await world.outcomes("o-1")
            broker.push_request_errors(ApiKey.FETCH, [NOT_LEADER] * 1_000)
            await world.send(*(world.log.placed("o-1", total=f"{number}.00") for number in range(5)))
            at = await fullest(broker)
            broker.delete_records(EVENTS, at, 4)
            broker.clear_request_errors(ApiKey.FETCH)
            await eventually(lambda: any("is done up to 1" in reason for _, reason in it.watcher.stopped), "a report")
            assert it.leased()[EVENTS, at] == 1
            assert not it.service.health.is_ready


async def check_stopped(it: Running, world: World, remedy: str) -> None:
    """The partition of this order stands still, readiness says why, and another partition is served."""
    await eventually(
        lambda: any(remedy in (check.reason or "") for check in it.service.health.checks), "readiness names the remedy"
    )
    assert not it.service.health.is_ready
    before = it.leased()
    await world.send(Log().placed("o-1"))
    await world.order("o-2", "o-3", "o-4", "o-5", "o-6")
    await eventually(lambda: len(world.published_outcomes()) > 0, "an order of the other partition")
    after = it.leased()
    stopped = {at for at in before if before[at] == after[at]}
    assert stopped & {(EVENTS, 0), (EVENTS, 1)}
    assert not stopped & {(REPLIES, 0), (REPLIES, 1)} or world.published_outcomes()


async def fullest(broker: FaultyBroker) -> int:
    """The partition of the events that holds the most records."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(EVENTS, each) for each in range(2)])
    finally:
        await consumer.stop()
    return max((int(end), int(at.partition)) for at, end in ends.items())[1]
