"""Dead letters again: decided once more, edited or discarded, in a transaction of its own, with who and why.

An instance that is parked goes on with what was queued for it, in order, until a record fails: that one is its new
head. A record that fails again changes nothing but its cause. One that is not the head of its queue is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

from saga_coordinator.handlers.decode import Unreadable, read
from saga_coordinator.handlers.dispatch import Dispatcher, addresses_of, instances_of
from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES
from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import Actor, Audit, DeadLetter, Place, QueuedRecord, RecordVerdict, Verdict
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.unit_of_work import UnitOfWork
from saga_coordinator.sagas.machine import Decision

NOWHERE: Final = Place("", -1, -1)


class DeadLetterRef(NamedTuple):
    """A dead letter: where its record stands, and for which instance it failed, if it failed for several."""

    place: Place
    instance_id: str | None = None


class Outcome(StrEnum):
    """What became of a wish for a dead letter."""

    DONE = "done"
    FAILED = "failed again"
    """It was decided again and failed again: only its cause is new."""
    REFUSED = "refused"
    """Nothing was changed."""


class RecordOutcome(NamedTuple):
    """What became of one record."""

    place: Place
    verdict: Verdict
    reason: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a wish: why not, if it was not done; else the fates of all records, and the types of what is sent.

    `head` is the record that the instance is parked behind from now on, None if it goes on.
    """

    end: Outcome
    why: str | None = None
    records: Sequence[RecordOutcome] = ()
    sent: Sequence[str] = ()
    head: Place | None = None


class Redrive:
    """Acts upon dead letters. It needs no lease: their records are done, and instances have their revisions."""

    def __init__(self, routes: Routes, decider: Dispatcher, unit_of_work: UnitOfWork) -> None:
        self._routes = routes
        self._decider = decider
        self._unit_of_work = unit_of_work

    async def redrive(self, which: DeadLetterRef, by: Actor, *, is_rehearsal: bool = False) -> Result:
        """Decide a dead letter again, and then what is queued behind it. A rehearsal writes nothing.

        Raises `Conflict` if its instance changes too fast, and whatever the store raises.
        """
        return await self._unit_of_work.write(lambda tx: self._redriven(tx, which, by, is_rehearsal=is_rehearsal))

    async def discard(self, which: DeadLetterRef, by: Actor) -> Result:
        """Give a dead letter up, and let what is queued behind it go on. It stays in the audit."""
        return await self._unit_of_work.write(lambda tx: self._discarded(tx, which, by))

    async def edit(self, which: DeadLetterRef, value: bytes, by: Actor, *, is_forced: bool = False) -> Result:
        """Give a dead letter another value. One that cannot be read is refused, unless it `is_forced`."""
        return await self._unit_of_work.write(lambda tx: self._edited(tx, which, value, by, is_forced=is_forced))

    # --- in the transaction

    async def _redriven(
        self, tx: Transaction, which: DeadLetterRef, by: Actor, *, is_rehearsal: bool
    ) -> tuple[Session, Result]:
        letter = await self._find(tx, which)
        if isinstance(letter, Result):
            return self._unit_of_work.batch(), letter
        begun = await self._begun(tx, letter)
        if isinstance(begun, Result):
            return self._unit_of_work.batch(), begun
        batch, queue = begun
        self._again(batch, letter)
        if stuck := batch.changes.queued:
            head = await self._head(tx, stuck[0].instance_id)
            return self._unit_of_work.batch(), _refused(
                f"instance {stuck[0].instance_id} is parked behind {head}: that first"
            )
        if failed := batch.changes.dead_letters:
            return self._failed(letter, failed[0].cause, by, is_rehearsal=is_rehearsal)
        await self._go_on(tx, batch, letter, queue)
        batch.changes.audits.append(Audit(batch.at, by, "redriven", letter))
        return self._unit_of_work.batch() if is_rehearsal else batch, _done(batch, letter)

    async def _discarded(self, tx: Transaction, which: DeadLetterRef, by: Actor) -> tuple[Session, Result]:
        letter = await self._find(tx, which)
        if isinstance(letter, Result):
            return self._unit_of_work.batch(), letter
        begun = await self._begun(tx, letter)
        if isinstance(begun, Result):
            return self._unit_of_work.batch(), begun
        batch, queue = begun
        reason = f"discarded by {by.who}: {by.why} (it was set aside because: {letter.cause})"
        batch.changes.verdicts.append(self._ruling(batch, letter, reason))
        await self._go_on(tx, batch, letter, queue)
        batch.changes.audits.append(Audit(batch.at, by, "discarded", letter))
        return batch, _done(batch, letter)

    async def _edited(
        self, tx: Transaction, which: DeadLetterRef, value: bytes, by: Actor, *, is_forced: bool
    ) -> tuple[Session, Result]:
        batch, letter = self._unit_of_work.batch(), await self._find(tx, which)
        if isinstance(letter, Result):
            return batch, letter
        record = letter.record._replace(value=value)
        arrival = read(self._routes, record)
        if len(value) > MAX_MESSAGE_BYTES:
            return batch, _refused(f"the value has {len(value)} bytes: a topic takes at most {MAX_MESSAGE_BYTES}")
        if isinstance(arrival, Unreadable) and not is_forced:
            return batch, _refused(arrival.cause)
        batch.changes.edited.append(replace(letter, record=record))
        batch.changes.audits.append(Audit(batch.at, by, "edited", letter))
        return batch, Result(Outcome.DONE)

    # --- what is found

    async def _find(self, tx: Transaction, which: DeadLetterRef) -> DeadLetter | Result:
        """Return the dead letter that is meant, or why there is none to act upon."""
        found = await tx.load_dead_letters(which.place, ())
        at = [each for each in found.letters if which.instance_id in {None, each.instance_id}]
        if len(at) == 1:
            return at[0]
        if at:
            ids = ", ".join(each.instance_id or "none" for each in at)
            return _refused(f"{which.place} failed for {len(at)} instances, say for which: {ids}")
        if found.queued:
            return await self._behind(tx, found.queued[0])
        return _refused(f"{which.place} is no dead letter: `saga explain {which.place}` says what became of it")

    async def _behind(self, tx: Transaction, waits: QueuedRecord) -> Result:
        """Refuse a record that is queued, naming the one before it."""
        found = await tx.load_dead_letters(waits.record.place, [waits.instance_id])
        order = [each.record.place for each in found.letters if each.parks]
        order += [each.record.place for each in found.queued if each.instance_id == waits.instance_id]
        before = order[order.index(waits.record.place) - 1]
        return _refused(f"{waits.record.place} is queued for instance {waits.instance_id}: {before} stands before it")

    async def _head(self, tx: Transaction, id_: str) -> Place:
        """Return the record that a parked instance is parked behind."""
        found = await tx.load_dead_letters(NOWHERE, [id_])
        return next(each.record.place for each in found.letters if each.parks)

    async def _begun(self, tx: Transaction, letter: DeadLetter) -> tuple[Session, Sequence[QueuedRecord]] | Result:
        """Return a batch that knows whom the record and what is queued behind it concern; unpark the instance.

        Or return why it cannot be unparked: it cannot be read.
        """
        batch = self._unit_of_work.batch(redriven=True)
        queue = (await tx.load_dead_letters(NOWHERE, [letter.instance_id])).queued if letter.parks else ()
        arrivals = [read(self._routes, each) for each in (letter.record, *(each.record for each in queue))]
        if addresses := addresses_of(arrivals):
            batch.add_subscriptions(await tx.load_subscriptions(addresses))
        own = {letter.instance_id} if letter.instance_id else set()
        batch.add_loaded(
            await self._unit_of_work.load(tx, instances_of(arrivals) | batch.subscribed | own), tx.unreadable_instances
        )
        if letter.parks:
            if letter.instance_id in batch.unreadable_instances:
                return _refused(batch.unreadable_instances[letter.instance_id].why)
            batch.unpark(letter.instance_id)
        return batch, queue

    # --- what is decided

    def _again(self, batch: Session, letter: DeadLetter) -> None:
        """Decide the record again: for its instance, or for all if it could not be read before."""
        arrival, id_ = read(self._routes, letter.record), letter.instance_id
        if isinstance(arrival, Unreadable) or not id_:
            self._decider.decide(batch, arrival)
        elif not self._decider.decide_for(batch, arrival, id_):
            if letter.parks:
                batch.rule(arrival, Verdict.UNMATCHED, f"instance {id_} does not await it any more")
            else:
                self._decider.decide(batch, arrival)

    async def _go_on(self, tx: Transaction, batch: Session, letter: DeadLetter, queue: Sequence[QueuedRecord]) -> None:
        """Settle the head, and let happen what is queued behind it until a record fails, which is the next head."""
        batch.changes.resolved.append(letter)
        for waits in queue:
            arrival = read(self._routes, waits.record)
            batch.changes.dequeued.append(waits)
            if isinstance(arrival, Unreadable):
                batch.dead_letter(arrival)
            elif not self._decider.decide_for(batch, arrival, waits.instance_id):
                batch.rule(arrival, Verdict.UNMATCHED, f"instance {waits.instance_id} does not await it any more")
            if batch.is_parked(waits.instance_id):
                break
        await self._decider.release(batch, tx)

    def _failed(self, letter: DeadLetter, cause: str, by: Actor, *, is_rehearsal: bool) -> tuple[Session, Result]:
        """Note why it failed again, and nothing else."""
        batch = self._unit_of_work.batch()
        if not is_rehearsal:
            batch.changes.edited.append(replace(letter, cause=cause))
            batch.changes.audits.append(Audit(batch.at, by, "redriven, and failed again", letter))
        return batch, Result(Outcome.FAILED, cause, head=letter.record.place if letter.parks else None)

    def _ruling(self, batch: Session, letter: DeadLetter, reason: str) -> RecordVerdict:
        arrival = read(self._routes, letter.record)
        envelope = None if isinstance(arrival, Unreadable) else arrival.envelope
        names = (envelope.id, envelope.type) if envelope else (None, None)
        return RecordVerdict(letter.record.place, batch.at, Verdict.DEAD_LETTERED, reason, *names)


def _refused(why: str) -> Result:
    return Result(Outcome.REFUSED, why)


def _done(batch: Session, letter: DeadLetter) -> Result:
    """Tell what became of the records in a batch."""
    changes, id_ = batch.changes, letter.instance_id
    records = [RecordOutcome(each.place, each.verdict, each.reason) for each in changes.entries if each.place]
    records += [RecordOutcome(each.place, each.verdict, each.reason) for each in changes.verdicts]
    records += [RecordOutcome(each.record.place, Verdict.BUFFERED, "nobody awaits it yet") for each in changes.held]
    records += [RecordOutcome(each.record.place, Verdict.DEAD_LETTERED, each.cause) for each in changes.dead_letters]
    heads = [each.record.place for each in changes.dead_letters if each.parks and each.instance_id == id_]
    sent = tuple(type_ for hop in batch.hops for type_ in types_sent(hop.decision))
    return Result(Outcome.DONE, None, tuple(records), sent, heads[0] if heads else None)


def types_sent(decision: Decision[Any]) -> Iterator[str]:
    """Yield the types of what a decision sends."""
    yield from (send.command.message_type for send in decision.commands)
    yield from (withdrawal.message.message_type for withdrawal in decision.withdrawals)
    if decision.outcome is not None:
        yield decision.outcome.message_type
