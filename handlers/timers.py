"""Timers: instances whose timeout, retry or deadline is due, oldest first, and buffered events that expire.

The owner of the lease on an instance's home fires its timer: the lease is checked in the timer's own transaction.
"""

from saga_coordinator.handlers.dispatch import Dispatcher
from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.ports import Clock, Observer, Store, Transaction
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.unit_of_work import UnitOfWork

MAX_BATCH = 500


class Timers:
    """Fires what is due."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        observer: Observer,
        dispatcher: Dispatcher,
        unit_of_work: UnitOfWork,
        leases: Leases,
    ) -> None:
        self._store = store
        self._clock = clock
        self._observer = observer
        self._dispatcher = dispatcher
        self._unit_of_work = unit_of_work
        self._leases = leases

    async def fire_due(self) -> bool:
        """Fire at most 500 timers in one transaction. True: there may be more. Raises whatever the store raises."""
        due = await self._store.next_timer()
        if due is None or due > self._clock.now():
            return False
        return await self._unit_of_work.write(self._work)

    async def _work(self, session: Session, tx: Transaction) -> bool:
        unsent = self._unit_of_work.unsent()
        if unsent is None:
            return False
        due = await tx.load_due(session.at, MAX_BATCH, self._leases.homes())
        for id_, unreadable in tx.unreadable_instances.items():
            self._observer.on_error(f"the timer of instance {id_} does not fire", LookupError(unreadable.why))
        for record in due:
            self._dispatcher.fire(session, record, unsent)
        await self._dispatcher.release(session, tx)
        expired = await tx.load_expired_events(session.at, MAX_BATCH)
        for early in expired:
            self._dispatcher.expire(session, early)
        return MAX_BATCH in {len(due), len(expired)}
