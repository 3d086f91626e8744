"""What the consumer knows of its partitions: whether the group has assigned them, and one state for each of them."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition

from saga_coordinator.handlers.backoff import MAX_BACKOFF, Backoff

REBALANCE_SETTLE_SECONDS = 3.0
OPEN_TRANSACTION = 30.0
"""Seconds: so long a producer's transaction may be open; Kafka itself ends it after a minute by default."""

QUIET = 2 * MAX_BACKOFF
"""Seconds: a partition that was owned for so long starts again with the first backoff."""


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """Records that the assignment has changed. aiokafka swallows exceptions here, so nothing else is done."""

    def __init__(self) -> None:
        self._has_changed = False
        self._changed_at = -REBALANCE_SETTLE_SECONDS
        self._revoked_at: float | None = None

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002  the listener's form
        """Record that a rebalance has begun."""
        self._has_changed, self._changed_at = True, time.monotonic()
        self._revoked_at = self._changed_at

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:  # noqa: ARG002  the listener's form
        """Record that a rebalance has ended."""
        self._has_changed, self._changed_at = True, time.monotonic()
        self._revoked_at = None

    def note_change(self) -> None:
        """Let the next `pop_change` return True, though the group has assigned nothing else."""
        self._has_changed = True

    def is_fresh(self) -> bool:
        """Return whether it changed a moment ago: a commit of the generation before would start another rebalance."""
        return time.monotonic() - self._changed_at < REBALANCE_SETTLE_SECONDS

    def is_settled(self) -> bool:
        """Return whether no rebalance is running; during one the consumer still reports its old partitions."""
        return self._revoked_at is None

    def check_settled(self, group: str, timeout: float) -> None:
        """Raise `TimeoutError`, for readiness to report, when a rebalance takes too long."""
        seconds = 0.0 if self._revoked_at is None else time.monotonic() - self._revoked_at
        if seconds > timeout:
            raise TimeoutError(f"the group {group} has not assigned its partitions for {seconds:.0f} s")

    def is_applied(self) -> bool:
        """Return whether nothing has changed since `pop_change` last returned True."""
        return not self._has_changed

    def pop_change(self) -> bool:
        """Return whether it has changed since the last call, once no rebalance is running."""
        if not self.is_settled():
            return False
        changed, self._has_changed = self._has_changed, False
        return changed


@dataclass(slots=True)
class Partition:
    """The state of one assigned partition. Times are monotonic, in seconds.

    `problem` says why nothing is read from it; one that is also `stopped` is not acquired before the next rebalance.
    `backlog_end` is where its log ended when it was acquired, until the consumer is there.
    `held_up_at` is the first offset of another producer's transaction that is open, `held_up_since` since when.
    `answered` is when its last fetch was answered, by the wall clock, and `unanswered_since` since when that stands.
    """

    problem: str | None = None
    stopped: bool = False
    stopped_at: int = 0
    acquire_at: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)
    backlog_end: int | None = None
    held_up_at: int | None = None
    held_up_since: float = 0.0
    answered: int | None = None
    unanswered_since: float | None = None


class Partitions:
    """The state of every assigned partition."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._states: defaultdict[TopicPartition, Partition] = defaultdict(Partition)

    def __getitem__(self, at: TopicPartition) -> Partition:
        return self._states[at]

    def clear(self) -> None:
        """Forget everything: the assignment is another one."""
        self._states.clear()

    def delay(self, at: TopicPartition, now: float) -> None:
        """Do not acquire a partition at once that another coordinator took over, or that does not answer.

        Two coordinators that both believe to own a partition would take it from each other at every poll. So each
        waits longer after each takeover that soon follows the last, and by chance, so that they do not wait alike.
        """
        state = self._states[at]
        if now - state.acquire_at > QUIET:
            state.backoff.reset()
        state.acquire_at = now + state.backoff.next() * self._random.uniform(0.5, 1)

    def stop(self, at: TopicPartition, problem: str, offset: int = 0) -> None:
        """Read nothing more from a partition until `clear`; it was processed up to an offset."""
        state = self._states[at]
        state.problem, state.stopped, state.backlog_end, state.stopped_at = problem, True, None, offset

    def stopped_at(self) -> dict[TopicPartition, int]:
        """Return up to which offset the partitions were processed that are stopped."""
        return {at: state.stopped_at for at, state in self._states.items() if state.stopped}

    def stopped_because(self) -> dict[tuple[str, int], str]:
        return {at: state.problem or "" for at, state in self._states.items() if state.stopped}

    def stopped(self) -> set[TopicPartition]:
        """Return the partitions that are stopped."""
        return {at for at, state in self._states.items() if state.stopped}

    def not_to_acquire(self, now: float) -> set[TopicPartition]:
        """Return the partitions that are stopped or must wait."""
        return {at for at, state in self._states.items() if state.stopped or state.acquire_at > now}

    def unreadable(self) -> set[TopicPartition]:
        """Return the partitions that have a problem."""
        return {at for at, state in self._states.items() if state.problem}

    def problems(self) -> Sequence[str]:
        """Return why nothing is read from some partitions."""
        return [state.problem for state in self._states.values() if state.problem]

    def backlog(self) -> Sequence[tuple[TopicPartition, int]]:
        """Return the partitions whose backlog is not read yet, and where each backlog ends."""
        return [(at, state.backlog_end) for at, state in self._states.items() if state.backlog_end is not None]

    def note_empty_poll(self, consumer: AIOKafkaConsumer, now: float) -> None:
        """Record, after a poll without records, which fetches are unanswered: no answer waits to be polled then."""
        for at, answered in _last_answers(consumer):
            state = self._states[at]
            if state.unanswered_since is None or state.answered != answered:
                state.answered, state.unanswered_since = answered, now

    def note_open_transactions(
        self, consumer: AIOKafkaConsumer, partitions: Collection[TopicPartition], now: float
    ) -> None:
        """Record which partitions have records that no consumer gets before another producer ends its transaction."""
        for at in partitions:
            state, stable, end = self._states[at], consumer.last_stable_offset(at), consumer.highwater(at)
            held_up_at = stable if stable is not None and end is not None and 0 <= stable < end else None
            if held_up_at != state.held_up_at:
                state.held_up_at, state.held_up_since = held_up_at, now

    def held_up(self, now: float) -> Sequence[str]:
        """Return which partitions have waited for so long for a transaction that it may never end."""
        return [
            f"{at.topic}:{at.partition} waits at offset {state.held_up_at} for another producer's transaction, "
            f"open for {now - state.held_up_since:.0f} s: end it, or find it by `kafka-transactions.sh find-hanging`"
            for at, state in self._states.items()
            if state.held_up_at is not None and now - state.held_up_since > OPEN_TRANSACTION
        ]

    def unanswered(self, consumer: AIOKafkaConsumer, seconds: float, now: float) -> Sequence[TopicPartition]:
        """Return the partitions whose fetches have not been answered for so long. aiokafka only logs that."""
        return [
            at
            for at, answered in _last_answers(consumer)
            for state in (self._states[at],)
            if state.answered == answered and state.unanswered_since is not None
            if now - state.unanswered_since > seconds
        ]


def _last_answers(consumer: AIOKafkaConsumer) -> Iterator[tuple[TopicPartition, int | None]]:
    """Yield when each partition's fetch was last answered, by the wall clock: to be compared, not to compute with."""
    for at in sorted(consumer.assignment() - consumer.paused()):
        yield at, consumer.last_poll_timestamp(at)
