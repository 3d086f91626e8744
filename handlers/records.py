"""The values that pass between handlers and store: records, leases, stored instances, and the rows written for them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from msgspec import Struct

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.handlers.trace_context import SpanContext, SpanPlacement, TraceContext
from saga_coordinator.sagas.language.functions import RaisedIn
from saga_coordinator.sagas.machine import Decision, Instance

RawHeaders = tuple[tuple[str, bytes | None], ...]
"""Headers as Kafka has them: a name may come twice, and a value may be null."""


class Place(NamedTuple):
    """Where a record stands in Kafka. One of a topic that was deleted since has `NAME@ID` as its topic."""

    topic: str
    partition: int
    offset: int

    @property
    def topic_name(self) -> str:
        """The name of the topic, which one that was created later may have too."""
        return self.topic.partition("@")[0]

    def __str__(self) -> str:
        """Write it as `saga explain` takes it."""
        return f"{self.topic}:{self.partition}:{self.offset}"


class Record(NamedTuple):
    """One record as Kafka gave it. `timestamp` is in milliseconds since 1970, -1 if it has none.

    `timestamp_type` is Kafka's number for what it is the time of: 0 creation, 1 the append to the log.
    """

    place: Place
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: RawHeaders
    timestamp_type: int = 0


class Verdict(StrEnum):
    """What became of a record. Every record gets exactly one."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    CONTRADICTORY = "contradictory"
    BUFFERED = "buffered"
    UNMATCHED = "unmatched"
    DEAD_LETTERED = "dead-lettered"


@dataclass(frozen=True, slots=True)
class Lease:
    """Who owns a partition: all transactions of an epoch precede those of the next.

    `next_offset` is the first that is not done; None on a partition of which nothing was ever read. A lease of epoch 0
    was never acquired. `topic_id` is Kafka's id of the topic that was read, None if it is not known; `is_set` means
    that an operator has set the position, whatever the group has committed.
    """

    topic: str
    partition: int
    epoch: int
    next_offset: int | None
    topic_id: str | None = None
    is_set: bool = False


class PartitionOfTopic(NamedTuple):
    """A partition, and Kafka's id of its topic; None if the broker reports none."""

    topic: str
    partition: int
    topic_id: str | None


class SetPosition(NamedTuple):
    """From where an operator wants a partition to be read."""

    at: PartitionOfTopic
    next_offset: int


class DatabaseIdentity(NamedTuple):
    """Which database this is, and the id of the Kafka cluster that it belongs to, None as long as it is not known."""

    id: str
    cluster_id: str | None


class LeaseMove(NamedTuple):
    """The move of a lease from the offset that it should have to the first one after this batch."""

    topic: str
    partition: int
    epoch: int
    expected: int | None
    next_offset: int


class ParentCommand(NamedTuple):
    """The command that a child saga answers: its id, where the reply goes, and what the reply echoes."""

    command_id: str
    reply_to: str
    correlation_id: str | None
    key: str


class InstanceRecord(Struct, frozen=True):
    """An instance with what is stored beside its state.

    `revision` counts the signals that it has had, ignored ones too; `home` is the reply topic's partition of its key.
    `parent` is the command that started a child saga. A parked instance waits behind a dead letter: records that come
    later for it are queued.
    """

    instance: Instance[Any]
    revision: int
    home: int
    trace: TraceContext
    parent: ParentCommand | None = None

    @property
    def is_parked(self) -> bool:
        """Whether it waits behind a dead letter."""
        return self.instance.parked_at is not None


class UnreadableInstance(NamedTuple):
    """Why an instance cannot be read by the catalog, and whether it has ended: then records for it are ignored."""

    why: str
    has_ended: bool


class Entry(Struct, frozen=True):
    """One row of an instance's history: a signal, and what was decided. Times are UTC.

    `value` is the message as it came, or JSON: what blocks it, or what had not left when its timer fired. `decided` is
    JSON: the status that follows, the commands sent, the outcome. These rows are all that a replay needs.
    """

    instance_id: str
    seq: int
    at: datetime
    kind: str
    verdict: Verdict
    reason: str | None
    message_id: str | None
    message_type: str | None
    message_source: str | None
    causation_id: str | None
    value: bytes | None
    decided: str
    place: Place | None
    trace_id: str
    span_id: str


class OutboxMessage(Struct, frozen=True):
    """A message to publish, written with the state that asks for it."""

    message_id: str
    home: int
    topic: str
    partition: int
    key: bytes | None
    headers: RawHeaders
    value: bytes | None


class OutboxRow(NamedTuple):
    """A row of the outbox. The rows of a partition of a topic leave in the order of `seq`."""

    seq: int
    message: OutboxMessage


@dataclass(frozen=True, slots=True)
class EarlyEvent:
    """An event that has come before an instance waits for it, buffered until `expires_at`.

    `address` is where it may be received: the id of an instance, or what a `receive` expects (`sagas.machine.address`).
    """

    address: str
    record: Record
    at: datetime
    expires_at: datetime


class EventSubscription(NamedTuple):
    """An instance that waits for an event at an address that is not its own id."""

    address: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be applied, as it came, with the cause in words.

    `instance_id` is the instance for which it failed, empty if it could not be read; with `parks` that instance is
    parked behind it: what comes later for it is queued. `summary` is the cause without the words of exceptions, None
    if it has none, or was loaded: it is not stored.
    """

    record: Record
    at: datetime
    cause: str
    instance_id: str = ""
    parks: bool = False
    summary: str | None = None


class QueuedRecord(NamedTuple):
    """A record that waits for a parked instance. They are decided in the order of `seq`, which the store gives."""

    seq: int
    instance_id: str
    record: Record
    at: datetime


class DeadLetterQueue(NamedTuple):
    """Dead letters, oldest first, and records that are queued, in order."""

    letters: Sequence[DeadLetter]
    queued: Sequence[QueuedRecord]


class Actor(NamedTuple):
    """Who acts, and for what reason."""

    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Audit:
    """An operator action on a dead letter, with the letter as it was before."""

    at: datetime
    by: Actor
    action: str
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class RecordVerdict:
    """The verdict on a record that has reached no instance, with its key; None if it has none."""

    place: Place
    at: datetime
    verdict: Verdict
    reason: str
    message_id: str | None
    message_type: str | None
    key: bytes | None


class Raised(NamedTuple):
    """What a function of a saga raised on a record (None: at a timer), for which instance, and where.

    `saga` is empty for the model of a message, `instance_id` as long as there is no instance; then `key` is the
    record's.
    """

    record: Place | None
    error: Exception
    saga: str
    instance_id: str
    key: str | None
    place: RaisedIn | None


@dataclass(slots=True)
class Changes:
    """Everything that one transaction writes.

    Each of the `instances` comes with its record as it was loaded, None if it is new. `edited` dead letters have
    another value or cause, `resolved` ones are deleted. The `unwanted` are only counted: a shared topic may hold
    millions of them.
    """

    instances: list[tuple[InstanceRecord, InstanceRecord | None]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    outbox: list[OutboxMessage] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    edited: list[DeadLetter] = field(default_factory=list)
    resolved: list[DeadLetter] = field(default_factory=list)
    queued: list[QueuedRecord] = field(default_factory=list)
    dequeued: list[QueuedRecord] = field(default_factory=list)
    audits: list[Audit] = field(default_factory=list)
    buffered: list[EarlyEvent] = field(default_factory=list)
    released: list[EarlyEvent] = field(default_factory=list)
    subscribed: list[EventSubscription] = field(default_factory=list)
    unsubscribed: list[EventSubscription] = field(default_factory=list)
    verdicts: list[RecordVerdict] = field(default_factory=list)
    unwanted: list[RecordVerdict] = field(default_factory=list)
    raised: list[Raised] = field(default_factory=list)
    acknowledged: Sequence[int] = ()

    @property
    def is_plain(self) -> bool:
        """Return whether all of it is about instances and their messages: a store then needs fewer statements."""
        letters = self.dead_letters or self.edited or self.resolved or self.queued or self.dequeued or self.audits
        return not (letters or self.buffered or self.released or self.verdicts)


class DecidedBatch(NamedTuple):
    """A batch that was decided without the database, and what that assumes of it.

    The leases are as their `moves` expect. Each instance of the plain `changes` has the revision that was loaded, or
    does not exist if it is new; nothing else was looked at. No early event is buffered at the `fresh` addresses, where
    an instance begins to wait.
    """

    moves: Sequence[LeaseMove]
    changes: Changes
    fresh: Collection[str]


class TransitionRecord(Struct, frozen=True):
    """One signal that was applied to an instance, as observers see it once it is committed.

    `record` is None for a timer or an operator action; `sent` are the rows that follow from it, each with its span. A
    `redriven` record was a dead letter, or queued behind one.
    """

    saga: AnySaga
    before: Instance[Any] | None
    decision: Decision[Any]
    entry: Entry
    record: Record | None
    placement: SpanPlacement
    root: SpanContext
    sent: tuple[tuple[OutboxMessage, SpanContext], ...]
    redriven: bool = False


@dataclass(frozen=True, slots=True)
class Committed:
    """One committed transaction: what happened in it, and when it began and ended, in UTC."""

    transitions: Sequence[TransitionRecord]
    changes: Changes
    began: datetime
    ended: datetime
