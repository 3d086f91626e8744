"""Which partitions the group has given us, as far as the consumer has heard."""

import time
from collections.abc import Sequence

from aiokafka import ConsumerRebalanceListener, TopicPartition

REBALANCE_SETTLE_SECONDS = 3.0


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """Notes that the assignment has changed. An exception here would be swallowed, so nothing else is done."""

    def __init__(self) -> None:
        self._changed = False
        self._changed_at = -REBALANCE_SETTLE_SECONDS
        self._revoked_at: float | None = None

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002  the listener's form
        """Note that the group begins to give out its partitions anew."""
        self._changed, self._changed_at = True, time.monotonic()
        self._revoked_at = self._changed_at

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:  # noqa: ARG002  the listener's form
        """Note that it has done so."""
        self._changed, self._changed_at = True, time.monotonic()
        self._revoked_at = None

    def is_fresh(self) -> bool:
        """Say whether it changed a moment ago. A commit of the generation before would make everybody join anew."""
        return time.monotonic() - self._changed_at < REBALANCE_SETTLE_SECONDS

    def is_settled(self) -> bool:
        """Say whether the group is not giving out its partitions anew just now: until it has, the old ones are told."""
        return self._revoked_at is None

    def check_settled(self, group: str, within: float) -> None:
        """Wait for the group's partitions a while longer: a poll outlasts its time while they are given out anew.

        Raises `TimeoutError`, so that readiness tells of it, when the group has taken too long.
        """
        seconds = 0.0 if self._revoked_at is None else time.monotonic() - self._revoked_at
        if seconds > within:
            raise TimeoutError(f"the group {group} has not given out its partitions for {seconds:.0f} s")

    def is_applied(self) -> bool:
        """Say whether nothing has changed since `has_changed` was last asked."""
        return not self._changed

    def has_changed(self) -> bool:
        """Say whether it has changed since this was last asked, and is settled again."""
        if not self.is_settled():
            return False
        changed, self._changed = self._changed, False
        return changed
