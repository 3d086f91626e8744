"""The publisher on a scripted producer: batches one after the other, limits, and a new producer."""

import asyncio
import sys
from collections.abc import Callable, Collection
from types import SimpleNamespace

import pytest
from aiokafka.errors import InvalidProducerEpoch, KafkaError, NotLeaderForPartitionError

from saga_coordinator.handlers.encode import size_of
from saga_coordinator.handlers.records import OutboxMessage
from saga_coordinator.service.kafka import publisher as publishing
from saga_coordinator.service.kafka.admin import TopicLimits
from saga_coordinator.service.kafka.publisher import KafkaPublisher
from saga_coordinator.service.settings import KafkaSettings

ROWS_IN_A_BATCH = 2
Acknowledge = Callable[["asyncio.Future[None]"], None]


class Batch:
    """Takes so many rows."""

    def __init__(self) -> None:
        self.ids: list[bytes | None] = []

    def append(self, *, key: bytes | None, value: bytes | None, timestamp: None, headers: object) -> object:  # noqa: ARG002  the library's own form
        if len(self.ids) == ROWS_IN_A_BATCH:
            return None
        self.ids.append(value)
        return object()


class Producer:
    """A producer whose acknowledgements a test decides."""

    cluster = SimpleNamespace(_last_successful_refresh_ms=0)
    client = SimpleNamespace(_sync_task=None, cluster=cluster, close=lambda: asyncio.sleep(0))
    made: list["Producer"]
    acknowledge: Acknowledge

    def __init__(self, **_: object) -> None:
        self.batches: list[list[bytes | None]] = []
        self.is_stopped = False
        self.made.append(self)

    async def start(self) -> None:
        """Be there at once."""

    async def stop(self) -> None:
        self.is_stopped = True

    async def partitions_for(self, topic: str) -> set[int]:  # noqa: ARG002  the library's own form
        return {0}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Future[None]":  # noqa: ARG002  the library's own form
        self.batches.append(batch.ids)
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        type(self).acknowledge(acknowledged)
        return acknowledged


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> list[Producer]:
    """All producers that are made, in order. They acknowledge everything at once."""
    Producer.made = []
    Producer.acknowledge = lambda future: future.set_result(None)
    monkeypatch.setattr(publishing, "AIOKafkaProducer", Producer)
    return Producer.made


def rows(count: int) -> list[OutboxMessage]:
    return [OutboxMessage(f"m-{number}", 0, "t", 0, b"k", (), b"%d" % number) for number in range(count)]


def publisher() -> KafkaPublisher:
    return KafkaPublisher(KafkaSettings(request_timeout=0.2), [])


async def test_rows_leave_in_order_in_as_few_batches_as_they_fit_in(producers: list[Producer]) -> None:
    await publisher().publish("t", 0, rows(5))
    assert producers[0].batches == [[b"0", b"1"], [b"2", b"3"], [b"4"]]


async def test_a_batch_leaves_when_the_one_before_it_is_acknowledged_i12(producers: list[Producer]) -> None:
    waiting: list[asyncio.Future[None]] = []
    Producer.acknowledge = waiting.append
    publishing_all = asyncio.ensure_future(publisher().publish("t", 0, rows(3)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert producers[0].batches == [[b"0", b"1"]]
    waiting[0].set_exception(NotLeaderForPartitionError())
    with pytest.raises(NotLeaderForPartitionError):
        await publishing_all
    assert producers[0].batches == [[b"0", b"1"]]


async def test_no_batch_is_larger_than_its_topic_takes_unless_one_row_is(
    producers: list[Producer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written before the topic's limit was lowered has to wait until it is raised."""

    async def check_topics(_settings: KafkaSettings, names: Collection[str]) -> dict[str, TopicLimits]:
        await asyncio.sleep(0)
        return dict.fromkeys(names, TopicLimits(partitions=1, max_bytes=2 * size_of(rows(1)[0])))

    monkeypatch.setattr(publishing, "check_topics", check_topics)
    monkeypatch.setattr(sys.modules[__name__], "ROWS_IN_A_BATCH", 9)
    it = KafkaPublisher(KafkaSettings(request_timeout=0.2), ["t"])
    await it.start()
    large = [OutboxMessage("m", 0, "t", 0, b"k", (), b"x" * 500)]
    await it.publish("t", 0, [*large, *rows(3), *large, *rows(1)])
    values = [[value[:1] if value else value for value in batch] for batch in producers[0].batches]
    assert values == [[b"x"], [b"0", b"1"], [b"2"], [b"x"], [b"0"]]


@pytest.mark.parametrize(("error", "producer_count"), [(NotLeaderForPartitionError, 1), (InvalidProducerEpoch, 2)])
async def test_a_producer_is_replaced_only_after_an_error_that_it_never_recovers_from(
    producers: list[Producer], error: type[KafkaError], producer_count: int
) -> None:
    it = publisher()
    Producer.acknowledge = lambda future: future.set_exception(error())
    with pytest.raises(error):
        await it.publish("t", 0, rows(1))
    Producer.acknowledge = lambda future: future.set_result(None)
    await it.publish("t", 0, rows(1))
    assert len(producers) == producer_count
    assert [each.is_stopped for each in producers[:-1]] == [True] * (producer_count - 1)


async def test_a_publication_that_nobody_acknowledges_ends(producers: list[Producer]) -> None:
    Producer.acknowledge = lambda _: None
    async with asyncio.timeout(5):
        with pytest.raises(TimeoutError):
            await publisher().publish("t", 0, rows(1))
    assert len(producers) == 1
