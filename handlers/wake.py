"""Alarms: instances whose timeout, retry or deadline is due, oldest first, and held events whose time is over.

Who holds the lease on an instance's home rings its alarm: the lease is looked at in the alarm's own transaction.
"""

from collections.abc import Sequence

from handlers.batch import Batch, Wire
from handlers.deciding import Decider
from handlers.leases import Leases
from handlers.memory import Memory
from handlers.ports import Clock, Conflict, Observer, Store, Transaction
from handlers.reading import Unreadable, read
from handlers.relay import Relay
from handlers.routing import Routes
from handlers.rows import Committed, Stored, Unsent, Verdict
from sagas.machine import Cause, Obstruct, Wake

MOST_AT_ONCE = 500
RAISED = "definition-raised"


class Alarms:
    """Rings what is due."""

    def __init__(
        self,
        *,
        routes: Routes,
        store: Store,
        clock: Clock,
        wire: Wire,
        leases: Leases,
        memory: Memory,
        relay: Relay,
        observer: Observer,
    ) -> None:
        self._routes = routes
        self._store = store
        self._clock = clock
        self._wire = wire
        self._leases = leases
        self._memory = memory
        self._relay = relay
        self._observer = observer
        self._decider = Decider(routes, observer)

    async def ring(self) -> bool:
        """Ring at most 500 alarms in one transaction. True: there may be more."""
        began = self._clock.now()
        due = await self._store.next_alarm()
        if due is None or due > began:
            return False
        try:
            batch, unsent, more = await self._store.transact(self._work)
        except Conflict:
            self._memory.clear()
            return True
        self._memory.keep(batch.changes.instances)
        self._relay.push(unsent, deleted=batch.changes.acknowledged)
        self._observer.committed(Committed(batch.hops, batch.changes, began, self._clock.now()))
        return more

    async def _work(self, tx: Transaction) -> tuple[Batch, Sequence[Unsent], bool]:
        batch = Batch(self._wire, self._clock.now())
        due = await tx.load_due(batch.at, MOST_AT_ONCE, self._leases.homes())
        for stored in due:
            self._ring(batch, stored)
        await self._decider.release(batch, tx)
        expired = await tx.load_expired(batch.at, MOST_AT_ONCE)
        for held in expired:
            batch.release(held)
            arrival = read(self._routes, held.record)
            if isinstance(arrival, Unreadable):
                batch.dead_letter(arrival)
            else:
                batch.rule(arrival, Verdict.UNMATCHED, f"held until {held.expires_at}, and nobody awaited it")
        batch.changes.acknowledged = self._relay.acknowledged()
        return batch, await tx.save(batch.finish()), MOST_AT_ONCE in {len(due), len(expired)}

    def _ring(self, batch: Batch, stored: Stored) -> None:
        """Wake one instance. One whose definition raises stalls, and rings no more."""
        instance = stored.instance
        saga = self._routes.saga_of(instance.saga, instance.version)
        try:
            batch.apply(saga, stored, Wake(batch.at))
        except Exception as error:  # noqa: BLE001  the saga's own function: it concerns this instance alone
            self._observer.troubled(f"instance {instance.id} of {instance.saga} stalled", error)
            cause = Cause(None, RAISED, f"{type(error).__name__}: {error}")
            batch.apply(saga, stored, Obstruct(batch.at, cause))
