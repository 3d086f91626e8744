"""The live instances that were used last, so that a reply does not have to read them again.

It may be wrong: every save compares the revision, and a miss clears it. In a shared store another coordinator may
change an instance that is only looked at here, so within a transaction the store is read, which locks it.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable

from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import InstanceRecord


class InstanceCache:
    """At most `most` instances, those used last."""

    def __init__(self, most: int = 20_000, *, is_shared: bool = False) -> None:
        self._most = most
        self._is_shared = is_shared
        self._kept: OrderedDict[str, InstanceRecord] = OrderedDict()

    def recall(self, ids: Iterable[str]) -> dict[str, InstanceRecord]:
        """Return those of the instances that are in memory."""
        return {id_: stored for id_ in ids if (stored := self._kept.get(id_))}

    async def load(self, tx: Transaction, ids: Collection[str]) -> dict[str, InstanceRecord]:
        """Return those of the instances that exist, from memory or from the store."""
        found = {} if self._is_shared else self.recall(ids)
        missing = [id_ for id_ in ids if id_ not in found]
        if missing:
            found.update(await tx.load(missing))
        return found

    def keep(self, saved: Iterable[InstanceRecord]) -> None:
        """Keep what was committed, without the instances that have ended."""
        for stored in saved:
            id_ = stored.instance.id
            if stored.instance.status.is_final:
                self._kept.pop(id_, None)
                continue
            self._kept[id_] = stored
            self._kept.move_to_end(id_)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def clear(self) -> None:
        self._kept.clear()
