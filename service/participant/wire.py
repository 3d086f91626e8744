"""From a record to a command for a handler, and from its reply to a record."""

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from saga_coordinator.contracts import BadEnvelope, Command, Envelope
from saga_coordinator.contracts import envelope as cloudevents
from saga_coordinator.contracts.json_limits import check_json
from saga_coordinator.service.participant.declaration import Participant, TransactionalHandler
from saga_coordinator.service.participant.fence import StoredReply, fingerprint_of
from saga_coordinator.service.participant.records import IncomingRecord, OutgoingRecord

SessionT = TypeVar("SessionT")

UNREADABLE: Final = "saga_coordinator.participant.Unreadable"
"""What a dead letter names as the class of its exception."""

MAX_DEAD_BYTES: Final = 900_000


@dataclass(frozen=True, slots=True)
class IncomingCommand(Generic[SessionT]):
    """A command that has a handler here. Its value is not read yet: a copy needs no reading.

    `attempts` is how often its handler has raised.
    """

    record: IncomingRecord
    envelope: Envelope
    payload: bytes
    handler: TransactionalHandler[SessionT]
    fingerprint: bytes
    reply_to: str
    attempts: int = 0

    @property
    def order(self) -> bytes:
        """Commands of the same order are carried out one after another."""
        return self.envelope.id.encode() if self.record.key is None else self.record.key

    def read(self) -> Command[Any]:
        """Return the message. Raises `ValueError` for a value that is wrong."""
        message = self.handler.command.model_validate_json(self.payload)
        check_json(self.payload)
        return message


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A record that nobody can be answered for: it becomes a dead letter."""

    record: IncomingRecord
    cause: str


def read(
    participant: Participant[SessionT], record: IncomingRecord, reply_topics: frozenset[str]
) -> IncomingCommand[SessionT] | UnreadableRecord | None:
    """Read the envelope of a record. None for a type that has no handler: another participant may share the topic.

    Replies go to `reply_topics` only: who may write commands must not choose what this participant writes to.
    """
    if record.value is None:
        return None
    try:
        envelope, payload = cloudevents.read(record.headers, record.value)
    except BadEnvelope as error:
        return UnreadableRecord(record, str(error))
    handler = participant.handlers.get(envelope.type)
    if handler is None or handler.command.topic != record.topic:
        return None
    if envelope.reply_to not in reply_topics:
        allowed = ", ".join(sorted(reply_topics))
        return UnreadableRecord(record, f"header ce_replyto is {envelope.reply_to!r}: replies go to {allowed} only")
    if envelope.compensates is not None if handler.compensates is None else not envelope.compensates:
        return UnreadableRecord(record, _describe_direction(handler))
    fingerprint = fingerprint_of(envelope, record.key, payload)
    return IncomingCommand(record, envelope, payload, handler, fingerprint, envelope.reply_to)


def _describe_direction(handler: TransactionalHandler[Any]) -> str:
    name = handler.command.message_type
    if handler.compensates is None:
        return f"header ce_compensates: {name} compensates nothing here"
    return f"header ce_compensates is missing: {name} compensates a {handler.compensates.message_type}"


def reply_record(participant: str, command: IncomingCommand[Any], reply: StoredReply, at: str) -> OutgoingRecord:
    """Return the record of a reply. Copies have the same `ce_id`; `at` is RFC 3339."""
    asked = command.envelope
    answer = Envelope(
        id=f"re-{asked.id}",
        type=reply.type,
        source=f"/{participant}",
        time=at,
        subject=asked.subject,
        correlation_id=asked.correlation_id,
        causation_id=asked.id,
        traceparent=asked.traceparent,
        tracestate=asked.tracestate,
    )
    return OutgoingRecord(command.reply_to, command.record.key, reply.value, cloudevents.write(answer))


def dead_letter(record: IncomingRecord, cause: str) -> OutgoingRecord:
    """Return the dead letter of a record: its bytes and headers, and Spring's headers with place and cause.

    A value so large that Kafka might not accept it with more headers is left out: it stands at its place.
    """
    value = record.value
    if value is not None and len(value) > MAX_DEAD_BYTES:
        cause = f"{cause}; its value of {len(value)} bytes is left out"
        value = None
    place = (
        ("kafka_dlt-original-topic", record.topic.encode()),
        ("kafka_dlt-original-partition", record.partition.to_bytes(4, "big")),
        ("kafka_dlt-original-offset", record.offset.to_bytes(8, "big")),
        ("kafka_dlt-original-timestamp", record.timestamp.to_bytes(8, "big", signed=True)),
        ("kafka_dlt-exception-fqcn", UNREADABLE.encode()),
        ("kafka_dlt-exception-message", cause.encode(errors="replace")),
    )
    kept = tuple((name, raw or b"") for name, raw in record.headers)
    return OutgoingRecord(f"{record.topic}-dlt", record.key, value, (*kept, *place))
