"""From a decision to the rows that publish it: commands and outcomes in their envelopes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from saga_coordinator.contracts import Envelope, Event, Message, Reply
from saga_coordinator.contracts import envelope as wire
from saga_coordinator.handlers.decode import Arrival
from saga_coordinator.handlers.records import OutboxMessage, ParentCommand
from saga_coordinator.handlers.routing import REPLIES
from saga_coordinator.handlers.trace_context import SpanContext
from saga_coordinator.sagas import Saga
from saga_coordinator.sagas.machine import Instance, Send, Withdrawal, outcome_id

MAX_MESSAGE_BYTES = 1_000_000
"""The largest message that is published anywhere, with its headers and its frame."""

FRAME, HEADER_FRAME = 100, 10
"""The most bytes around one record in a batch of its own, and around one header (Kafka's message format, version 2)."""

PartitionOf = Callable[[str, bytes], int]
MaxBytesOf = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Origin:
    """What messages follow from: the instance, when, by which message, from which partition.

    `parent` is the command that a child saga answers.
    """

    saga: Saga[Any, Any]
    instance: Instance[Any]
    home: int
    at: datetime
    causation_id: str | None
    parent: ParentCommand | None = None


def command_row(origin: Origin, send: Send, span: SpanContext, partition_of: PartitionOf) -> OutboxMessage:
    """Return the row that publishes a command."""
    envelope = Envelope(
        id=send.command_id,
        type=send.command.message_type,
        source=_source(origin.saga),
        time=_rfc3339(origin.at),
        subject=origin.instance.key,
        correlation_id=origin.instance.id,
        causation_id=origin.causation_id,
        reply_to=REPLIES,
        step=send.step,
        direction=send.direction,
        attempt=send.attempt,
        compensates=send.compensates,
        traceparent=span.traceparent(),
    )
    return _row(origin, envelope, send.command.topic, send.payload, partition_of)


def withdrawal_row(
    origin: Origin, withdrawal: Withdrawal, span: SpanContext, partition_of: PartitionOf
) -> OutboxMessage:
    """Return the row that tells a child saga that its command is not wanted any more; it follows the command."""
    envelope = Envelope(
        id=withdrawal.id,
        type=withdrawal.message.message_type,
        source=_source(origin.saga),
        time=_rfc3339(origin.at),
        subject=origin.instance.key,
        correlation_id=origin.instance.id,
        causation_id=origin.causation_id,
        step=withdrawal.step,
        attempt=withdrawal.attempt,
        traceparent=span.traceparent(),
    )
    return _row(origin, envelope, withdrawal.command.topic, withdrawal.message.model_dump_json(), partition_of)


def outcome_row(origin: Origin, outcome: Event | Reply, span: SpanContext, partition_of: PartitionOf) -> OutboxMessage:
    """Return the row that publishes an instance's outcome: an event, or a child's reply to its command."""
    parent = origin.parent
    envelope = Envelope(
        id=outcome_id(origin.instance.id),
        type=outcome.message_type,
        source=_source(origin.saga),
        time=_rfc3339(origin.at),
        subject=origin.instance.key,
        correlation_id=parent.correlation_id if parent else origin.instance.id,
        causation_id=parent.command_id if parent else origin.causation_id,
        traceparent=span.traceparent(),
    )
    topic = parent.reply_to if parent else origin.saga.outcome_topic
    return _row(origin, envelope, topic, outcome.model_dump_json(), partition_of)


def parent_of(arrival: Arrival, partition_of: PartitionOf) -> ParentCommand:
    """Return what a child has to remember of its command. Raises `LookupError` for a topic that is not known here."""
    envelope, key = arrival.envelope, arrival.record.key or b""
    assert envelope.reply_to is not None, "a command without was not read"  # noqa: S101  for the type checker
    partition_of(envelope.reply_to, key)
    return ParentCommand(envelope.id, envelope.reply_to, envelope.correlation_id, key.decode())


def size_of(row: OutboxMessage) -> int:
    """Return how many bytes a row has in Kafka at most, in a batch of its own."""
    headers = sum(len(name.encode()) + len(raw or b"") + HEADER_FRAME for name, raw in row.headers)
    return len(row.key or b"") + len(row.value or b"") + headers + FRAME


def too_large(message: type[Message], row: OutboxMessage, most: int) -> str:
    """Say that a message can never be published to its topic, which takes so many bytes."""
    remedy = "send a reference instead, or raise its max.message.bytes (to 1048588) and start again"
    return f"{message.message_type} has {size_of(row)} bytes, and {row.topic} takes {most}: {remedy}"


def _row(origin: Origin, envelope: Envelope, topic: str, payload: str, partition_of: PartitionOf) -> OutboxMessage:
    answers = origin.parent is not None and topic == origin.parent.reply_to
    key = origin.parent.key.encode() if origin.parent and answers else origin.instance.key.encode()
    return OutboxMessage(
        message_id=envelope.id,
        home=origin.home,
        topic=topic,
        partition=partition_of(topic, key),
        key=key,
        headers=wire.write(envelope),
        value=payload.encode(),
    )


def _source(saga: Saga[Any, Any]) -> str:
    return f"/saga-coordinator/{saga.name}"


def _rfc3339(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
