"""What one record does: to the instance that it names, to those that wait for it, or to none. Each gets its verdict.

An event that comes before an instance waits for it is buffered, and applied as soon as one does. A record that fails
for its instance is dead-lettered, and the instance is parked behind it: what comes later for it is queued, in order.
What the same record does to other instances is not touched by that.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import assert_never

from saga_coordinator.contracts import CancelCommand, Command, Envelope, Event, Failure
from saga_coordinator.handlers.decode import (
    Arrival,
    EventArrival,
    ReplyArrival,
    Unreadable,
    Unwanted,
    describe_raised,
    raised_by,
    read_kept,
    refused_by,
    wrong_reply,
)
from saga_coordinator.handlers.ports import Observer, Transaction
from saga_coordinator.handlers.records import (
    DeadLetter,
    EarlyEvent,
    InstanceRecord,
    QueuedRecord,
    Record,
    RecordVerdict,
    Verdict,
)
from saga_coordinator.handlers.recovery import IN_DOUBT
from saga_coordinator.handlers.routing import AnySaga, Role, Routes, Target, awaited_reply
from saga_coordinator.handlers.session import Session
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.language.nodes import BUFFER_FOR
from saga_coordinator.sagas.machine import (
    Block,
    Cancel,
    EventReceived,
    Ignored,
    Park,
    ReplyReceived,
    Start,
    TimerFired,
    command_states,
)

RAISED = "definition-raised"
NOT_BY_THIS_VERSION = "the version of the saga that its instance keeps is neither cancelled by it nor waits for it"


class Dispatcher:
    """Applies records and timers in a session, by the routes of a catalog."""

    def __init__(self, routes: Routes, observer: Observer, in_doubt: Mapping[str, str] | None = None) -> None:
        """`in_doubt` are instances that stall when they start, each with the reason; see `recovery`."""
        self._routes = routes
        self._observer = observer
        self._in_doubt = {} if in_doubt is None else in_doubt

    def dispatch(self, session: Session, arrival: Arrival | Unreadable | Unwanted) -> None:
        """Give one record its verdict. What a saga's own function raises concerns this record and one instance."""
        match arrival:
            case Unwanted():
                ignore(session, arrival)
            case Unreadable(envelope=Envelope(correlation_id=str(id_)) as envelope) if not session.is_known(id_):
                add_verdict(session, arrival.record, envelope, Verdict.UNMATCHED, no_instance(id_))
            case Unreadable():
                dead_letter(session, arrival, arrival.instance_id)
            case ReplyArrival():
                self._deliver(session, arrival, arrival.instance_id)
            case EventArrival():
                for target in self._wanted(session, arrival, arrival.targets):
                    if not self._deliver_to(session, arrival, target):
                        _buffer(session, arrival, target)
            case _:
                assert_never(arrival)

    def dispatch_to(self, session: Session, arrival: Arrival, id_: str) -> bool:
        """Apply a record to one instance only. Return False if it does not concern it."""
        if isinstance(arrival, ReplyArrival):
            return arrival.instance_id == id_ and self._deliver(session, arrival, id_)
        targets = [target for target in arrival.targets if id_ in session.receivers(target)]
        for target in targets:
            if not self._deliver(session, arrival, id_, target):
                _buffer(session, arrival, target)
        return bool(targets)

    async def release(self, session: Session, tx: Transaction) -> None:
        """Apply early events to the instances that have started, or begun to wait for them, in this session."""
        while addresses := session.pop_new_addresses():
            buffered = [each for each in session.changes.buffered if each.address in addresses]
            for early in [*await tx.load_early_events(addresses), *buffered]:
                self._release(session, early)

    def fire(self, session: Session, record: InstanceRecord, unsent: Collection[str]) -> None:
        """Fire an instance's timer; `unsent` are the ids of the messages of any instance that have not left yet.

        An instance whose definition raises stalls, so that its timer does not fire again.
        """
        saga = self._saga_of(record)
        own = tuple(each.command_id for each in command_states(record.instance.steps) if each.command_id in unsent)
        try:
            session.apply(saga, record, TimerFired(session.at, own))
        except Exception as error:  # noqa: BLE001  the saga's own function: it concerns this instance alone
            raised = raised_by(saga, error, instance=record.instance)
            session.changes.raised.append(raised)
            session.apply(saga, record, Block(session.at, Cause(None, RAISED, describe_raised(raised))))

    def expire(self, session: Session, early: EarlyEvent) -> None:
        """Drop an event that no instance waited for in time."""
        if early in session.changes.released:
            return
        session.changes.released.append(early)
        arrival = read_kept(self._routes, early.record)
        if isinstance(arrival, Unreadable):
            dead_letter(session, arrival)
        else:
            reason = f"buffered until {early.expires_at}, and no instance waited for it"
            add_verdict(session, arrival.record, arrival.envelope, Verdict.UNMATCHED, reason)

    # --- to an instance

    def _deliver(self, session: Session, arrival: Arrival, id_: str, target: Target | None = None) -> bool:
        """Apply a record to an instance; queue it if that is parked, dead-letter it if it fails. False: it is early."""
        record = session.find(id_)
        if record is not None and record.is_parked:
            _queue(session, id_, arrival.record)
            return True
        if id_ in session.unreadable:
            self._refuse(session, arrival, id_)
            return True
        try:
            return self._apply(session, arrival, record, target)
        except Exception as error:  # noqa: BLE001  its cause is written down with the record
            saga = self._saga_of(record) if record else target and target.route.saga
            raised = raised_by(saga, error, record=arrival.record, instance=record.instance if record else None)
            if record is not None:
                session.apply(self._saga_of(record), record, Park(session.at, str(arrival.record.place)))
            now = session.find(id_)
            dead_letter(session, refused_by(raised, arrival.record), id_, parks=now is not None and now.is_parked)
            return True

    def _refuse(self, session: Session, arrival: Arrival, id_: str) -> None:
        """Ignore a record for an unreadable instance that has ended, dead-letter it for one that has not."""
        why, has_ended = session.unreadable[id_]
        if has_ended:
            add_verdict(session, arrival.record, arrival.envelope, Verdict.IGNORED, why)
        else:
            self._observer.on_error(f"record {arrival.record.place} was dead-lettered", LookupError(why))
            dead_letter(session, Unreadable(arrival.record, why), id_)

    def _apply(self, session: Session, arrival: Arrival, record: InstanceRecord | None, target: Target | None) -> bool:
        """Apply what a message says. Return False if its instance, or the receive that it is for, is not there yet."""
        if isinstance(arrival, ReplyArrival):
            self._apply_reply(session, arrival, record)
            return True
        assert target is not None, "an event has a target"  # noqa: S101  for the type checker
        if record is None and target.route.role is not Role.STARTS:
            return False
        saga = self._saga_of(record) if record else target.route.saga
        decision = session.apply(saga, record, _signal(session, arrival, target), arrival)
        if record is None and (reason := self._in_doubt.get(decision.instance.id)):
            started = session.find(decision.instance.id)
            session.apply(saga, started, Block(session.at, Cause(None, IN_DOUBT, reason)))
        return decision.ignored is not Ignored.EARLY

    def _apply_reply(self, session: Session, arrival: ReplyArrival, record: InstanceRecord | None) -> None:
        if record is None:
            reason = no_instance(arrival.instance_id)
            add_verdict(session, arrival.record, arrival.envelope, Verdict.UNMATCHED, reason)
            return
        saga = self._saga_of(record)
        expected = awaited_reply(saga, record.instance, arrival.command_id)
        if expected is not None and not isinstance(arrival.reply, (expected, Failure)):
            dead_letter(session, wrong_reply(arrival, expected), arrival.instance_id)
            return
        session.apply(saga, record, ReplyReceived(session.at, arrival.command_id, arrival.reply), arrival)

    # --- to all instances that an event concerns

    def _wanted(self, session: Session, arrival: EventArrival, targets: Iterable[Target]) -> list[Target]:
        """Return the targets that can take the event; if there is none, the record is unmatched."""
        wanted = [target for target in targets if self._is_wanted(session, arrival, target)]
        if not wanted:
            add_verdict(session, arrival.record, arrival.envelope, Verdict.UNMATCHED, NOT_BY_THIS_VERSION)
        return wanted

    def _is_wanted(self, session: Session, arrival: EventArrival, target: Target) -> bool:
        """Return whether the version that an instance keeps uses the event; one that does not exist yet may do so."""
        record = session.find(target.address) if target.is_instance else None
        event = arrival.event
        if record is None or target.route.role is Role.STARTS or isinstance(event, CancelCommand):
            return True
        saga = self._saga_of(record)
        if target.route.role is Role.CANCELS:
            return saga.cancel_on is type(event)
        return any(receive.event is type(event) for receive in saga.plan.receives)

    def _deliver_to(self, session: Session, arrival: EventArrival, target: Target) -> bool:
        """Deliver an event to all instances at its target. Return False if it is early for all of them."""
        return any([self._deliver(session, arrival, id_, target) for id_ in session.receivers(target)])  # noqa: C419  to all

    def _release(self, session: Session, early: EarlyEvent) -> None:
        """Deliver a buffered event; if it is still early it stays."""
        arrival = read_kept(self._routes, early.record)
        if not isinstance(arrival, EventArrival):
            _drop(session, early)
            self.dispatch(session, arrival)
            return
        here = [to for to in arrival.targets if to.address == early.address and to.route.role is not Role.STARTS]
        wanted = self._wanted(session, arrival, here)
        delivered = [self._deliver_to(session, arrival, target) for target in wanted]
        if not wanted or any(delivered):
            _drop(session, early)

    def _saga_of(self, record: InstanceRecord) -> AnySaga:
        return self._routes.saga_of(record.instance.saga, record.instance.version)


def dead_letter(session: Session, unreadable: Unreadable, instance_id: str = "", *, parks: bool = False) -> None:
    """Dead-letter a record with its cause. One that is too large for its dead-letter topic is stored only.

    `instance_id` is whom it is for, if that is known; with `parks` that instance was parked for it.
    """
    letter = DeadLetter(
        unreadable.record, session.at, unreadable.cause, instance_id, parks=parks, summary=unreadable.summary
    )
    session.changes.dead_letters.append(letter)
    if unreadable.raised:
        session.changes.raised.append(unreadable.raised)
    session.put_aside.add((instance_id, unreadable.record.place))
    if row := session.encoder.dead_letter(letter, unreadable):
        session.changes.outbox.append(row)


def add_verdict(session: Session, record: Record, envelope: Envelope, verdict: Verdict, reason: str) -> None:
    """Note the verdict on a record that reaches no instance."""
    session.changes.verdicts.append(verdict_on(record, envelope, session.at, verdict, reason))


def ignore(session: Session, unwanted: Unwanted) -> None:
    """Count a record that nobody here wants."""
    session.changes.unwanted.append(
        verdict_on(unwanted.record, unwanted.envelope, session.at, Verdict.IGNORED, unwanted.reason)
    )


def verdict_on(record: Record, envelope: Envelope | None, at: datetime, verdict: Verdict, reason: str) -> RecordVerdict:
    """Return the verdict on a record, with the names of its message as far as they can be read."""
    id_, type_ = (envelope.id, envelope.type) if envelope else (None, None)
    return RecordVerdict(record.place, at, verdict, reason, id_, type_, record.key)


def no_instance(id_: str) -> str:
    """Return why a reply is unmatched."""
    return f"there is no instance {id_} (ce_correlationid)"


def _queue(session: Session, id_: str, record: Record) -> None:
    """Queue a record for its parked instance; once, also where several of its targets lead there."""
    if (id_, record.place) not in session.put_aside:
        session.put_aside.add((id_, record.place))
        session.changes.queued.append(QueuedRecord(0, id_, record, session.at))


def _buffer(session: Session, arrival: EventArrival, target: Target) -> None:
    """Buffer an early event. The cancel of a command follows it on its partition: its instance will never come."""
    if isinstance(arrival.event, CancelCommand):
        reason = f"no saga {target.route.saga.name} was started by command {arrival.event.command_id}"
        add_verdict(session, arrival.record, arrival.envelope, Verdict.UNMATCHED, reason)
        return
    receive, record = target.route.receive, arrival.record
    early = EarlyEvent(target.address, record, session.at, session.at + (receive.buffer_for if receive else BUFFER_FOR))
    if not any((each.record.place, each.address) == (record.place, early.address) for each in session.changes.buffered):
        session.changes.buffered.append(early)


def _drop(session: Session, early: EarlyEvent) -> None:
    if early in session.changes.buffered:
        session.changes.buffered.remove(early)
    else:
        session.changes.released.append(early)


def _signal(session: Session, arrival: EventArrival, target: Target) -> Start | Cancel | EventReceived:
    """Return what an event does to an instance, as a signal. A child saga remembers the command that started it."""
    event, id_, source = arrival.event, arrival.envelope.id, arrival.envelope.source
    if isinstance(event, CancelCommand):
        return Cancel(session.at, event.reason)
    match target.route.role:
        case Role.STARTS:
            return Start(session.at, event, id_ if isinstance(event, Command) else None)
        case Role.CANCELS:
            return Cancel(session.at, arrival.envelope.type)
        case Role.DELIVERS:
            assert isinstance(event, Event), "only an event is received"  # noqa: S101  for the type checker
            return EventReceived(session.at, event, target.address, id_, source)
        case _:
            assert_never(target.route.role)
