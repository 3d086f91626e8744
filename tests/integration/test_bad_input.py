"""Unreadable records between good ones, on a broker: dead-lettered byte for byte, and the partition continues."""

import struct
import time
from pathlib import Path

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.util import calc_crc32c

from saga_coordinator.handlers.records import OutboxMessage, RawHeaders, Record
from tests.integration._support.on_broker import TOPICS, Running, World, look, serving
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import EVENTS, REPLIES, attributes, header

pytestmark = pytest.mark.slow

STARTED_FROM_PARTITION_0 = (
    "SELECT correlation FROM history JOIN instance ON instance.number = history.instance"
    " WHERE kind = 'start' AND partition = 0"
)
ODD = (("ce_id", b"1"), ("ce_id", b"2"), ("binary", bytes(range(256))), ("null", None), ("", b""))


def poison(world: World) -> list[Record]:
    """Records that cannot be read, all of one key."""
    event = tuple(attributes("e", "orders.order-placed.v1").items())
    reply = tuple(attributes("r", "saga.done.v1").items())
    return [
        world.log.record(EVENTS, "o-1", b"\xff\x00 not json", event),
        world.log.record(EVENTS, "o-1", b"", event),
        world.log.record(EVENTS, "o-1", b"{}", ODD),
        world.log.record(EVENTS, "o-1", b"{}", (*event, *ODD[2:])),
        world.log.record(EVENTS, None, b"x" * 900_000, ()),
        world.log.record(REPLIES, "o-1", b"{}", reply),
        world.log.record(REPLIES, "o-1", b"", ODD),
    ]


def letters(world: World) -> list[OutboxMessage]:
    """The dead letters that have arrived."""
    return [row for row in world.received if row.topic.endswith("-dlt")]


async def test_poison_between_good_records_is_dead_lettered_and_they_go_on_i28(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db") as it:
            await it.ready()
            bad = poison(world)
            for number, record in enumerate(bad):
                await world.send(record, world.log.placed(f"o-{number}"))
            await world.outcomes(*(f"o-{number}" for number in range(len(bad))))
            await eventually(lambda: len(letters(world)) >= len(bad), "all dead letters")

            found = {(row.topic, row.key, row.value, own(row)) for row in letters(world)}
            assert found == {(f"{each.place.topic}-dlt", each.key, each.value, each.headers) for each in bad}
            assert all(header(row, "kafka_dlt-exception-message") for row in letters(world))
            assert it.rows("SELECT count(*) FROM dead_letter") == [(len(bad),)]
            assert it.watcher.troubles == []


async def test_a_poison_record_holds_its_partition_up_for_less_than_a_second_i28(tmp_path: Path) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db") as it:
            await it.ready()
            await world.send(*poison(world)[:4], world.log.placed("o-1"))
            sent = time.monotonic()
            await eventually(lambda: len(world.of("payments.commands.v1")) == 1, "the good record is acted upon")
            assert time.monotonic() - sent < 1


class Garbled(BatchBuilder):  # type: ignore[misc]  # aiokafka carries no types
    """A batch in which a header's name is no UTF-8: Kafka does not mind, aiokafka cannot decode it."""

    def _build(self) -> bytearray:
        return with_checksum(self.spoilt(bytearray(super()._build())))

    def spoilt(self, raw: bytearray) -> bytearray:
        """Return the batch with what cannot be decoded."""
        return raw.replace(b"garbled", b"\xff" * 7)


class WithCodec(Garbled):
    """A batch that says that it is compressed with a codec of this number, which it is not."""

    codec = 0

    def spoilt(self, raw: bytearray) -> bytearray:
        raw[ATTRIBUTES.start + 1] = self.codec
        return raw


class Gzipped(WithCodec):
    codec = 1


class Zstandard(WithCodec):
    codec = 4


class OfTheFuture(WithCodec):
    codec = 7


class Overwritten(BatchBuilder):  # type: ignore[misc]  # aiokafka carries no types
    """A batch that does not have its checksum any more."""

    def _build(self) -> bytearray:
        raw = bytearray(super()._build())
        raw[-1] ^= 0xFF
        return raw


CHECKSUM, ATTRIBUTES = slice(17, 21), slice(21, 23)


def with_checksum(raw: bytearray) -> bytearray:
    """Return a batch with the checksum of its content."""
    raw[CHECKSUM] = struct.pack(">I", calc_crc32c(bytes(raw[ATTRIBUTES.start :])))
    return raw


@pytest.mark.parametrize("spoilt", [Gzipped, Zstandard, OfTheFuture, Overwritten])
async def test_a_batch_that_cannot_be_decoded_stops_its_partition_only_i29(
    tmp_path: Path, spoilt: type[BatchBuilder]
) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world, serving(broker, tmp_path / "saga.db") as it:
            await it.ready()
            for record, kind in ((world.log.placed("o-good"), BatchBuilder), (world.log.placed("o-bad"), spoilt)):
                batch = world.new_batch()
                batch.append(key=record.key, value=record.value, timestamp=None, headers=list(record.headers))
                batch.__class__ = kind
                await world.send_batch(EVENTS, 0, batch)
            await world.order(*(f"o-{number}" for number in range(10)))
            await eventually(lambda: len(world.published_outcomes()) > 2, "orders of the other partition")
            await eventually(lambda: it.leased().get((EVENTS, 0)) == 1, "what stands before it is taken in")
            await eventually(lambda: is_named(it, f"{EVENTS}:0:1 cannot be decoded"), "readiness names the record")
            assert it.rows("SELECT count(*) FROM dead_letter") == [(0,)]
        assert look(tmp_path / "saga.db", STARTED_FROM_PARTITION_0) == [("o-good",)]


async def test_a_record_that_no_client_can_decode_stops_and_reports_its_partition_and_the_others_continue_i29(
    tmp_path: Path,
) -> None:
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            batch, good = world.new_batch(), world.log.placed("o-good")
            batch.append(key=good.key, value=good.value, timestamp=None, headers=list(good.headers))
            batch.append(key=b"k", value=b"{}", timestamp=None, headers=[("garbled", b"")])
            batch.__class__ = Garbled
            await world.send_batch(EVENTS, 0, batch)
            async with serving(broker, tmp_path / "saga.db") as it:
                orders = [f"o-{number}" for number in range(10)]
                await world.order(*orders)
                await eventually(lambda: len(world.published_outcomes()) > 2, "orders of the other partition")
                await eventually(lambda: it.leased().get((EVENTS, 0)) == 1, "what stands before it is taken in")
                await eventually(it.service.consumer.caught_up.is_set, "timers can fire")

                assert is_named(it, f"{EVENTS}:0:1 cannot be decoded")
        assert look(tmp_path / "saga.db", STARTED_FROM_PARTITION_0) == [("o-good",)]


def is_named(it: Running, problem: str) -> bool:
    """Return whether readiness names a problem."""
    return any(problem in (check.reason or "") for check in it.service.health.checks if not check.is_ok)


def own(row: OutboxMessage) -> RawHeaders:
    """Return the headers that a record had before it was dead-lettered."""
    return tuple(each for each in row.headers if not each[0].startswith("kafka_dlt-"))
