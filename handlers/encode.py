"""From a decision to the rows that publish it: commands, withdrawals, outcomes and dead letters, with their headers.

Headers of dead letters have the names and encodings of Spring for Apache Kafka's DeadLetterPublishingRecoverer:
integers big-endian, text UTF-8. The original headers come first, byte for byte.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from saga_coordinator.contracts import Envelope, Event, Message, Reply
from saga_coordinator.contracts import envelope as wire
from saga_coordinator.contracts.envelope import Headers
from saga_coordinator.handlers.decode import Arrival, Unreadable
from saga_coordinator.handlers.names import DEFAULT_NAMES, Names, dead_letter_topic
from saga_coordinator.handlers.records import DeadLetter, OutboxMessage, ParentCommand
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.handlers.trace_context import SpanContext
from saga_coordinator.sagas.machine import Decision, Instance, Send, Withdrawal, outcome_id

MAX_MESSAGE_BYTES = 1_000_000
"""The largest message that is published anywhere, with its headers and its frame."""

FRAME, HEADER_FRAME = 100, 10
"""The most bytes around one record in a batch of its own, and around one header (Kafka's message format, version 2)."""

UNREADABLE: Final = "saga.coordinator.UnreadableRecord"
REFUSED: Final = "saga.coordinator.RecordRefusedBySaga"

TIMESTAMP_TYPES: Final = {-1: b"NoTimestampType", 0: b"CreateTime", 1: b"LogAppendTime"}
"""As Kafka's own `TimestampType` writes them."""

PartitionOf = Callable[[str, bytes], int]
MaxBytesOf = Callable[[str], int]
Sent = tuple[OutboxMessage, SpanContext]


class Origin(Struct, frozen=True):
    """What messages follow from: the instance, when (as RFC 3339), by which message, from which partition.

    `parent` is the command that a child saga answers.
    """

    saga: AnySaga
    instance: Instance[Any]
    home: int
    time: str
    causation_id: str | None
    parent: ParentCommand | None = None


@dataclass(frozen=True, slots=True)
class Encoder:
    """Makes outbox rows. It asks for the partition of a key and the size limit of a topic.

    `group` is the consumer group that dead letters name.
    """

    partition_of: PartitionOf
    max_bytes_of: MaxBytesOf = lambda _: MAX_MESSAGE_BYTES
    group: str | None = None
    names: Names = DEFAULT_NAMES

    def messages(
        self, origin: Origin, decision: Decision[Any], span: SpanContext
    ) -> tuple[list[Sent], list[tuple[Send, str]]]:
        """Return the rows of a decision, each with its span, and the commands that are too large, each with the reason.

        Raises `ValueError` for an outcome that is too large: an instance cannot end without publishing it.
        """
        sent: list[Sent] = []
        too_large = []
        for send in decision.commands:
            child = span.child(send.command_id)
            row = self.command(origin, send, child)
            if reason := self._too_large(send.command, row):
                too_large.append((send, reason))
            else:
                sent.append((row, child))
        for withdrawal in decision.withdrawals:
            child = span.child(withdrawal.id)
            sent.append((self._withdrawal(origin, withdrawal, child), child))
        if decision.outcome is not None:
            sent.append(self.outcome(origin, decision.outcome, span))
        return sent, too_large

    def command(self, origin: Origin, send: Send, span: SpanContext) -> OutboxMessage:
        """Return the row that publishes a command."""
        envelope = replace(
            self._envelope(origin, send.command_id, send.command, span),
            reply_to=self.names.replies,
            step=send.step,
            direction=send.direction,
            attempt=send.attempt,
            compensates=send.compensates,
        )
        return self._row(origin, envelope, send.command.topic, send.payload)

    def outcome(self, origin: Origin, outcome: Event | Reply, span: SpanContext) -> Sent:
        """Return the row that publishes the outcome: an event, or a child's reply to its command."""
        child, parent = span.child("outcome"), origin.parent
        envelope = self._envelope(origin, outcome_id(origin.instance.id), type(outcome), child)
        if parent is None:
            row = self._row(origin, envelope, self.names.outcomes(origin.saga.name), outcome.model_dump_json())
        else:
            envelope = replace(envelope, correlation_id=parent.correlation_id, causation_id=parent.command_id)
            row = self._row(origin, envelope, parent.reply_to, outcome.model_dump_json(), parent.key)
        if reason := self._too_large(type(outcome), row):
            raise ValueError(reason)
        return row, child

    def dead_letter(self, letter: DeadLetter, unreadable: Unreadable) -> OutboxMessage | None:
        """Return the row that publishes a record to its dead-letter topic, None if it is too large for it."""
        record, place = letter.record, letter.record.place
        topic, key = dead_letter_topic(place.topic_name), record.key or b""
        row = OutboxMessage(
            message_id=f"dead-letter:{place}" + (f":{letter.instance_id}" if letter.instance_id else ""),
            home=self.partition_of(self.names.replies, key),
            topic=topic,
            partition=self.partition_of(topic, key),
            key=record.key,
            headers=record.headers + _dead_letter_headers(letter, unreadable, self.group),
            value=record.value,
        )
        return row if size_of(row) <= self.max_bytes_of(topic) else None

    def parent_of(self, arrival: Arrival) -> ParentCommand:
        """Return what a child saga remembers of its command. Raises `LookupError` for a reply topic that is unknown."""
        envelope, key = arrival.envelope, arrival.record.key or b""
        assert envelope.reply_to is not None, "a command without was not read"  # noqa: S101  for the type checker
        self.partition_of(envelope.reply_to, key)
        return ParentCommand(envelope.id, envelope.reply_to, envelope.correlation_id, key.decode())

    def _withdrawal(self, origin: Origin, withdrawal: Withdrawal, span: SpanContext) -> OutboxMessage:
        """Return the row that withdraws a command from a child saga; it follows the command on its topic."""
        envelope = self._envelope(origin, withdrawal.id, type(withdrawal.message), span)
        envelope = replace(envelope, step=withdrawal.step, attempt=withdrawal.attempt)
        return self._row(origin, envelope, withdrawal.command.topic, withdrawal.message.model_dump_json())

    def _envelope(self, origin: Origin, id_: str, message: type[Message], span: SpanContext) -> Envelope:
        """Return the attributes that all messages of an instance have."""
        return Envelope(
            id=id_,
            type=message.message_type,
            source=self.names.source(origin.saga.name),
            time=origin.time,
            subject=origin.instance.key,
            correlation_id=origin.instance.id,
            causation_id=origin.causation_id,
            traceparent=span.traceparent(),
            tracestate=span.state,
        )

    def _row(
        self, origin: Origin, envelope: Envelope, topic: str, payload: str, key: str | None = None
    ) -> OutboxMessage:
        raw_key = (origin.instance.key if key is None else key).encode()
        return OutboxMessage(
            message_id=envelope.id,
            home=origin.home,
            topic=topic,
            partition=self.partition_of(topic, raw_key),
            key=raw_key,
            headers=wire.write(envelope),
            value=payload.encode(),
        )

    def _too_large(self, message: type[Message], row: OutboxMessage) -> str | None:
        """Return why a message can never be published to its topic, None if it can."""
        size, limit = size_of(row), self.max_bytes_of(row.topic)
        if size <= limit:
            return None
        remedy = "send a reference instead, or raise its max.message.bytes (to 1048588) and start again"
        return f"{message.message_type} has {size} bytes, and {row.topic} takes {limit}: {remedy}"


def size_of(row: OutboxMessage) -> int:
    """Return how many bytes a row has in Kafka at most, in a batch of its own."""
    headers = sum([len(name.encode()) + len(raw or b"") + HEADER_FRAME for name, raw in row.headers])
    return len(row.key or b"") + len(row.value or b"") + headers + FRAME


def _dead_letter_headers(letter: DeadLetter, unreadable: Unreadable, group: str | None) -> Headers:
    record, place = letter.record, letter.record.place
    timestamp_type = -1 if record.timestamp < 0 else record.timestamp_type
    is_refused = letter.instance_id and unreadable.envelope is None  # only a reply that cannot be read has its envelope
    headers: Headers = (
        ("kafka_dlt-original-topic", place.topic_name.encode()),
        ("kafka_dlt-original-partition", place.partition.to_bytes(4, "big")),
        ("kafka_dlt-original-offset", place.offset.to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp", record.timestamp.to_bytes(8, "big", signed=True)),
        ("kafka_dlt-original-timestamp-type", TIMESTAMP_TYPES[timestamp_type]),
        ("kafka_dlt-exception-fqcn", (REFUSED if is_refused else UNREADABLE).encode()),
        ("kafka_dlt-exception-message", (unreadable.summary or unreadable.cause).encode(errors="replace")),
    )
    if unreadable.raised is not None:
        kind = type(unreadable.raised.error)
        name = f"{kind.__module__}.{kind.__qualname__}"
        headers += (("kafka_dlt-exception-cause-fqcn", name.encode()),)
    return headers + ((("kafka_dlt-original-consumer-group", group.encode()),) if group else ())
