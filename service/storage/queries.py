"""The read port: queries that a store answers as of one moment. They write nothing, and no writer waits for them.

Lists are paged by key: a page begins where the page before it ended, whatever was written in between.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeAlias

from saga_coordinator.handlers.records import (
    Audit,
    DeadLetter,
    EarlyEvent,
    Entry,
    Place,
    QueuedRecord,
    RecordVerdict,
    Verdict,
)
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.handlers.trace_context import TraceContext
from saga_coordinator.sagas.machine import Instance, Snapshot, thaw


class InstanceRow(NamedTuple):
    """A stored instance. `number` counts starts; `next_timer_at` is None if it has no timer."""

    number: int
    id: str
    saga: str
    version: int
    key: str
    status: str
    snapshot: Snapshot
    trace: TraceContext
    revision: int
    home: int
    next_timer_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    contradicted_at: datetime | None
    contradiction: str | None

    def instance(self, saga: AnySaga) -> Instance[Any]:
        """Return the instance, read by its own definition."""
        return thaw(saga, self.id, self.key, self.snapshot)


class NeedsAttention(NamedTuple):
    """Stalled, parked, with a timer due before `late`, or with an unsettled command that was sent so often.

    Also one that has ended, if it was contradicted since a time.
    """

    late: datetime
    sendings: int
    contradicted_since: datetime


class AwaitsReply(NamedTuple):
    """Live, started before a time, and awaiting the reply to one of these commands, each `STEP/DIRECTION`."""

    commands: Collection[str]
    started_before: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceFilter:
    """Which instances. `before` is the number that the page before it ended with."""

    ids: Collection[str] | None = None
    saga: str | None = None
    version: int | None = None
    status: str | None = None
    before: int | None = None
    attention: NeedsAttention | None = None
    awaits: AwaitsReply | None = None


KeptRecord: TypeAlias = EarlyEvent | QueuedRecord | DeadLetter | RecordVerdict
"""A record that has reached no instance, or waits for one."""


class RecordCursor(NamedTuple):
    """Where a page of records ended. `subject` is the instance or the address of the last one, empty if it has none."""

    at: datetime
    place: Place
    subject: str


def cursor_of(kept: KeptRecord) -> RecordCursor:
    """Return what records are in the order of, the greatest first."""
    match kept:
        case EarlyEvent(address=address):
            return RecordCursor(kept.at, kept.record.place, address)
        case QueuedRecord(instance_id=id_) | DeadLetter(instance_id=id_):
            return RecordCursor(kept.at, kept.record.place, id_)
        case RecordVerdict():
            return RecordCursor(kept.at, kept.place, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Which records. With a `key` those that have it, and those that are for one of these instances or addresses."""

    verdict: Verdict | None = None
    topic: str | None = None
    key: bytes | None = None
    subjects: Collection[str] = ()
    before: RecordCursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which dead letters. `cause` is a text in their cause."""

    topic: str | None = None
    instance_id: str | None = None
    cause: str | None = None
    before: RecordCursor | None = None


class ParkedBehind(NamedTuple):
    """The dead letter that an instance is parked behind, and how many records wait behind it."""

    letter: DeadLetter
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRows:
    """Every trace that a record has left. One that concerned several instances has several of a kind."""

    entries: Sequence[Entry]
    early: Sequence[EarlyEvent]
    queued: Sequence[QueuedRecord]
    dead_letters: Sequence[DeadLetter]
    verdict: RecordVerdict | None
    audits: Sequence[Audit]


class PartitionRow(NamedTuple):
    """A partition. `first_offset` has left a trace, the first to do so; `next_offset` is the first not processed.

    `topic_id` is Kafka's id of its topic, None if it is not known.
    """

    topic: str
    partition: int
    first_offset: int | None
    next_offset: int | None
    topic_id: str | None


class Backlog(NamedTuple):
    """How many dead letters there are, and messages that are not published, each counted up to a limit."""

    dead_letters: int
    unpublished: int


class LiveVersion(NamedTuple):
    """A version of a saga that has live instances, how many, and the outline that they started by, if it is known."""

    saga: str
    version: int
    number: int
    outline: str | None


class Queries(Protocol):
    """A store as of one moment.

    A query raises `TimeoutError` when it takes too long, and `StoreError` when the store cannot be read.
    """

    schema: int
    """The number of its newest migration."""

    def instances(self, which: InstanceFilter, limit: int) -> Sequence[InstanceRow]:
        """Return instances, the one that was started last first."""

    def history(self, row: InstanceRow, limit: int) -> Sequence[Entry]:
        """Return the newest entries of the history of an instance, in order."""

    def record(self, place: Place) -> RecordRows: ...

    def records(self, which: RecordFilter, limit: int) -> Sequence[KeptRecord]:
        """Return records that have reached no instance, or wait for one, the newest first."""

    def dead_letters(self, which: DeadLetterFilter, limit: int) -> Sequence[DeadLetter]:
        """Return dead letters, the newest first."""

    def parked(self, ids: Collection[str]) -> Mapping[str, ParkedBehind]:
        """Return those of the instances that are parked, and behind what."""

    def queue(self, instance_id: str, limit: int) -> Sequence[QueuedRecord]:
        """Return the records that wait for a parked instance, in order."""

    def partitions(self, topic: str | None = None) -> Sequence[PartitionRow]:
        """Return the partitions that the database knows, of one topic or all, in order."""

    def is_unpublished(self, message_id: str) -> bool:
        """Return whether a message still waits in the outbox."""

    def backlog(self) -> Backlog:
        """Return how many dead letters and unpublished messages there are."""

    def live_versions(self) -> Sequence[LiveVersion]: ...
