"""A dead letter on its topic is what Spring for Apache Kafka would publish: names, encodings, original headers first.

Checked against its `DeadLetterPublishingRecoverer`, which writes integers by `ByteBuffer` (big-endian), the timestamp's
type by its name, and for an exception its class, its cause's class and its message.
"""

import struct
from pathlib import Path

import pytest

from saga_coordinator.handlers.decode import Unreadable
from saga_coordinator.handlers.encode import Encoder
from saga_coordinator.handlers.records import DeadLetter, OutboxMessage, Place, RawHeaders, Record
from saga_coordinator.handlers.redrive import DeadLetterRef
from tests.unit.handlers._support.coordinator import TIME, open_coordinator
from tests.unit.handlers._support.faulty import BAD, NO_FAULT, OLGA, RAISED, Fault, Two, wide

ODD: RawHeaders = (("ce_id", b"1"), ("ce_id", b"2"), ("all", bytes(range(256))), ("null", None), ("", b""))


def published(**changed: object) -> OutboxMessage:
    """A record of odd bytes as it is republished."""
    usual = Record(Place("orders.events.v1", 7, 2**40), 1_767_225_600_123, b"\xff key", b"\0 value", ODD)
    record = usual._replace(**{name: value for name, value in changed.items() if name in Record._fields})  # type: ignore[arg-type]  # fields by name
    letter = DeadLetter(record, TIME, "not JSON: ü \ud800", str(changed.get("instance_id", "")))
    encoder = Encoder(lambda topic, _key: 3 if topic.endswith("-dlt") else 1, group="the-group")
    row = encoder.dead_letter(letter, Unreadable(record, letter.cause))
    assert row is not None
    return row


def headers_of(row: OutboxMessage) -> dict[str, bytes | None]:
    return dict(row.headers[len(ODD) :])


def test_original_bytes_and_headers_are_kept_byte_for_byte() -> None:
    row = published()
    assert (row.topic, row.partition, row.key, row.value) == ("orders.events.v1-dlt", 3, b"\xff key", b"\0 value")
    assert row.headers[: len(ODD)] == ODD


def test_names_and_encodings_are_springs() -> None:
    assert headers_of(published()) == {
        "kafka_dlt-original-topic": b"orders.events.v1",
        "kafka_dlt-original-partition": struct.pack(">i", 7),
        "kafka_dlt-original-offset": struct.pack(">q", 2**40),
        "kafka_dlt-original-timestamp": struct.pack(">q", 1_767_225_600_123),
        "kafka_dlt-original-timestamp-type": b"CreateTime",
        "kafka_dlt-original-consumer-group": b"the-group",
        "kafka_dlt-exception-fqcn": b"saga.coordinator.UnreadableRecord",
        "kafka_dlt-exception-message": "not JSON: ü ?".encode(),
    }


@pytest.mark.parametrize(
    ("timestamp", "type_", "name"),
    [(5, 0, b"CreateTime"), (5, 1, b"LogAppendTime"), (-1, 0, b"NoTimestampType"), (-1, -1, b"NoTimestampType")],
)
def test_the_timestamp_says_what_it_is_the_time_of(timestamp: int, type_: int, name: bytes) -> None:
    headers = headers_of(published(timestamp=timestamp, timestamp_type=type_))
    assert headers["kafka_dlt-original-timestamp-type"] == name
    assert headers["kafka_dlt-original-timestamp"] == struct.pack(">q", timestamp)


def test_what_a_dead_letter_topic_already_gave_it_stands_before_what_it_gets() -> None:
    before: RawHeaders = (("kafka_dlt-original-topic", b"elsewhere"), ("kafka_dlt-exception-message", b"long ago"))
    row = published(headers=before)
    assert row.headers[:2] == before
    assert dict(row.headers)["kafka_dlt-original-topic"] == b"orders.events.v1"


async def test_what_a_saga_raised_is_named_by_its_class(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", wide(Fault(), NO_FAULT)) as it:
        two = await Two(it).begin()
        failing = two.says("a")
        await it.take(failing)
        (row,) = [row for row in it.messages if row.topic == "saga.replies.v1-dlt"]
        headers = dict(row.headers)
        assert headers["kafka_dlt-exception-fqcn"] == b"saga.coordinator.RecordRefusedBySaga"
        assert headers["kafka_dlt-exception-cause-fqcn"] == b"builtins.ArithmeticError"
        assert headers["kafka_dlt-exception-message"] == RAISED.replace(": on purpose", "").encode()
        assert "kafka_dlt-original-consumer-group" not in headers, "this coordinator is in no group"
        assert row.message_id == f"dead-letter:{failing.place}:{BAD}"
        assert (row.key, row.value, row.headers[: len(failing.headers)]) == (
            failing.key,
            failing.value,
            failing.headers,
        )


async def test_the_timestamps_type_outlives_the_queue(tmp_path: Path) -> None:
    first, second = Fault(), Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(first, second)) as it:
        two = await Two(it).begin()
        failing, later = two.says("a"), two.says("b")._replace(timestamp_type=1)
        await it.take(failing, later)
        first.heal()
        await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)
        row = [row for row in it.messages if row.topic == "saga.replies.v1-dlt"][-1]
        assert dict(row.headers)["kafka_dlt-original-timestamp-type"] == b"LogAppendTime"
