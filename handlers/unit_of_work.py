"""One transaction: decide and save; after its commit the cache, the relay and the observer get it, in this order.

It has two forms. In the short one everything is decided from memory, and the store writes it in one call if all is as
it was assumed. In the long one the store is read between the beginning of the transaction and its end.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from saga_coordinator.handlers.decode import Arrival, EventArrival, ReplyArrival, Unreadable, Unwanted
from saga_coordinator.handlers.encode import Encoder
from saga_coordinator.handlers.instance_cache import InstanceCache
from saga_coordinator.handlers.ports import Clock, Conflict, Observer, Store, Transaction
from saga_coordinator.handlers.records import Committed, DecidedBatch, LeaseMove, OutboxRow
from saga_coordinator.handlers.relay import Relay
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.trace_context import Sampler

MAX_TRIES = 5

T = TypeVar("T")


class UnitOfWork:
    """Runs what the handlers decide. It is shared by all that write: intake, timers, interventions, redrive."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        encoder: Encoder,
        sampler: Sampler,
        instance_cache: InstanceCache,
        relay: Relay,
        observer: Observer,
    ) -> None:
        self._store = store
        self._clock = clock
        self._encoder = encoder
        self._sampler = sampler
        self._cache = instance_cache
        self._relay = relay
        self._observer = observer

    def unsent(self) -> Collection[str] | None:
        """Return the ids of the messages that were written and have not left yet; None: not all are known just now."""
        return self._relay.unsent()

    # --- the short form

    def recall(self, session: Session, arrivals: Sequence[Arrival | Unreadable | Unwanted]) -> bool:
        """Load from memory the instances that records name. Return False if the store has to be read for them.

        An event whose instance is not in memory may start it. Whatever else comes of an instance that is not there is
        not plain, and so never written in the short form.
        """
        targets = [target for each in arrivals if isinstance(each, EventArrival) for target in each.targets]
        replied = {each.instance_id for each in arrivals if isinstance(each, ReplyArrival)}
        found = self._cache.recall(replied.union(target.address for target in targets))
        session.add_loaded(found, {})
        is_readable = not any(isinstance(each, Unreadable) for each in arrivals)
        return is_readable and replied <= found.keys() and all(target.is_instance for target in targets)

    async def write_from_memory(self, moves: Sequence[LeaseMove], decide: Callable[[Session], bool]) -> bool:
        """Save what `decide` does in its session, in one call of the store, with the moves of the leases.

        Return False if nothing was written: `decide` has returned it; what it has decided is not plain, or rests on an
        instance that it did not write; or the store is not as it was assumed. Then the long form is taken. Raises
        whatever the store raises (then the outcome of the commit is unknown).
        """
        began = self._clock.now()
        session = Session(self._encoder, self._sampler, began)
        if not decide(session):
            return False
        fresh = session.pop_new_addresses()
        changes = session.finish()
        if not (changes.is_plain and session.writes_all_it_loaded):
            return False
        changes.acknowledged = self._relay.acknowledged()
        try:
            rows = await self._store.commit(DecidedBatch(moves, changes, fresh))
        except Conflict:
            return False
        self._committed(session, rows, began)
        return True

    # --- the long form

    async def load(
        self,
        session: Session,
        tx: Transaction,
        arrivals: Sequence[Arrival | Unreadable | Unwanted],
        ids: Iterable[str] = (),
    ) -> None:
        """Load the instances that records name, those that wait for their events, and those with these ids."""
        targets = [target for each in arrivals if isinstance(each, EventArrival) for target in each.targets]
        if addresses := {target.address for target in targets if not target.is_instance}:
            session.add_subscriptions(await tx.load_subscriptions(addresses))
        named = {*ids, *(target.address for target in targets if target.is_instance)}
        named |= {each.instance_id for each in arrivals if isinstance(each, ReplyArrival)}
        bad_replies = (each.envelope for each in arrivals if isinstance(each, Unreadable) and each.envelope)
        named |= {each.correlation_id for each in bad_replies if each.correlation_id}
        session.add_loaded(await self._cache.load(tx, named | session.subscribed), tx.unreadable_instances)

    async def write(self, work: Callable[[Session, Transaction], Awaitable[T]], *, is_redrive: bool = False) -> T:
        """Save what `work` does in its session, in one transaction, and return its result.

        On a conflict the transaction is rolled back and the cache cleared, and `work` runs again. Raises `Conflict` if
        instances change faster than they can be written, whatever `work` raises (then nothing was written), and
        whatever the store raises (then the outcome of the commit is unknown).
        """
        for tries_left in reversed(range(MAX_TRIES)):
            began = self._clock.now()
            try:
                session, rows, result = await self._store.transact(
                    lambda tx: self._save(tx, work, is_redrive=is_redrive)
                )
            except Conflict:
                self._cache.clear()
                if not tries_left:
                    raise
            else:
                self._committed(session, rows, began)
                return result
        raise AssertionError("the last try returns or raises")

    async def _save(
        self, tx: Transaction, work: Callable[[Session, Transaction], Awaitable[T]], *, is_redrive: bool
    ) -> tuple[Session, Sequence[OutboxRow], T]:
        session = Session(self._encoder, self._sampler, self._clock.now(), is_redrive=is_redrive)
        result = await work(session, tx)
        session.changes.acknowledged = self._relay.acknowledged()
        return session, await tx.save(session.finish()), result

    # --- both

    def _committed(self, session: Session, rows: Sequence[OutboxRow], began: datetime) -> None:
        """Hand over what was committed. It ended before its messages left."""
        changes, ended = session.changes, self._clock.now()
        self._cache.keep(record for record, _ in changes.instances)
        self._relay.push(rows, deleted=changes.acknowledged)
        self._observer.on_commit(Committed(session.transitions, changes, began, ended))
