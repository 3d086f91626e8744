"""Which partitions the group has given us, as far as the consumer has heard."""

import time
from collections.abc import Sequence

from aiokafka import ConsumerRebalanceListener, TopicPartition

SETTLES_WITHIN = 3.0


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka carries no types
    """Notes that the assignment has changed. An exception here would be swallowed, so nothing else is done."""

    def __init__(self) -> None:
        self._changed = False
        self._changed_at = -SETTLES_WITHIN

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:  # noqa: ARG002  the listener's form
        """Note it."""
        self._changed, self._changed_at = True, time.monotonic()

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:  # noqa: ARG002  the listener's form
        """Note it."""
        self._changed, self._changed_at = True, time.monotonic()

    def is_fresh(self) -> bool:
        """Say whether it changed a moment ago. A commit of the generation before would make everybody join anew."""
        return time.monotonic() - self._changed_at < SETTLES_WITHIN

    def has_changed(self) -> bool:
        """Say whether it has changed since this was last asked."""
        changed, self._changed = self._changed, False
        return changed
