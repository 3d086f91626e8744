"""What one record does: to the instance that it names, to those that await it, or to nobody. Each gets its verdict.

An event that comes before anybody awaits it is held, and happens as soon as somebody does. A record that fails for its
instance is set aside, and the instance is parked behind it: what comes later for it is queued, in order. What the same
record does to other instances is not touched by that.
"""

from collections.abc import Collection, Sequence
from typing import assert_never

from saga_coordinator.contracts import CancelCommand, Command, Event, Failure
from saga_coordinator.handlers.decode import (
    Arrival,
    EventArrival,
    ReplyArrival,
    Unreadable,
    class_of,
    describe_error,
    read,
    wrong_reply,
)
from saga_coordinator.handlers.ports import Observer, Transaction
from saga_coordinator.handlers.records import EarlyEvent, InstanceRecord, UnreadableInstance, Verdict
from saga_coordinator.handlers.routing import AnySaga, Role, Routes, Target, awaited_reply
from saga_coordinator.handlers.session import Session
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.language.nodes import BUFFER_FOR
from saga_coordinator.sagas.machine import (
    Block,
    Cancel,
    EventReceived,
    Ignored,
    ReplyReceived,
    Start,
    TimerFired,
    command_states,
    transition,
)

RAISED = "definition-raised"
NOT_BY_THIS_VERSION = "the version of the saga that its instance keeps is neither cancelled by it nor waits for it"


class Dispatcher:
    """Decides arrivals in a batch, by the routes of a catalog."""

    def __init__(self, routes: Routes, observer: Observer) -> None:
        self._routes = routes
        self._observer = observer

    def decide(self, batch: Session, arrival: Arrival | Unreadable) -> None:
        """Give one record its verdict. What a saga's own function raises concerns this record and one instance."""
        match arrival:
            case Unreadable():
                batch.dead_letter(arrival)
            case ReplyArrival():
                self._let(batch, arrival, arrival.instance_id, None)
            case EventArrival():
                self._message(batch, arrival)
            case _:
                assert_never(arrival)

    def decide_for(self, batch: Session, arrival: Arrival, id_: str) -> bool:
        """Let a record happen to one instance only. False: it is of no concern to it."""
        if isinstance(arrival, ReplyArrival):
            self._let(batch, arrival, id_, None)
            return arrival.instance_id == id_
        targets = [target for target in arrival.targets if id_ in batch.awaiting(target)]
        for target in targets:
            if not self._let(batch, arrival, id_, target):
                self._too_early(batch, arrival, target)
        return bool(targets)

    async def release(self, batch: Session, tx: Transaction) -> None:
        """Let happen what was held for instances that have started, or wait, since the batch began."""
        while fresh := batch.pop_fresh_addresses():
            held = [each for each in batch.changes.held if each.address in fresh]
            for early in [*await tx.load_early_events(fresh), *held]:
                self._try(batch, early)

    def wake(self, batch: Session, stored: InstanceRecord, unsent: Collection[str]) -> None:
        """Let an instance act on what is due; `unsent` are ids of messages of any instance that have not left yet.

        One whose definition raises stalls, and rings no more.
        """
        saga = self._saga_of(stored)
        own = tuple(each.command_id for each in command_states(stored.instance.steps) if each.command_id in unsent)
        try:
            batch.apply(saga, stored, TimerFired(batch.at, own))
        except Exception as error:  # noqa: BLE001  the saga's own function: it concerns this instance alone
            self._observer.on_error(f"instance {stored.instance.id} of {stored.instance.saga} stalled", error)
            cause = Cause(None, RAISED, describe_error(error))
            batch.apply(saga, stored, Block(batch.at, cause))

    def silence(self, id_: str, unreadable_instances: UnreadableInstance) -> None:
        """Tell that the alarm of an instance that cannot be read does not ring."""
        self._observer.on_error(f"instance {id_} rings no alarm", LookupError(unreadable_instances.why))

    def expire(self, batch: Session, held: EarlyEvent) -> None:
        """Give up an event that was held for too long."""
        batch.release(held)
        arrival = read(self._routes, held.record)
        if isinstance(arrival, Unreadable):
            batch.dead_letter(arrival)
        else:
            batch.rule(arrival, Verdict.UNMATCHED, f"held until {held.expires_at}, and nobody awaited it")

    # --- what a record does

    def _let(self, batch: Session, arrival: Arrival, id_: str, target: Target | None) -> bool:
        """Let a record happen to an instance, or queue it if that is parked. False: it is not awaited there yet."""
        stored = batch.find(id_)
        if stored is not None and stored.is_parked:
            batch.queue(id_, arrival.record)
            return True
        if id_ in batch.unreadable_instances:
            self._not_read(batch, arrival, id_)
            return True
        try:
            return self._happen(batch, arrival, stored, target)
        except Exception as error:  # noqa: BLE001  its cause is written down with the record
            self._observer.on_error(f"record {arrival.record.place} was set aside", error)
            cause = f"the saga raised {describe_error(error)}"
            batch.dead_letter(Unreadable(arrival.record, cause, class_of(error)), id_)
            return True

    def _not_read(self, batch: Session, arrival: Arrival, id_: str) -> None:
        """Let a record do nothing to an instance that is over; set it aside for one that has to be made legible."""
        why, is_over = batch.unreadable_instances[id_]
        if is_over:
            batch.rule(arrival, Verdict.IGNORED, why)
        else:
            self._observer.on_error(f"record {arrival.record.place} was set aside", LookupError(why))
            batch.dead_letter(Unreadable(arrival.record, why), id_)

    def _happen(self, batch: Session, arrival: Arrival, stored: InstanceRecord | None, target: Target | None) -> bool:
        if isinstance(arrival, ReplyArrival):
            self._reply(batch, arrival, stored)
            return True
        assert target is not None, "an event goes somewhere"  # noqa: S101  for the type checker
        match target.route.role:
            case Role.STARTS:
                self._start(batch, arrival, stored, target)
                return True
            case Role.CANCELS:
                return stored is not None and self._cancel(batch, arrival, stored)
            case Role.DELIVERS:
                return stored is not None and self._tell(batch, arrival, stored, target)
            case _:
                assert_never(target.route.role)

    def _reply(self, batch: Session, arrival: ReplyArrival, stored: InstanceRecord | None) -> None:
        if stored is None:
            batch.rule(arrival, Verdict.UNMATCHED, f"there is no instance {arrival.instance_id} (ce_correlationid)")
            return
        saga = self._saga_of(stored)
        expected = awaited_reply(saga, stored.instance, arrival.command_id)
        if expected is not None and not isinstance(arrival.reply, (expected, Failure)):
            batch.dead_letter(wrong_reply(arrival, expected))
            return
        batch.apply(saga, stored, ReplyReceived(batch.at, arrival.command_id, arrival.reply), arrival)

    def _message(self, batch: Session, arrival: EventArrival) -> None:
        """Let a message do what it does, wherever it is wanted."""
        wanted = [target for target in arrival.targets if self._is_wanted(batch, arrival, target)]
        for target in wanted:
            self._event(batch, arrival, target)
        if not wanted:
            batch.rule(arrival, Verdict.UNMATCHED, NOT_BY_THIS_VERSION)

    def _is_wanted(self, batch: Session, arrival: EventArrival, target: Target) -> bool:
        """Say whether the version that an instance keeps knows what this event does; who has none yet may."""
        stored = batch.find(target.address) if target.is_instance else None
        event = arrival.event
        if stored is None or target.route.role is Role.STARTS or isinstance(event, CancelCommand):
            return True
        saga = self._saga_of(stored)
        if target.route.role is Role.CANCELS:
            return saga.cancel_on is type(event)
        return any(receive.event is type(event) for receive in saga.plan.receives)

    def _event(self, batch: Session, arrival: EventArrival, target: Target) -> None:
        """Let a message start, cancel or tell; what comes too early is held."""
        told = [self._let(batch, arrival, id_, target) for id_ in batch.awaiting(target)]
        if not any(told):
            self._too_early(batch, arrival, target)

    def _start(self, batch: Session, arrival: EventArrival, stored: InstanceRecord | None, target: Target) -> None:
        """Start an instance; a child knows the command that it answers."""
        event = arrival.event
        assert isinstance(event, Event | Command), "an event or a command starts"  # noqa: S101  for the type checker
        saga = self._saga_of(stored) if stored else target.route.saga
        command_id = arrival.envelope.id if isinstance(event, Command) else None
        batch.apply(saga, stored, Start(batch.at, event, command_id), arrival)

    def _cancel(self, batch: Session, arrival: EventArrival, stored: InstanceRecord) -> bool:
        event = arrival.event
        why = event.reason if isinstance(event, CancelCommand) else arrival.envelope.type
        batch.apply(self._saga_of(stored), stored, Cancel(batch.at, why), arrival)
        return True

    def _tell(self, batch: Session, arrival: EventArrival, stored: InstanceRecord, target: Target) -> bool:
        """Tell an instance what it may await. False: it does not, yet."""
        event = arrival.event
        assert isinstance(event, Event), "only an event is awaited"  # noqa: S101  for the type checker
        saga, happen = self._saga_of(stored), EventReceived(batch.at, event, target.address, arrival.envelope.id)
        if transition(saga, stored.instance, happen).ignored is Ignored.EARLY:
            return False
        batch.apply(saga, stored, happen, arrival)
        return True

    # --- what comes too early

    def _too_early(self, batch: Session, arrival: EventArrival, target: Target) -> None:
        """Hold an event for whoever will want it. A cancel of a command follows it on its partition: none comes."""
        if isinstance(arrival.event, CancelCommand):
            reason = f"no saga {target.route.saga.name} was started by command {arrival.event.command_id}"
            batch.rule(arrival, Verdict.UNMATCHED, reason)
            return
        receive = target.route.receive
        until = batch.at + (receive.buffer_for if receive else BUFFER_FOR)
        batch.hold(EarlyEvent(target.address, arrival.record, batch.at, until))

    def _try(self, batch: Session, held: EarlyEvent) -> None:
        """Let a held event happen, unless it still comes too early."""
        arrival = read(self._routes, held.record)
        if not isinstance(arrival, EventArrival):
            batch.release(held)
            self.decide(batch, arrival)
            return
        here = [each for each in arrival.targets if each.address == held.address and each.route.role is not Role.STARTS]
        wanted = [each for each in here if self._is_wanted(batch, arrival, each)]
        if not wanted:
            batch.rule(arrival, Verdict.UNMATCHED, NOT_BY_THIS_VERSION)
        told = [self._let(batch, arrival, id_, each) for each in wanted for id_ in batch.awaiting(each)]
        if not wanted or any(told):
            batch.release(held)

    def _saga_of(self, stored: InstanceRecord) -> AnySaga:
        return self._routes.saga_of(stored.instance.saga, stored.instance.version)


def instances_of(arrivals: Sequence[Arrival | Unreadable]) -> set[str]:
    """Return the ids of the instances that records name."""
    ids = {each.instance_id for each in arrivals if isinstance(each, ReplyArrival)}
    return ids | {to.address for to in _targets(arrivals) if to.is_instance}


def addresses_of(arrivals: Sequence[Arrival | Unreadable]) -> set[str]:
    """Return the addresses of events that are awaited elsewhere than at the id of their instance."""
    return {to.address for to in _targets(arrivals) if not to.is_instance}


def _targets(arrivals: Sequence[Arrival | Unreadable]) -> list[Target]:
    return [target for each in arrivals if isinstance(each, EventArrival) for target in each.targets]
