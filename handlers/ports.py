"""What the handlers need: a store, a publisher, a clock, an observer."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from saga_coordinator.handlers.records import (
    Actor,
    Changes,
    Committed,
    DatabaseIdentity,
    DeadLetterQueue,
    DecidedBatch,
    EarlyEvent,
    EventSubscription,
    InstanceRecord,
    Lease,
    LeaseMove,
    OutboxMessage,
    OutboxRow,
    PartitionOfTopic,
    Place,
    SetPosition,
    UnreadableInstance,
)

T = TypeVar("T")

Lane = tuple[str, int]
"""A topic and one of its partitions."""

Done = Callable[[Lane, int | Exception], None]
"""Called with a lane and how many of its rows are acknowledged, or why none is."""


class Transaction(Protocol):
    """One transaction of the store. Nothing that it reads changes before it commits."""

    async def advance(self, moves: Sequence[LeaseMove]) -> Sequence[Lease]:
        """Move the leases; the first statement. Returns those that were not as expected, as they are."""

    async def load(self, ids: Collection[str]) -> Mapping[str, InstanceRecord]:
        """Return those of the instances that exist and can be read, by id."""

    @property
    def unreadable_instances(self) -> Mapping[str, UnreadableInstance]:
        """The instances that this transaction was asked for and could not read, by id."""

    async def load_due(self, now: datetime, limit: int, homes: Sequence[Lease]) -> Sequence[InstanceRecord]:
        """Return instances whose timer is due and whose home has one of these leases, as it is now; the oldest first.

        Those that cannot be read are left out; a later call looks behind them.
        """

    async def load_early_events(self, addresses: Collection[str]) -> Sequence[EarlyEvent]:
        """Return the events that are buffered for these addresses, in order of arrival."""

    async def load_subscriptions(self, addresses: Collection[str]) -> Sequence[EventSubscription]:
        """Return which instances wait for an event at these addresses."""

    async def load_expired_events(self, now: datetime, limit: int) -> Sequence[EarlyEvent]:
        """Return buffered events that have expired."""

    async def load_dead_letters(self, place: Place, ids: Collection[str]) -> DeadLetterQueue:
        """Return the dead letters and queued records of a place, and those of these instances."""

    async def save(self, changes: Changes) -> Sequence[OutboxRow]:
        """Write everything, and return the outbox rows in order. Raises `Conflict` if an instance has changed."""


class Store(Protocol):
    """The database: what it holds is the truth."""

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in one transaction, committed when it returns, rolled back when it raises.

        A cancelled caller does not split it. When the commit itself fails its outcome is unknown.
        """

    async def commit(self, batch: DecidedBatch) -> Sequence[OutboxRow]:
        """Write a batch in one transaction if all is as it assumes, and return the outbox rows in order.

        Raises `Conflict` if anything is not. A cancelled caller does not split it. When the commit itself fails its
        outcome is unknown.
        """

    @property
    def is_shared(self) -> bool:
        """Whether other coordinators write to it too."""

    async def unsent(self) -> Sequence[OutboxRow]:
        """Return all rows of the outbox, in order. The intake limits how many there are."""

    async def next_timer(self) -> datetime | None:
        """Return when the next timer is due, or None."""


class LeaseStore(Protocol):
    """The part of the database that says which partitions it has read, how far, and of which Kafka."""

    @property
    def is_shared(self) -> bool:
        """Whether other coordinators write to it too."""

    async def identity(self) -> DatabaseIdentity:
        """Return which database this is."""

    async def leases(self) -> Sequence[Lease]:
        """Return all leases."""

    async def register(self, cluster_id: str | None, partitions: Sequence[PartitionOfTopic]) -> None:
        """Remember the cluster, and partitions that exist; what is known already stays as it is."""

    async def acquire(
        self, topic: str, partition: int, owner: str, *, start: int | None = None, topic_id: str | None = None
    ) -> Lease:
        """Acquire the lease of a partition, in a new epoch; if it has no position or topic id, it gets these."""

    async def set_positions(self, positions: Sequence[SetPosition], cluster_id: str | None, by: Actor) -> None:
        """Set positions in a new epoch, as an operator says, and remember who says so."""

    async def confirm(self, partitions: Collection[tuple[str, int]]) -> None:
        """Forget that an operator has set these positions: the group has committed them."""


class Publisher(Protocol):
    """Publishes messages to Kafka."""

    def partition(self, topic: str, key: bytes) -> int:
        """Return the partition of a topic that a key belongs to."""

    def max_message_bytes(self, topic: str) -> int:
        """Return how many bytes a message to a topic may have, with its headers and its frame."""

    def post(self, lanes: Mapping[Lane, Sequence[OutboxMessage]], done: Done) -> None:
        """Begin to publish: of each lane, in order, as many of the first rows as fit into one batch. It never raises.

        `done` is called later, once for each lane unless the publisher is stopped before. After an error any of the
        rows may have been written, or may still be.
        """


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the time, in UTC."""


class Observer(Protocol):
    """Traces, metrics, logs. It is called after the commit, and must neither wait nor raise."""

    def on_commit(self, turn: Committed) -> None:
        """Report a committed transaction."""

    def on_error(self, what: str, error: BaseException) -> None:
        """Report that something failed and will be tried again."""

    def on_stopped(self, at: Lane, reason: str) -> None:
        """Report that nothing more is read from a partition before a person has acted; once for each reason."""


class Conflict(Exception):
    """What was decided rests on what another transaction has changed: nothing is written; it is decided again."""
