"""Dead letters: redriven, edited or discarded, each in a transaction of its own, with who and why.

A parked instance continues with what was queued for it, in order, until a record fails: that one is its new head. A
record that fails again changes nothing but its cause. One that is not the head of its queue is refused.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple

from saga_coordinator.handlers.decode import Arrival, Unreadable, Unwanted, read, read_kept
from saga_coordinator.handlers.dispatch import Dispatcher, add_verdict, dead_letter, verdict_on
from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES
from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import Actor, Audit, DeadLetter, Place, QueuedRecord, Verdict
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.unit_of_work import UnitOfWork
from saga_coordinator.sagas.machine import Decision, Unpark

NOWHERE: Final = Place("", -1, -1)


class DeadLetterRef(NamedTuple):
    """A dead letter: where its record stands, and for which instance it failed, if it failed for several."""

    place: Place
    instance_id: str | None = None


class Outcome(StrEnum):
    """What became of an operator action on a dead letter."""

    DONE = "done"
    FAILED = "failed again"
    """It was decided again and failed again: only its cause is new."""
    REFUSED = "refused"
    """Nothing was changed."""


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """What became of one record."""

    place: Place
    verdict: Verdict
    reason: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an operator action: why it was not done, or the outcomes of all records, and what is sent.

    `head` is the record that the instance is parked behind from now on, None if it is not parked.
    """

    outcome: Outcome
    why: str | None = None
    records: Sequence[RecordOutcome] = ()
    sent: Sequence[str] = ()
    head: Place | None = None


class Redrive:
    """Acts upon dead letters. It needs no lease: their records are done, and instances have their revisions."""

    def __init__(self, routes: Routes, dispatcher: Dispatcher, unit_of_work: UnitOfWork) -> None:
        self._routes = routes
        self._dispatcher = dispatcher
        self._unit_of_work = unit_of_work

    async def redrive(self, ref: DeadLetterRef, by: Actor, *, is_rehearsal: bool = False) -> Result:
        """Decide a dead letter again, and then what is queued behind it. A rehearsal writes nothing.

        Raises `Conflict` if its instance changes too fast, and whatever the store raises.
        """

        async def work(session: Session, tx: Transaction) -> Result:
            result = await self._redrive(session, tx, ref, by)
            if is_rehearsal:
                session.discard()
            return result

        return await self._unit_of_work.write(work, is_redrive=True)

    async def discard(self, ref: DeadLetterRef, by: Actor) -> Result:
        """Drop a dead letter, and continue with what is queued behind it. It stays in the audit."""
        return await self._unit_of_work.write(lambda session, tx: self._discard(session, tx, ref, by), is_redrive=True)

    async def edit(self, ref: DeadLetterRef, value: bytes, by: Actor, *, is_forced: bool = False) -> Result:
        """Replace the value of a dead letter. One that cannot be read is refused, unless it `is_forced`."""

        async def work(session: Session, tx: Transaction) -> Result:
            letter = await self._find(tx, ref)
            if isinstance(letter, Result):
                return letter
            if len(value) > MAX_MESSAGE_BYTES:
                return _refused(f"the value has {len(value)} bytes: a topic takes at most {MAX_MESSAGE_BYTES}")
            edited = replace(letter, record=letter.record._replace(value=value))
            arrival = read(self._routes, edited.record)
            if isinstance(arrival, Unreadable | Unwanted) and not is_forced:
                return _refused(arrival.cause if isinstance(arrival, Unreadable) else arrival.reason)
            session.changes.edited.append(edited)
            session.changes.audits.append(Audit(session.at, by, "edited", letter))
            return Result(Outcome.DONE)

        return await self._unit_of_work.write(work)

    # --- in the transaction

    async def _redrive(self, session: Session, tx: Transaction, ref: DeadLetterRef, by: Actor) -> Result:
        loaded = await self._load(session, tx, ref)
        if isinstance(loaded, Result):
            return loaded
        letter, queue = loaded
        self._decide_again(session, letter)
        if queued := session.changes.queued:
            id_ = queued[0].instance_id
            found = await tx.load_dead_letters(NOWHERE, [id_])
            behind = next(each.record.place for each in found.letters if each.parks)
            session.discard()
            return _refused(f"instance {id_} is parked behind {behind}: that first")
        if failed := session.changes.dead_letters:
            session.discard()
            session.changes.edited.append(replace(letter, cause=failed[0].cause))
            session.changes.audits.append(Audit(session.at, by, "redriven, and failed again", letter))
            head = letter.record.place if letter.parks else None
            return Result(Outcome.FAILED, failed[0].cause, head=head)
        return await self._resolve(session, tx, letter, queue, Audit(session.at, by, "redriven", letter))

    async def _discard(self, session: Session, tx: Transaction, ref: DeadLetterRef, by: Actor) -> Result:
        found = await self._load(session, tx, ref)
        if isinstance(found, Result):
            return found
        letter, queue = found
        reason = f"discarded by {by.who}: {by.reason} (it was dead-lettered because: {letter.cause})"
        arrival = read(self._routes, letter.record)
        session.changes.verdicts.append(
            verdict_on(letter.record, arrival.envelope, session.at, Verdict.DEAD_LETTERED, reason)
        )
        return await self._resolve(session, tx, letter, queue, Audit(session.at, by, "discarded", letter))

    async def _load(
        self, session: Session, tx: Transaction, ref: DeadLetterRef
    ) -> tuple[DeadLetter, Sequence[QueuedRecord]] | Result:
        """Load a dead letter, its queue and their instances; unpark its instance. Or return why that is refused."""
        letter = await self._find(tx, ref)
        if isinstance(letter, Result):
            return letter
        id_ = letter.instance_id
        queue = (await tx.load_dead_letters(NOWHERE, [id_])).queued if letter.parks else ()
        arrivals = [read(self._routes, each) for each in (letter.record, *(each.record for each in queue))]
        await self._unit_of_work.load(session, tx, arrivals, [id_] if id_ else ())
        if letter.parks:
            if id_ in session.unreadable:
                return _refused(session.unreadable[id_].why)
            if (record := session.find(id_)) and record.is_parked:
                saga = self._routes.saga_of(record.instance.saga, record.instance.version)
                session.apply(saga, record, Unpark(session.at))
        return letter, queue

    async def _find(self, tx: Transaction, ref: DeadLetterRef) -> DeadLetter | Result:
        """Return the dead letter that is meant, or why there is none."""
        found = await tx.load_dead_letters(ref.place, ())
        letters = [each for each in found.letters if ref.instance_id in {None, each.instance_id}]
        if len(letters) == 1:
            return letters[0]
        if letters:
            ids = ", ".join(each.instance_id or "none" for each in letters)
            return _refused(f"{ref.place} failed for {len(letters)} instances, say for which: {ids}")
        if found.queued:
            return await self._refuse_queued(tx, found.queued[0])
        return _refused(f"{ref.place} is no dead letter: `saga explain {ref.place}` says what became of it")

    async def _refuse_queued(self, tx: Transaction, record: QueuedRecord) -> Result:
        place, id_ = record.record.place, record.instance_id
        found = await tx.load_dead_letters(place, [id_])
        order = [each.record.place for each in found.letters if each.parks]
        order += [each.record.place for each in found.queued if each.instance_id == id_]
        return _refused(f"{place} is queued for instance {id_}: {order[order.index(place) - 1]} stands before it")

    # --- what is decided

    def _decide_again(self, session: Session, letter: DeadLetter) -> None:
        """Decide the record again: for its instance, or for all if it could not be read before."""
        arrival, id_ = read(self._routes, letter.record), letter.instance_id
        if letter.parks and not isinstance(arrival, Unreadable | Unwanted):
            self._decide_for(session, arrival, id_)
        elif (
            isinstance(arrival, Unreadable | Unwanted)
            or not id_
            or not self._dispatcher.dispatch_to(session, arrival, id_)
        ):
            self._dispatcher.dispatch(session, arrival)

    def _decide_for(self, session: Session, arrival: Arrival, id_: str) -> None:
        if not self._dispatcher.dispatch_to(session, arrival, id_):
            reason = f"instance {id_} does not wait for it any more"
            add_verdict(session, arrival.record, arrival.envelope, Verdict.UNMATCHED, reason)

    async def _resolve(
        self, session: Session, tx: Transaction, letter: DeadLetter, queue: Sequence[QueuedRecord], audit: Audit
    ) -> Result:
        """Delete the head, and decide what is queued behind it until a record fails, which is the next head."""
        session.changes.resolved.append(letter)
        session.changes.audits.append(audit)
        for queued in queue:
            arrival = read_kept(self._routes, queued.record)
            session.changes.dequeued.append(queued)
            if isinstance(arrival, Unreadable):
                dead_letter(session, arrival)
            else:
                self._decide_for(session, arrival, queued.instance_id)
            record = session.find(queued.instance_id)
            if record is not None and record.is_parked:
                break
        await self._dispatcher.release(session, tx)
        return _result(session, letter.instance_id)


def _refused(why: str) -> Result:
    return Result(Outcome.REFUSED, why)


def _result(session: Session, id_: str) -> Result:
    """Return what became of the records of a session; `id_` is the instance that was parked."""
    changes = session.changes
    records = [RecordOutcome(each.place, each.verdict, each.reason) for each in changes.entries if each.place]
    verdicts = (*changes.verdicts, *changes.unwanted)
    records += [RecordOutcome(each.place, each.verdict, each.reason) for each in verdicts]
    early = "no instance waits for it yet"
    records += [RecordOutcome(each.record.place, Verdict.BUFFERED, early) for each in changes.buffered]
    records += [RecordOutcome(each.record.place, Verdict.DEAD_LETTERED, each.cause) for each in changes.dead_letters]
    heads = [each.record.place for each in changes.dead_letters if each.parks and each.instance_id == id_]
    sent = tuple(type_ for each in session.transitions for type_ in types_sent(each.decision))
    return Result(Outcome.DONE, None, tuple(records), sent, heads[0] if heads else None)


def types_sent(decision: Decision[Any]) -> Iterator[str]:
    yield from (send.command.message_type for send in decision.commands)
    yield from (withdrawal.message.message_type for withdrawal in decision.withdrawals)
    if decision.outcome is not None:
        yield decision.outcome.message_type
