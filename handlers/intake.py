"""A batch of records in one transaction: load, decide, save state, history, outbox, verdicts and offsets.

The first statement moves the leases: it takes their row locks and is the fence. When it misses, somebody else owns a
partition now, or its records were done before; such records are left out and the rest is tried again. Whatever else
goes wrong rolls the whole batch back and is raised: a commit may have happened, so the caller must take its leases
again and read again.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import assert_never

from contracts import Failure
from handlers.batch import Batch, Wire
from handlers.leases import Leases
from handlers.memory import Memory
from handlers.ports import Clock, Conflict, Observer, Store, Transaction
from handlers.reading import Arrival, EventArrival, ReplyArrival, Unreadable, read, wrong_reply
from handlers.relay import Relay
from handlers.routing import AnySaga, Role, Routes, awaited_reply
from handlers.rows import Committed, Held, Lease, Record, Unsent, Verdict
from sagas.machine import Answer, Cancel, Start

HOLD_FOR = timedelta(hours=1)


class Intake:
    """Takes records in. One call at a time; it returns when their transaction is committed."""

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

    async def take(self, records: Sequence[Record]) -> None:
        """Take records in, in the order of their offsets; those of no leased partition, and those done, are left out.

        Raises whatever the store raises; then nothing is known of the commit.
        """
        began = self._clock.now()
        arrivals = [read(self._routes, record) for record in records if self._leases.awaits(record.place)]
        while arrivals:
            try:
                batch, unsent = await self._store.transact(partial(self._work, arrivals))
            except _Missed as missed:
                self._leases.learn(missed.leases)
                arrivals = [each for each in arrivals if self._leases.awaits(each.record.place)]
            except Conflict:
                self._memory.clear()
            else:
                self._leases.advanced(each.record.place for each in arrivals)
                self._memory.keep(batch.changes.instances)
                self._relay.push(unsent, deleted=batch.changes.acknowledged)
                self._observer.committed(Committed(batch.hops, batch.changes, began, self._clock.now()))
                return

    async def _work(self, arrivals: Sequence[Arrival | Unreadable], tx: Transaction) -> tuple[Batch, Sequence[Unsent]]:
        missed = await tx.advance(self._leases.wishes(each.record.place for each in arrivals))
        if missed:
            raise _Missed(missed)
        batch = Batch(self._wire, self._clock.now())
        batch.know(await self._memory.load(tx, {id_ for each in arrivals for id_ in _instances(each)}))
        held = await self._held(tx, arrivals)
        for arrival in arrivals:
            self._decide(batch, arrival, held)
        batch.changes.acknowledged = self._relay.acknowledged()
        return batch, await tx.save(batch.finish())

    async def _held(self, tx: Transaction, arrivals: Sequence[Arrival | Unreadable]) -> dict[str, list[Held]]:
        """Load what is held for the instances that may start now."""
        held: dict[str, list[Held]] = defaultdict(list)
        starts = {
            id_
            for each in arrivals
            if isinstance(each, EventArrival)
            for _, role, id_ in each.targets
            if role is Role.STARTS
        }
        if starts:
            for each in await tx.load_held(starts):
                held[each.instance_id].append(each)
        return held

    def _decide(self, batch: Batch, arrival: Arrival | Unreadable, held: dict[str, list[Held]]) -> None:
        """Give one record its verdict. What a saga's own function raises concerns this record alone."""
        try:
            match arrival:
                case Unreadable():
                    batch.dead_letter(arrival)
                case ReplyArrival():
                    self._reply(batch, arrival)
                case EventArrival():
                    for target in arrival.targets:
                        self._event(batch, arrival, target, held)
                case _:
                    assert_never(arrival)
        except Exception as error:  # noqa: BLE001  its cause is written down with the record
            self._observer.troubled(f"record {arrival.record.place} was set aside", error)
            batch.dead_letter(Unreadable(arrival.record, f"the saga raised {type(error).__name__}: {error}"))

    def _reply(self, batch: Batch, arrival: ReplyArrival) -> None:
        stored = batch.find(arrival.instance_id)
        if stored is None:
            batch.rule(arrival, Verdict.UNMATCHED, f"there is no instance {arrival.instance_id} (ce_correlationid)")
            return
        saga = self._routes.saga_of(stored.instance.saga, stored.instance.version)
        expected = awaited_reply(saga, stored.instance, arrival.command_id)
        if expected is not None and not isinstance(arrival.reply, (expected, Failure)):
            batch.dead_letter(wrong_reply(arrival, expected))
            return
        batch.apply(saga, stored, Answer(batch.at, arrival.command_id, arrival.reply), arrival)

    def _event(
        self, batch: Batch, arrival: EventArrival, target: tuple[AnySaga, Role, str], held: dict[str, list[Held]]
    ) -> None:
        saga, role, id_ = target
        stored = batch.find(id_)
        if stored is not None:
            saga = self._routes.saga_of(saga.name, stored.instance.version)
        if role is Role.CANCELS:
            if stored is None:
                early = Held(id_, arrival.record, batch.at, batch.at + HOLD_FOR)
                batch.hold(early)
                held[id_].append(early)
            else:
                batch.apply(saga, stored, Cancel(batch.at, arrival.envelope.type), arrival)
            return
        batch.apply(saga, stored, Start(batch.at, arrival.event), arrival)
        if stored is None:
            self._release(batch, held.pop(id_, []), id_)

    def _release(self, batch: Batch, held: Sequence[Held], id_: str) -> None:
        """Let what came too early happen right after the start, each with a verdict of its own."""
        for early in held:
            batch.release(early)
            arrival = read(self._routes, early.record)
            if isinstance(arrival, EventArrival):
                arrival = replace(arrival, targets=tuple(target for target in arrival.targets if target[2] == id_))
            self._decide(batch, arrival, defaultdict(list))


def _instances(arrival: Arrival | Unreadable) -> Sequence[str]:
    """Name the instances that an arrival concerns."""
    match arrival:
        case Unreadable():
            return ()
        case ReplyArrival():
            return (arrival.instance_id,)
        case EventArrival():
            return tuple(id_ for _, _, id_ in arrival.targets)
        case _:
            assert_never(arrival)


class _Missed(Exception):
    """The fence: these leases do not stand as expected."""

    def __init__(self, leases: Sequence[Lease]) -> None:
        super().__init__(", ".join(f"{lease.topic}:{lease.partition}" for lease in leases))
        self.leases = leases
