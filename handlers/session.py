"""The working set of one transaction: instances as they are after each signal, and the rows written with them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from saga_coordinator.handlers import trace_context
from saga_coordinator.handlers.decode import Arrival
from saga_coordinator.handlers.encode import Encoder, Origin, Sent
from saga_coordinator.handlers.history import entry_of
from saga_coordinator.handlers.records import (
    Changes,
    EventSubscription,
    InstanceRecord,
    Place,
    TransitionRecord,
    UnreadableInstance,
)
from saga_coordinator.handlers.routing import AnySaga, Target
from saga_coordinator.handlers.trace_context import PendingCommand, Sampler, SpanContext, SpanPlacement, TraceContext
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.machine import (
    Block,
    Decision,
    Ignored,
    Instance,
    Progress,
    ReplyReceived,
    Signal,
    Start,
    outcome_of,
    transition,
)

UNSENDABLE = "unsendable"


class Session:
    """Collects what a transaction writes. Signals to one instance apply one after the other, each a revision.

    `at` is the time of all its signals. Each redriven record begins a new trace.
    """

    def __init__(self, encoder: Encoder, sampler: Sampler, at: datetime, *, is_redrive: bool = False) -> None:
        self.encoder = encoder
        self.at = at
        self._time = at.isoformat().replace("+00:00", "Z")
        self.unreadable: Mapping[str, UnreadableInstance] = {}
        self._sampler = sampler
        self._is_redrive = is_redrive
        self._records: dict[str, InstanceRecord] = {}
        self._subscribers: dict[str, set[str]] = {}
        self.discard()

    def discard(self) -> None:
        """Forget all changes: what was decided is not written. Nothing can be decided on top of that."""
        self.changes = Changes()
        self.transitions: list[TransitionRecord] = []
        self._loaded: dict[str, InstanceRecord | None] = {}
        self._subscriptions: dict[EventSubscription, bool] = {}
        self._new_addresses: set[str] = set()
        self.put_aside: set[tuple[str, Place]] = set()

    def add_loaded(self, records: Mapping[str, InstanceRecord], unreadable: Mapping[str, UnreadableInstance]) -> None:
        """Add instances that were loaded, and those that could not be read."""
        self._records.update(records)
        self.unreadable = unreadable

    def add_subscriptions(self, subscriptions: Iterable[EventSubscription]) -> None:
        """Add which instances wait for an event at addresses other than their own id."""
        for each in subscriptions:
            self._subscribers.setdefault(each.address, set()).add(each.instance_id)

    @property
    def subscribed(self) -> set[str]:
        """The instances that wait for an event at addresses other than their own id."""
        return set().union(*self._subscribers.values())

    def receivers(self, target: Target) -> Sequence[str]:
        """Return the ids of the instances that a message to this target may concern."""
        return [target.address] if target.is_instance else sorted(self._subscribers.get(target.address, ()))

    def pop_new_addresses(self) -> set[str]:
        """Return the addresses at which an instance began to wait for an event since the last call."""
        addresses, self._new_addresses = self._new_addresses, set()
        return addresses

    def find(self, id_: str) -> InstanceRecord | None:
        """Return an instance as it is after all signals so far."""
        return self._records.get(id_)

    def is_known(self, id_: str) -> bool:
        """Return whether an instance is there, even if it cannot be read."""
        return id_ in self._records or id_ in self.unreadable

    def apply(
        self, saga: AnySaga, record: InstanceRecord | None, signal: Signal, arrival: Arrival | None = None
    ) -> Decision[Any]:
        """Apply a signal to an instance (None: a start creates it), and return the decision.

        An event that is early is not recorded: the caller buffers it. Raises what the saga's own functions raise; then
        nothing has changed.
        """
        decision = transition(saga, record.instance if record else None, signal)
        if decision.ignored is Ignored.EARLY:
            return decision
        revision = record.revision + 1 if record else 1
        placement = self._place_span(record, (decision.instance.id, revision), signal, arrival)
        before = record or self._new(saga, decision.instance, placement.span, arrival)
        cause = arrival.envelope.id if arrival and not decision.ignored else before.trace.last_message
        origin = Origin(saga, decision.instance, before.home, self._time, cause, before.parent)
        sent, too_large = self.encoder.messages(origin, decision, placement.span)
        if isinstance(signal, Start) and record and record.instance.status.is_final and saga.is_child:
            final = decision.instance
            outcome = outcome_of(saga.plan, final.status, final.data, final.cause)
            sent.append(self.encoder.outcome(origin, outcome, placement.span))
        trace = _trace_after(before.trace, decision, signal, sent, cause)
        after = InstanceRecord(decision.instance, revision, before.home, trace, before.parent)
        self._add(
            record,
            after,
            TransitionRecord(
                saga,
                record.instance if record else None,
                decision,
                entry_of(decision, revision, signal, arrival, placement.span),
                arrival.record if arrival else None,
                placement,
                trace.root,
                tuple(sent),
                self._is_redrive,
            ),
        )
        for send, reason in too_large:
            block = Block(self.at, Cause(send.step, UNSENDABLE, reason), send.command_id)
            self.apply(saga, self._records[after.instance.id], block)
        return decision

    @property
    def writes_all_it_loaded(self) -> bool:
        """Whether each instance that was loaded is written too: the store compares the revision of what it writes."""
        return self._loaded.keys() == self._records.keys()

    def finish(self) -> Changes:
        self.changes.subscribed = [each for each, waits in self._subscriptions.items() if waits]
        self.changes.unsubscribed = [each for each, waits in self._subscriptions.items() if not waits]
        self.changes.instances = [(self._records[id_], loaded) for id_, loaded in self._loaded.items()]
        return self.changes

    def _new(
        self, saga: AnySaga, instance: Instance[Any], span: SpanContext, arrival: Arrival | None
    ) -> InstanceRecord:
        """Return an instance as it is before its first revision."""
        home = self.encoder.partition_of(self.encoder.names.replies, instance.key.encode())
        parent = self.encoder.parent_of(arrival) if arrival is not None and saga.is_child else None
        return InstanceRecord(instance, 0, home, TraceContext(span), parent)

    def _place_span(
        self, record: InstanceRecord | None, name: tuple[str, int], signal: Signal, arrival: Arrival | None
    ) -> SpanPlacement:
        """Return where the span of a signal stands: in the trace of its message, or in a new one."""
        incoming = trace_context.parse(arrival.envelope.traceparent, arrival.envelope.tracestate) if arrival else None
        if record is None:
            return trace_context.at_start(name[0], incoming, self._sampler, in_new_trace=self._is_redrive)
        if arrival is None or self._is_redrive:
            return trace_context.in_new_trace(record.trace, name, incoming)
        pending = record.trace.pending.get(signal.command_id) if isinstance(signal, ReplyReceived) else None
        if pending is not None and self.at - pending.at > trace_context.NEW_TRACE_AFTER:
            return trace_context.in_new_trace(record.trace, name, incoming)
        return trace_context.at_message(record.trace, name, incoming, pending)

    def _add(self, before: InstanceRecord | None, after: InstanceRecord, transition: TransitionRecord) -> None:
        id_ = after.instance.id
        self._loaded.setdefault(id_, before)
        self._records[id_] = after
        if before is None:
            self._new_addresses.add(id_)
        if transition.saga.plan.receives:
            self._update_subscriptions(before.instance if before else None, after.instance)
        self.changes.entries.append(transition.entry)
        self.changes.outbox.extend(row for row, _ in transition.sent)
        self.transitions.append(transition)

    def _update_subscriptions(self, before: Instance[Any] | None, after: Instance[Any]) -> None:
        """Note at which addresses an instance begins to wait for an event, and at which it does so no longer.

        An address is new for each receive that begins to wait there: an early event may be for this one only.
        """
        waited, waits = _addresses(before) if before else {}, _addresses(after)
        self._new_addresses |= {address for name, address in waits.items() if name not in waited}
        was, now = set(waited.values()), set(waits.values())
        for address in now - was - {after.id}:
            self._subscribers.setdefault(address, set()).add(after.id)
            self._subscriptions[EventSubscription(address, after.id)] = True
        for address in was - now - {after.id}:
            self._subscribers.get(address, set()).discard(after.id)
            self._subscriptions[EventSubscription(address, after.id)] = False


def _trace_after(
    before: TraceContext, decision: Decision[Any], signal: Signal, sent: Iterable[Sent], message: str | None
) -> TraceContext:
    """Return the trace context after a signal: which commands are pending, and the last message."""
    if decision.instance.status.is_final:
        return TraceContext(before.root, {}, message)
    pending = dict(before.pending)
    if isinstance(signal, ReplyReceived) and decision.ignored is None:
        pending.pop(signal.command_id, None)
    pending.update((row.message_id, PendingCommand(span, signal.at)) for row, span in sent)
    return TraceContext(before.root, pending, message)


def _addresses(instance: Instance[Any]) -> dict[str, str]:
    """Return the addresses at which an instance waits for events, by the receives that wait there."""
    if instance.status.is_final or instance.cause is not None:
        return {}
    return {
        name: wait.address for name, wait in instance.waits.items() if wait.address and wait.progress is Progress.ASKED
    }
