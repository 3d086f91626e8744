"""What an operator wishes of one instance: a signal like any other, in a transaction of its own, with who and why."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from handlers.batch import Batch, Wire
from handlers.deciding import Decider
from handlers.memory import Memory
from handlers.ports import Clock, Conflict, Observer, Store, Transaction
from handlers.relay import Relay
from handlers.routing import Routes
from handlers.rows import Committed, Unsent
from sagas.machine import Cancel, Decision, Wish

MOST_TRIES = 5


class Operator:
    """Takes wishes. It needs no lease: the instance's row and its revision suffice."""

    def __init__(
        self,
        *,
        routes: Routes,
        store: Store,
        clock: Clock,
        wire: Wire,
        memory: Memory,
        relay: Relay,
        observer: Observer,
    ) -> None:
        self._routes = routes
        self._store = store
        self._clock = clock
        self._wire = wire
        self._memory = memory
        self._relay = relay
        self._observer = observer
        self._decider = Decider(routes, observer)

    async def wish(self, id_: str, made: Callable[[datetime], Wish | Cancel]) -> Decision[Any] | None:
        """Let `made(now)` happen to an instance, and return what was decided: `ignored` and `reason` if refused.

        None: there is no such instance. Raises `Conflict` if the instance changes faster than the wish can be taken,
        what the saga's own functions raise (then nothing has happened), and whatever the store raises.
        """
        for tries_left in reversed(range(MOST_TRIES)):
            began = self._clock.now()
            try:
                batch, unsent = await self._store.transact(lambda tx: self._work(tx, id_, made))
            except Conflict:
                self._memory.clear()
                if not tries_left:
                    raise
            else:
                self._memory.keep(batch.changes.instances)
                self._relay.push(unsent, deleted=batch.changes.acknowledged)
                self._observer.committed(Committed(batch.hops, batch.changes, began, self._clock.now()))
                return batch.hops[0].decision if batch.hops else None
        raise AssertionError("the last try returns or raises")

    async def _work(
        self, tx: Transaction, id_: str, made: Callable[[datetime], Wish | Cancel]
    ) -> tuple[Batch, Sequence[Unsent]]:
        batch = Batch(self._wire, self._clock.now())
        batch.know(await self._memory.load(tx, [id_]))
        stored = batch.find(id_)
        if stored is not None:
            saga = self._routes.saga_of(stored.instance.saga, stored.instance.version)
            batch.apply(saga, stored, made(batch.at))
            await self._decider.release(batch, tx)
        batch.changes.acknowledged = self._relay.acknowledged()
        return batch, await tx.save(batch.finish())
