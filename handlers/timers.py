"""Timers: instances whose timeout, retry or deadline is due, oldest first, and held events whose time is over.

Who holds the lease on an instance's home rings its alarm: the lease is looked at in the alarm's own transaction.
"""

from saga_coordinator.handlers.dispatch import Dispatcher
from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.ports import Clock, Store, Transaction
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.unit_of_work import UnitOfWork

MAX_BATCH = 500


class Timers:
    """Rings what is due."""

    def __init__(
        self, store: Store, clock: Clock, decider: Dispatcher, unit_of_work: UnitOfWork, leases: Leases
    ) -> None:
        self._store = store
        self._clock = clock
        self._decider = decider
        self._unit_of_work = unit_of_work
        self._leases = leases

    async def fire_due(self) -> bool:
        """Ring at most 500 alarms in one transaction. True: there may be more. Raises whatever the store raises."""
        due = await self._store.next_timer()
        if due is None or due > self._clock.now():
            return False
        return await self._unit_of_work.write(self._decide)

    async def _decide(self, tx: Transaction) -> tuple[Session, bool]:
        batch, unsent = self._unit_of_work.batch(), self._unit_of_work.unsent()
        if unsent is None:
            return batch, False
        due = await tx.load_due(batch.at, MAX_BATCH, self._leases.homes())
        for id_, unreadable_instances in tx.unreadable_instances.items():
            self._decider.silence(id_, unreadable_instances)
        for stored in due:
            self._decider.wake(batch, stored, unsent)
        await self._decider.release(batch, tx)
        expired = await tx.load_expired_events(batch.at, MAX_BATCH)
        for held in expired:
            self._decider.expire(batch, held)
        return batch, MAX_BATCH in {len(due), len(expired)}
