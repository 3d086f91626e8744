"""Timers: instances whose timeout, retry or deadline is due, oldest first, and buffered events that expire.

The owner of the lease on an instance's home fires its timer: the lease is checked in the timer's own transaction.
"""

from dataclasses import dataclass

from saga_coordinator.handlers.dispatch import Dispatcher
from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.ports import Clock, Observer, Store, Transaction
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.unit_of_work import UnitOfWork

MAX_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Fires what is due."""

    store: Store
    clock: Clock
    observer: Observer
    dispatcher: Dispatcher
    unit_of_work: UnitOfWork
    leases: Leases

    async def fire_due(self) -> bool:
        """Fire at most 500 timers in one transaction. True: there may be more. Raises whatever the store raises."""
        due = await self.store.next_timer()
        if due is None or due > self.clock.now():
            return False
        return await self.unit_of_work.write(self._work)

    async def _work(self, session: Session, tx: Transaction) -> bool:
        unsent = self.unit_of_work.unsent()
        if unsent is None:
            return False
        due = await tx.load_due(session.at, MAX_BATCH, self.leases.homes())
        for id_, unreadable in tx.unreadable_instances.items():
            self.observer.on_error(f"the timer of instance {id_} does not fire", LookupError(unreadable.why))
        for record in due:
            self.dispatcher.fire(session, record, unsent)
        await self.dispatcher.release(session, tx)
        expired = await tx.load_expired_events(session.at, MAX_BATCH)
        for early in expired:
            self.dispatcher.expire(session, early)
        return MAX_BATCH in {len(due), len(expired)}
