"""A batch in one transaction, and what follows its commit: memory, relay and observer learn of it, in this order."""

from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from saga_coordinator.handlers.instance_cache import InstanceCache
from saga_coordinator.handlers.ports import Clock, Conflict, Observer, Store, Transaction
from saga_coordinator.handlers.records import Committed, InstanceRecord, OutboxRow
from saga_coordinator.handlers.relay import Relay
from saga_coordinator.handlers.session import Session, Wire

MAX_TRIES = 5

T = TypeVar("T")


class UnitOfWork:
    """Writes what the handlers decide. It is shared by all that write: intake, alarms, operator, redrive."""

    def __init__(
        self, *, store: Store, clock: Clock, wire: Wire, instance_cache: InstanceCache, relay: Relay, observer: Observer
    ) -> None:
        self._store = store
        self._clock = clock
        self._wire = wire
        self._memory = instance_cache
        self._relay = relay
        self._observer = observer

    def batch(self, *, redriven: bool = False) -> Session:
        """Return a new batch, of this moment."""
        return Session(self._wire, self._clock.now(), redriven=redriven)

    def unsent(self) -> Collection[str] | None:
        """Return the ids of the messages that were written and have not left yet; None: not all are known just now."""
        return self._relay.unsent()

    async def load(self, tx: Transaction, ids: Collection[str]) -> dict[str, InstanceRecord]:
        """Return those of the instances that exist, from memory or the database."""
        return await self._memory.load(tx, ids)

    async def write(self, work: Callable[[Transaction], Awaitable[tuple[Session, T]]]) -> T:
        """Save the batch that `work` returns, in its transaction, and return what came with it.

        A conflict rolls all back: memory is cleared, and all is read and decided again. Raises `Conflict` if instances
        change faster than they can be written, whatever `work` raises (then nothing has happened), and whatever the
        store raises (then nothing is known of the commit).
        """
        for tries_left in reversed(range(MAX_TRIES)):
            began = self._clock.now()
            try:
                batch, unsent, result = await self._store.transact(lambda tx: self._saved(tx, work))
            except Conflict:
                self._memory.clear()
                if not tries_left:
                    raise
            else:
                self._memory.keep(stored for stored, _ in batch.changes.instances)
                self._relay.push(unsent, deleted=batch.changes.acknowledged)
                self._observer.committed(Committed(batch.hops, batch.changes, began, self._clock.now()))
                return result
        raise AssertionError("the last try returns or raises")

    async def _saved(
        self, tx: Transaction, work: Callable[[Transaction], Awaitable[tuple[Session, T]]]
    ) -> "tuple[Session, list[OutboxRow], T]":
        batch, result = await work(tx)
        batch.changes.acknowledged = self._relay.acknowledged()
        return batch, list(await tx.save(batch.finish())), result
