"""A batch of records in one transaction: load, decide, save state, history, outbox, verdicts and offsets.

Most batches are decided from memory and written in one call (the short form). The others, and those for which the
store is not as assumed, are decided within the transaction (the long form).

In both forms the first statement moves the leases: it locks their rows and is the fence. When it misses, another
coordinator owns a partition now, or its records were done before; such records are left out and the rest is tried
again, in the long form. Any other error rolls the whole batch back and is raised: a commit may have happened, so the
caller must acquire its leases again and read again.
"""

from collections.abc import Sequence

from saga_coordinator.handlers.decode import Arrival, Unreadable, Unwanted, read
from saga_coordinator.handlers.dispatch import Dispatcher
from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import Lease, Record
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.unit_of_work import UnitOfWork


class Intake:
    """Receives records. One call at a time; it returns when their transaction is committed."""

    def __init__(self, routes: Routes, dispatcher: Dispatcher, unit_of_work: UnitOfWork, leases: Leases) -> None:
        self._routes = routes
        self._dispatcher = dispatcher
        self._unit_of_work = unit_of_work
        self._leases = leases

    async def receive(self, records: Sequence[Record]) -> None:
        """Receive records in the order of their offsets; those of no leased partition, and those done, are left out.

        Raises whatever the store raises; then the outcome of the commit is unknown.
        """
        arrivals = [read(self._routes, record) for record in records if self._leases.is_expected(record.place)]
        if not arrivals or await self._receive_from_memory(arrivals):
            return
        while arrivals:
            try:
                await self._unit_of_work.write(lambda session, tx: self._work(session, tx, arrivals))  # noqa: B023  awaited here
            except _Missed as missed:
                self._leases.reconcile(missed.leases)
                arrivals = [each for each in arrivals if self._leases.is_expected(each.record.place)]
            else:
                self._leases.advance(each.record.place for each in arrivals)
                return

    async def _receive_from_memory(self, arrivals: Sequence[Arrival | Unreadable | Unwanted]) -> bool:
        """Receive a batch in the short form. Return False if that is not possible: nothing was written."""
        moves = self._leases.moves(each.record.place for each in arrivals)
        if not await self._unit_of_work.write_from_memory(moves, lambda session: self._decide(session, arrivals)):
            return False
        self._leases.advance(each.record.place for each in arrivals)
        return True

    def _decide(self, session: Session, arrivals: Sequence[Arrival | Unreadable | Unwanted]) -> bool:
        if not self._unit_of_work.recall(session, arrivals):
            return False
        for arrival in arrivals:
            self._dispatcher.dispatch(session, arrival)
        return True

    async def _work(
        self, session: Session, tx: Transaction, arrivals: Sequence[Arrival | Unreadable | Unwanted]
    ) -> None:
        missed = await tx.advance(self._leases.moves(each.record.place for each in arrivals))
        if missed:
            raise _Missed(missed)
        await self._unit_of_work.load(session, tx, arrivals)
        for arrival in arrivals:
            self._dispatcher.dispatch(session, arrival)
        await self._dispatcher.release(session, tx)


class _Missed(Exception):
    """The fence: these leases are not as expected."""

    def __init__(self, leases: Sequence[Lease]) -> None:
        super().__init__(", ".join(f"{lease.topic}:{lease.partition}" for lease in leases))
        self.leases = leases
