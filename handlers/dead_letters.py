"""A record that cannot be read, as it is republished to its dead-letter topic.

Header names and encodings are those of Spring for Apache Kafka's DeadLetterPublishingRecoverer: integers big-endian,
text UTF-8. The original headers are kept byte for byte before them.
"""

from contracts.envelope import Headers
from handlers.routing import dead_letter_topic
from handlers.rows import Owed, Record

UNREADABLE = "saga.coordinator.UnreadableRecord"


def dead_letter(record: Record, cause: str, *, partition: int, home: int) -> Owed:
    """Return the row that publishes a record to its dead-letter topic, with the cause in words."""
    place = record.place
    return Owed(
        message_id=f"dead-letter:{place}",
        home=home,
        topic=dead_letter_topic(place.topic),
        partition=partition,
        key=record.key,
        headers=record.headers + _told(record, cause),
        value=record.value,
    )


def _told(record: Record, cause: str) -> Headers:
    place = record.place
    return (
        ("kafka_dlt-original-topic", place.topic.encode()),
        ("kafka_dlt-original-partition", place.partition.to_bytes(4, "big")),
        ("kafka_dlt-original-offset", place.offset.to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp", record.timestamp.to_bytes(8, "big", signed=True)),
        ("kafka_dlt-original-timestamp-type", b"CreateTime"),
        ("kafka_dlt-exception-fqcn", UNREADABLE.encode()),
        ("kafka_dlt-exception-message", cause.encode(errors="replace")),
    )
