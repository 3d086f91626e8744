"""The publisher on a producer whose broker is the test: batches, limits, timeouts, and a new producer."""

import asyncio
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import InvalidProducerEpoch, KafkaError, NotLeaderForPartitionError, ProducerClosed
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.record.memory_records import MemoryRecords
from msgspec import structs

from saga_coordinator.handlers.ports import Lane
from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.service.kafka import publisher as publishing
from saga_coordinator.service.kafka.admin import TopicLimits
from saga_coordinator.service.kafka.publisher import KafkaPublisher
from saga_coordinator.service.settings import KafkaSettings
from tests.integration._support.posted import post, published
from tests.unit.handlers._support.eventually import eventually


class Broker:
    """What a test says of the broker, and the values of the batches that it was sent."""

    def __init__(self) -> None:
        self.answer: Callable[[MessageBatch], None] = acknowledge
        self.batches: list[list[bytes | None]] = []
        self.producers: list[Producer] = []
        self.has_leaders = True
        self.is_down = False

    def leader_for_partition(self, _: TopicPartition) -> int | None:
        return 1 if self.has_leaders else None

    def receive(self, accumulator: "Accumulator") -> None:
        """Take what a producer has, as its sender does; nothing while it is down."""
        if self.is_down:
            return
        nodes, _ = accumulator.drain_by_nodes(())
        for batch in (batch for batches in nodes.values() for batch in batches.values()):
            self.batches.append(values(batch))
            self.answer(batch)


def acknowledge(batch: MessageBatch) -> None:
    batch.done(0)


def values(batch: MessageBatch) -> list[bytes | None]:
    memory = MemoryRecords(bytes(batch.get_data_buffer()))
    found: list[bytes | None] = []
    while memory.has_next():
        found += [record.value for record in memory.next_batch()]
    return found


class Accumulator(MessageAccumulator):  # type: ignore[misc]  # aiokafka carries no types
    """The library's own, whose batches the broker gets soon."""

    def __init__(self, broker: Broker) -> None:
        super().__init__(broker, 900_000, 0, 30)
        self._broker = broker

    def _append_batch(self, builder: BatchBuilder, tp: TopicPartition) -> MessageBatch:
        batch = super()._append_batch(builder, tp)
        asyncio.get_running_loop().call_soon(self._broker.receive, self)
        return batch


class Producer:
    """What the publisher uses of a producer."""

    def __init__(self, broker: Broker) -> None:
        cluster = SimpleNamespace(_last_successful_refresh_ms=0, leader_for_partition=broker.leader_for_partition)
        self.client = SimpleNamespace(_sync_task=None, cluster=cluster, close=lambda: asyncio.sleep(0))
        self._message_accumulator = Accumulator(broker)
        self.sent = 0
        self.is_stopped = False
        broker.producers.append(self)

    async def start(self) -> None:
        """Be there at once."""

    async def stop(self) -> None:
        self.is_stopped = True

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> "asyncio.Future[None]":
        self.sent += 1
        future: asyncio.Future[None] = await self._message_accumulator.add_batch(
            batch, TopicPartition(topic, partition), 1.0
        )
        return future


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """A broker that acknowledges everything, in the place of Kafka."""
    it = Broker()
    monkeypatch.setattr(publishing, "AIOKafkaProducer", lambda **_: Producer(it))
    return it


def rows(count: int, *, partition: int = 0, size: int = 1) -> list[OutboxMessage]:
    return [OutboxMessage(f"m-{number}", 0, "t", partition, b"k", (), b"%d" % number * size) for number in range(count)]


def publisher(request_timeout: float = 0.2) -> KafkaPublisher:
    return KafkaPublisher(KafkaSettings(request_timeout=request_timeout), [])


async def test_rows_leave_in_order_in_as_few_batches_as_they_fit_in(broker: Broker) -> None:
    assert await published(publisher(), rows(5)) == [5]
    assert broker.batches == [[b"0", b"1", b"2", b"3", b"4"]]


async def test_a_batch_that_can_be_sent_at_once_needs_no_task(broker: Broker) -> None:
    it = publisher()
    await published(it, rows(1))
    before = asyncio.all_tasks()
    sending = [post(it, rows(2, partition=partition)) for partition in range(3)]
    assert asyncio.all_tasks() == before
    assert await asyncio.gather(*sending) == [2, 2, 2]
    assert broker.producers[0].sent == 1, "the first one had to wait for the producer"


async def test_no_batch_is_larger_than_its_topic_takes_unless_one_row_is(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before the topic's limit was lowered has to wait until it is raised."""

    async def check_topics(_settings: KafkaSettings, names: Collection[str]) -> dict[str, TopicLimits]:
        await asyncio.sleep(0)
        return dict.fromkeys(names, TopicLimits(partitions=1, max_bytes=400))

    monkeypatch.setattr(publishing, "check_topics", check_topics)
    it = KafkaPublisher(KafkaSettings(), ["t"])
    await it.start()
    sent = [*rows(1, size=500), *rows(3, size=100), *rows(1, size=500), *rows(1)]
    assert await published(it, sent) == [1, 3, 1, 1]
    sizes: list[int] = []

    def measure(batch: MessageBatch) -> None:
        sizes.append(len(batch.get_data_buffer()))
        acknowledge(batch)

    broker.answer = measure
    assert await published(it, rows(9, size=100)) == [3, 3, 3]
    assert max(sizes) <= 400
    await it.stop()


@pytest.mark.parametrize(("error", "producer_count"), [(NotLeaderForPartitionError, 1), (InvalidProducerEpoch, 2)])
@pytest.mark.parametrize("at_once", [False, True])
async def test_a_producer_is_replaced_only_after_an_error_that_it_never_recovers_from(
    broker: Broker, error: type[KafkaError], producer_count: int, *, at_once: bool
) -> None:
    it = publisher()
    if at_once:
        await published(it, rows(1))
    broker.answer = lambda batch: batch.failure(error())
    with pytest.raises(error):
        await published(it, rows(1))
    broker.answer = acknowledge
    await published(it, rows(1))
    assert len(broker.producers) == producer_count
    await it.stop()
    assert [each.is_stopped for each in broker.producers] == [True] * producer_count


async def test_a_publication_that_nobody_acknowledges_ends(broker: Broker) -> None:
    broker.answer = lambda _: None
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            await published(publisher(), rows(1))
    assert len(broker.producers) == 1


async def test_each_batch_that_is_sent_at_once_has_its_own_time(broker: Broker) -> None:
    it, sent, loop = publisher(request_timeout=0.1), list[MessageBatch](), asyncio.get_running_loop()
    await published(it, rows(1))
    broker.answer = sent.append
    waited: dict[int, float] = {}

    def begin(partition: int) -> "asyncio.Future[int]":
        began, posted = loop.time(), post(it, rows(1, partition=partition))
        posted.add_done_callback(lambda _: waited.update({partition: loop.time() - began}))
        return posted

    posted = [begin(0)]
    half_way = loop.time() + 0.075
    await eventually(lambda: loop.time() > half_way, "half of its time has passed")
    posted += [begin(1), begin(2)]
    await eventually(lambda: len(sent) == 3, "all are sent")
    sent[1].done(0)
    async with asyncio.timeout(5):
        first, second, third = await asyncio.gather(*posted, return_exceptions=True)
    assert (type(first), second, type(third)) == (TimeoutError, 1, TimeoutError)
    assert list(waited) == [1, 0, 2]
    assert min(waited[0], waited[2]) >= 0.15
    broker.answer = acknowledge
    sent[0].done(0)  # late: it was written, and nobody asks any more
    await published(it, rows(1, partition=3))


async def test_a_batch_waits_for_an_older_one_that_was_not_sent_so_that_copies_do_not_pile_up(broker: Broker) -> None:
    it = publisher()
    await published(it, rows(1))
    broker.is_down = True
    accumulator = broker.producers[0]._message_accumulator  # noqa: SLF001  what the producer holds
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await post(it, rows(1))
        assert [len(queued) for queued in accumulator._batches.values()] == [1]  # noqa: SLF001


async def test_a_batch_waits_for_the_leader_of_its_partition(broker: Broker) -> None:
    it = publisher()
    await published(it, rows(1))
    broker.has_leaders = False
    waiting = post(it, rows(1))
    assert broker.producers[0]._message_accumulator._batches == {}  # noqa: SLF001  the producer would ask without end
    broker.has_leaders = True
    assert await waiting == 1


async def test_a_producer_that_has_failed_is_replaced_before_it_is_given_more(broker: Broker) -> None:
    it = publisher()
    await published(it, rows(1))
    broker.producers[0]._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001  its sender has ended
    with pytest.raises(ProducerClosed):
        await published(it, rows(1))
    assert await published(it, rows(1)) == [1]
    assert len(broker.producers) == 2


async def test_a_row_that_cannot_be_encoded_fails_its_own_lane_only(broker: Broker) -> None:
    it = publisher()
    await published(it, rows(1))
    bad = [structs.replace(rows(1)[0], headers=(("name", cast("bytes", "text")),))]
    outcomes: dict[Lane, int | Exception] = {}
    it.post({("t", 0): bad, ("t", 1): rows(1, partition=1)}, outcomes.__setitem__)
    await eventually(lambda: len(outcomes) == 2, "both lanes have an outcome")
    assert isinstance(outcomes["t", 0], TypeError)
    assert outcomes["t", 1] == 1
    assert broker.batches == [[b"0"], [b"0"]]


async def test_a_publisher_that_is_stopped_reports_nothing_more(broker: Broker) -> None:
    it = publisher(request_timeout=0.1)
    await published(it, rows(1))
    broker.answer = lambda _: None
    posted = post(it, rows(1))
    await it.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(posted, 0.3)
