"""One transaction: load, decide, save; after its commit the cache, the relay and the observer get it, in this order."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TypeVar

from saga_coordinator.handlers.decode import Arrival, EventArrival, ReplyArrival, Unreadable, Unwanted
from saga_coordinator.handlers.encode import Encoder
from saga_coordinator.handlers.instance_cache import InstanceCache
from saga_coordinator.handlers.ports import Clock, Conflict, Observer, Store, Transaction
from saga_coordinator.handlers.records import Committed, OutboxRow
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
                changes = session.changes
                self._cache.keep(record for record, _ in changes.instances)
                self._relay.push(rows, deleted=changes.acknowledged)
                self._observer.on_commit(Committed(session.transitions, changes, began, self._clock.now()))
                return result
        raise AssertionError("the last try returns or raises")

    async def _save(
        self, tx: Transaction, work: Callable[[Session, Transaction], Awaitable[T]], *, is_redrive: bool
    ) -> tuple[Session, Sequence[OutboxRow], T]:
        session = Session(self._encoder, self._sampler, self._clock.now(), is_redrive=is_redrive)
        result = await work(session, tx)
        session.changes.acknowledged = self._relay.acknowledged()
        return session, await tx.save(session.finish()), result
