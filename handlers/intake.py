"""A batch of records in one transaction: load, decide, save state, history, outbox, verdicts and offsets.

The first statement moves the leases: it takes their row locks and is the fence. When it misses, somebody else owns a
partition now, or its records were done before; such records are left out and the rest is tried again. Whatever else
goes wrong rolls the whole batch back and is raised: a commit may have happened, so the caller must take its leases
again and read again.
"""

from collections.abc import Sequence
from functools import partial

from saga_coordinator.handlers.decode import Arrival, Unreadable, read
from saga_coordinator.handlers.dispatch import Dispatcher, addresses_of, instances_of
from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import Lease, Record
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.unit_of_work import UnitOfWork


class Intake:
    """Takes records in. One call at a time; it returns when their transaction is committed."""

    def __init__(self, routes: Routes, decider: Dispatcher, unit_of_work: UnitOfWork, leases: Leases) -> None:
        self._routes = routes
        self._decider = decider
        self._unit_of_work = unit_of_work
        self._leases = leases

    async def take(self, records: Sequence[Record]) -> None:
        """Take records in, in the order of their offsets; those of no leased partition, and those done, are left out.

        Raises whatever the store raises; then nothing is known of the commit.
        """
        arrivals = [read(self._routes, record) for record in records if self._leases.is_expected(record.place)]
        while arrivals:
            try:
                await self._unit_of_work.write(partial(self._decide, arrivals))
            except _Missed as missed:
                self._leases.reconcile(missed.leases)
                arrivals = [each for each in arrivals if self._leases.is_expected(each.record.place)]
            else:
                self._leases.advanced(each.record.place for each in arrivals)
                return

    async def _decide(self, arrivals: Sequence[Arrival | Unreadable], tx: Transaction) -> tuple[Session, None]:
        missed = await tx.advance(self._leases.moves(each.record.place for each in arrivals))
        if missed:
            raise _Missed(missed)
        batch = self._unit_of_work.batch()
        if addresses := addresses_of(arrivals):
            batch.add_subscriptions(await tx.load_subscriptions(addresses))
        batch.add_loaded(
            await self._unit_of_work.load(tx, instances_of(arrivals) | batch.subscribed), tx.unreadable_instances
        )
        for arrival in arrivals:
            self._decider.decide(batch, arrival)
        await self._decider.release(batch, tx)
        return batch, None


class _Missed(Exception):
    """The fence: these leases do not stand as expected."""

    def __init__(self, leases: Sequence[Lease]) -> None:
        super().__init__(", ".join(f"{lease.topic}:{lease.partition}" for lease in leases))
        self.leases = leases
