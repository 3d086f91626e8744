"""The partitions that this coordinator owns: since which epoch, and up to which offset they are done."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from saga_coordinator.handlers.records import Lease, LeaseMove, Place


class Leases:
    """The leases that are owned, as far as it is known. No record of any other partition is processed.

    `replies` is the coordinator's reply topic.
    """

    def __init__(self, replies: str) -> None:
        self._replies = replies
        self._held: dict[tuple[str, int], Lease] = {}
        self._taken_over: set[tuple[str, int]] = set()

    def add(self, lease: Lease) -> None:
        self._held[lease.topic, lease.partition] = lease

    def drop(self, topic: str, partition: int) -> None:
        self._held.pop((topic, partition), None)

    def clear(self) -> None:
        """Own nothing: what the database says must be read again."""
        self._held.clear()
        self._taken_over.clear()

    def owned(self) -> Iterable[tuple[str, int]]:
        return tuple(self._held)

    def leases(self) -> Collection[Lease]:
        """Return the leases that are owned."""
        return tuple(self._held.values())

    def homes(self) -> Sequence[Lease]:
        """Return the leases on the reply topic: their owner relays and fires timers for the instances of that home."""
        return [lease for lease in self._held.values() if lease.topic == self._replies]

    def is_home(self, partition: int) -> bool:
        return (self._replies, partition) in self._held

    def offsets(self) -> Iterable[tuple[tuple[str, int], int]]:
        """Return how far each owned partition is done."""
        return [(each, held.next_offset) for each, held in self._held.items() if held.next_offset is not None]

    def is_expected(self, place: Place) -> bool:
        """Return whether a record is of an owned partition and not done yet."""
        lease = self._held.get((place.topic, place.partition))
        return lease is not None and (lease.next_offset is None or place.offset >= lease.next_offset)

    def moves(self, places: Iterable[Place]) -> Sequence[LeaseMove]:
        """Return how the leases move when all records at these places are done."""
        ends: dict[tuple[str, int], int] = {}
        for topic, partition, offset in places:
            ends[topic, partition] = max(offset + 1, ends.get((topic, partition), 0))
        return [
            LeaseMove(topic, partition, held.epoch, held.next_offset, end)
            for (topic, partition), end in sorted(ends.items())
            for held in (self._held[topic, partition],)
        ]

    def advance(self, places: Iterable[Place]) -> None:
        """Note that all records at these places are done."""
        for move in self.moves(places):
            held = self._held[move.topic, move.partition]
            self.add(replace(held, epoch=move.epoch, next_offset=move.next_offset))

    def reconcile(self, actual: Iterable[Lease]) -> None:
        """Correct what is known of leases: one of another epoch belongs to another coordinator now."""
        for lease in actual:
            held = self._held.get((lease.topic, lease.partition))
            if held is None:
                continue
            if held.epoch == lease.epoch:
                self.add(lease)
            else:
                self.drop(lease.topic, lease.partition)
                self._taken_over.add((lease.topic, lease.partition))

    def taken_over(self) -> Collection[tuple[str, int]]:
        """Return the partitions that another coordinator has acquired since the last call."""
        lost, self._taken_over = self._taken_over, set()
        return lost
