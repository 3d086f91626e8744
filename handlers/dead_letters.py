"""A record that was set aside, as it is republished to its dead-letter topic.

Header names and encodings are those of Spring for Apache Kafka's DeadLetterPublishingRecoverer: integers big-endian,
text UTF-8, what a topic already gave a record kept before it. The original headers come first, byte for byte.
"""

from typing import Final

from saga_coordinator.contracts.envelope import Headers
from saga_coordinator.handlers.records import DeadLetter, OutboxMessage
from saga_coordinator.handlers.routing import dead_letter_topic

UNREADABLE: Final = "saga.coordinator.UnreadableRecord"
REFUSED: Final = "saga.coordinator.RecordRefusedBySaga"

TIMESTAMP_TYPES: Final = {-1: b"NoTimestampType", 0: b"CreateTime", 1: b"LogAppendTime"}
"""As Kafka's own `TimestampType` writes them."""


def dead_letter(
    letter: DeadLetter, raised: str | None, *, partition: int, home: int, group: str | None
) -> OutboxMessage:
    """Return the row that publishes a record to its dead-letter topic, with the cause in words.

    `raised` is the class of what a saga's own function raised, `group` the consumer group that read it.
    """
    record, place = letter.record, letter.record.place
    return OutboxMessage(
        message_id=f"dead-letter:{place}" + (f":{letter.instance_id}" if letter.instance_id else ""),
        home=home,
        topic=dead_letter_topic(place.topic),
        partition=partition,
        key=record.key,
        headers=record.headers + _told(letter, raised, group),
        value=record.value,
    )


def _told(letter: DeadLetter, raised: str | None, group: str | None) -> Headers:
    record, place = letter.record, letter.record.place
    stamped = -1 if record.timestamp < 0 else record.timestamp_type
    told: Headers = (
        ("kafka_dlt-original-topic", place.topic.encode()),
        ("kafka_dlt-original-partition", place.partition.to_bytes(4, "big")),
        ("kafka_dlt-original-offset", place.offset.to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp", record.timestamp.to_bytes(8, "big", signed=True)),
        ("kafka_dlt-original-timestamp-type", TIMESTAMP_TYPES[stamped]),
        ("kafka_dlt-exception-fqcn", (REFUSED if letter.instance_id else UNREADABLE).encode()),
        ("kafka_dlt-exception-message", letter.cause.encode(errors="replace")),
    )
    told += (("kafka_dlt-exception-cause-fqcn", raised.encode()),) if raised else ()
    return told + ((("kafka_dlt-original-consumer-group", group.encode()),) if group else ())
