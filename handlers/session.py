"""The working set of one transaction: instances as they stand now, and everything that is written with them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from saga_coordinator.contracts import Event, Reply
from saga_coordinator.handlers import trace_context as trails
from saga_coordinator.handlers.dead_letters import dead_letter
from saga_coordinator.handlers.decode import Arrival, Unreadable
from saga_coordinator.handlers.encode import (
    MAX_MESSAGE_BYTES,
    MaxBytesOf,
    Origin,
    PartitionOf,
    command_row,
    outcome_row,
    parent_of,
    size_of,
    too_large,
    withdrawal_row,
)
from saga_coordinator.handlers.history import entry_of
from saga_coordinator.handlers.records import (
    Changes,
    DeadLetter,
    EarlyEvent,
    EventSubscription,
    InstanceRecord,
    OutboxMessage,
    Place,
    QueuedRecord,
    Record,
    RecordVerdict,
    TransitionRecord,
    UnreadableInstance,
    Verdict,
)
from saga_coordinator.handlers.routing import REPLIES, AnySaga, Target, dead_letter_topic
from saga_coordinator.handlers.subscriptions import trace_context_after, waits
from saga_coordinator.handlers.trace_context import Sampler, SpanContext, SpanPlacement, TraceContext
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.machine import (
    Block,
    Decision,
    Instance,
    ReplyReceived,
    Send,
    Signal,
    Start,
    check_serializable,
    outcome_of,
    transition,
)

UNSENDABLE = "unsendable"

Sent = tuple[OutboxMessage, SpanContext]


@dataclass(frozen=True, slots=True)
class Wire:
    """What a batch needs to know of the wire: where keys belong, which new traces are sampled, who consumes.

    `max_bytes_of` says how large a message to a topic may be.
    """

    partition_of: PartitionOf
    sampler: Sampler
    group: str | None = None
    max_bytes_of: MaxBytesOf = lambda _: MAX_MESSAGE_BYTES


class Session:
    """Collects what a transaction decides. Signals to one instance apply one after the other, each a revision.

    In a batch of `redriven` records each begins a new trace.
    """

    def __init__(self, wire: Wire, at: datetime, *, redriven: bool = False) -> None:
        self.at = at
        self.redriven = redriven
        self.hops: list[TransitionRecord] = []
        self.changes = Changes()
        self.unreadable_instances: Mapping[str, UnreadableInstance] = {}
        self._wire = wire
        self._stored: dict[str, InstanceRecord] = {}
        self._loaded: dict[str, InstanceRecord | None] = {}
        self._awaited: dict[str, set[str]] = {}
        self._fresh: set[str] = set()
        self._waits: dict[EventSubscription, bool] = {}
        self._set_aside: set[tuple[str, Place]] = set()

    def add_loaded(
        self, stored: Mapping[str, InstanceRecord], unreadable_instances: Mapping[str, UnreadableInstance]
    ) -> None:
        """Take in what was loaded, and what could not be read."""
        self._stored.update(stored)
        self.unreadable_instances = unreadable_instances

    def add_subscriptions(self, awaited: Iterable[EventSubscription]) -> None:
        """Take in who awaits what at addresses of their own."""
        for each in awaited:
            self._awaited.setdefault(each.address, set()).add(each.instance_id)

    @property
    def subscribed(self) -> set[str]:
        """The instances that await something at addresses of their own."""
        return set().union(*self._awaited.values())

    def awaiting(self, target: Target) -> Sequence[str]:
        """Return the instances that a message may have to be told to."""
        return [target.address] if target.is_instance else sorted(self._awaited.get(target.address, ()))

    def pop_fresh_addresses(self) -> set[str]:
        """Return the addresses at which an event is awaited since this was last asked."""
        fresh, self._fresh = self._fresh, set()
        return fresh

    def find(self, id_: str) -> InstanceRecord | None:
        """Return an instance as it stands after all signals so far."""
        return self._stored.get(id_)

    def apply(
        self, saga: AnySaga, stored: InstanceRecord | None, signal: Signal, arrival: Arrival | None = None
    ) -> InstanceRecord:
        """Let a signal happen to an instance, and return it as it is then.

        Raises what the saga's own functions raise; then nothing has happened.
        """
        decision = transition(saga, stored.instance if stored else None, signal)
        if stored is None or decision.instance.data is not stored.instance.data:
            check_serializable(decision.instance.data)
        seq = stored.revision + 1 if stored else 1
        placement = self._footing(stored, (decision.instance.id, seq), signal, arrival)
        trace = stored.trace if stored else TraceContext(placement.span)
        message = arrival.envelope.id if arrival and not decision.ignored else trace.last_message
        parent, is_parked = (stored.parent, stored.is_parked) if stored else (None, False)
        if stored is None and arrival is not None and saga.is_child:
            parent = parent_of(arrival, self._wire.partition_of)
        home = stored.home if stored else self._wire.partition_of(REPLIES, decision.instance.key.encode())
        origin = Origin(saga, decision.instance, home, self.at, message, parent)
        sent, unsendable = self._rows(origin, decision, placement.span)
        if isinstance(signal, Start) and stored and stored.instance.status.is_final and saga.is_child:
            over = decision.instance
            sent.append(self._outcome(origin, outcome_of(saga.plan, over.status, over.data, over.cause), placement.span))
        trace = trace_context_after(trace, decision, signal, sent, message)
        after = InstanceRecord(decision.instance, seq, home, trace, parent, is_parked)
        hop = TransitionRecord(
            saga,
            stored.instance if stored else None,
            decision,
            entry_of(decision, seq, signal, arrival, placement.span),
            arrival.record if arrival else None,
            placement,
            trace.root,
            tuple(sent),
            self.redriven,
        )
        self._note(stored, after, hop)
        for send, why in unsendable:
            after = self.apply(saga, after, Block(self.at, Cause(send.step, UNSENDABLE, why), send.command_id))
        return after

    def dead_letter(self, unreadable: Unreadable, instance_id: str = "") -> None:
        """Set a record aside, with its cause, and let the partition go on. One too large is kept, not republished.

        The instance for which it failed is parked behind it, if it is there.
        """
        record, stored = unreadable.record, self._stored.get(instance_id)
        if stored is not None:
            self._set_parked(stored, is_parked=True)
        letter = DeadLetter(record, self.at, unreadable.cause, instance_id, parks=stored is not None)
        self.changes.dead_letters.append(letter)
        self._set_aside.add((instance_id, record.place))
        partition = self._wire.partition_of(dead_letter_topic(record.place.topic), record.key or b"")
        home = self._wire.partition_of(REPLIES, record.key or b"")
        row = dead_letter(letter, unreadable.raised, partition=partition, home=home, group=self._wire.group)
        if size_of(row) <= self._wire.max_bytes_of(row.topic):
            self.changes.outbox.append(row)

    def queue(self, id_: str, record: Record) -> None:
        """Let a record wait behind the one that its instance is parked behind; once, whatever it would do to it."""
        if (id_, record.place) not in self._set_aside:
            self._set_aside.add((id_, record.place))
            self.changes.queued.append(QueuedRecord(0, id_, record, self.at))

    def unpark(self, id_: str) -> None:
        """Let an instance take records again."""
        stored = self._stored[id_]
        if stored.is_parked:
            self._set_parked(stored, is_parked=False)

    def is_parked(self, id_: str) -> bool:
        """Say whether an instance is parked."""
        stored = self._stored.get(id_)
        return stored is not None and stored.is_parked

    def rule(self, arrival: Arrival, verdict: Verdict, reason: str) -> None:
        """Note the verdict on a record that reaches no instance."""
        envelope = arrival.envelope
        ruling = RecordVerdict(arrival.record.place, self.at, verdict, reason, envelope.id, envelope.type)
        self.changes.verdicts.append(ruling)

    def hold(self, held: EarlyEvent) -> None:
        """Keep an event that has come before its instance."""
        if not any(
            (each.record.place, each.address) == (held.record.place, held.address) for each in self.changes.held
        ):
            self.changes.held.append(held)

    def release(self, held: EarlyEvent) -> None:
        """Keep an event no longer: its instance has come, or its time is over."""
        if held in self.changes.held:
            self.changes.held.remove(held)
        else:
            self.changes.released.append(held)

    def finish(self) -> Changes:
        """Return everything to write."""
        self.changes.awaited = [each for each, waits in self._waits.items() if waits]
        self.changes.unsubscribed = [each for each, waits in self._waits.items() if not waits]
        self.changes.instances = [(self._stored[id_], loaded) for id_, loaded in self._loaded.items()]
        return self.changes

    def _footing(
        self, stored: InstanceRecord | None, name: tuple[str, int], signal: Signal, arrival: Arrival | None
    ) -> SpanPlacement:
        """Find where the span of a signal stands."""
        incoming = trails.parse(arrival.envelope.traceparent) if arrival else None
        if stored is None:
            start = trails.new_trace_at_start if self.redriven else trails.placement_at_start
            return start(name[0], incoming, self._wire.sampler)
        if arrival is None or self.redriven:
            return trails.new_trace(stored.trace, name, incoming)
        ask = stored.trace.pending.get(signal.command_id) if isinstance(signal, ReplyReceived) else None
        if ask is not None and self.at - ask.at > trails.NEW_TRACE_AFTER:
            return trails.new_trace(stored.trace, name, incoming)
        return trails.placement_at_reply(stored.trace, name, incoming, ask)

    def _rows(
        self, origin: Origin, decision: Decision[Any], span: SpanContext
    ) -> tuple[list[Sent], list[tuple[Send, str]]]:
        """Make the rows that a decision asks for, and name the commands that are too large to be published.

        Raises `ValueError` for an outcome that is too large: an instance cannot end without telling it.
        """
        sent: list[Sent] = []
        unsendable = []
        for send in decision.commands:
            child = span.child(send.command_id)
            row = command_row(origin, send, child, self._wire.partition_of)
            if size_of(row) > (most := self._wire.max_bytes_of(row.topic)):
                unsendable.append((send, too_large(send.command, row, most)))
            else:
                sent.append((row, child))
        for withdrawal in decision.withdrawals:
            child = span.child(withdrawal.id)
            sent.append((withdrawal_row(origin, withdrawal, child, self._wire.partition_of), child))
        if decision.outcome is not None:
            sent.append(self._outcome(origin, decision.outcome, span))
        return sent, unsendable

    def _outcome(self, origin: Origin, outcome: Event | Reply, span: SpanContext) -> Sent:
        child = span.child("outcome")
        row = outcome_row(origin, outcome, child, self._wire.partition_of)
        if size_of(row) > (most := self._wire.max_bytes_of(row.topic)):
            raise ValueError(too_large(type(outcome), row, most))
        return row, child

    def _note(self, stored: InstanceRecord | None, after: InstanceRecord, hop: TransitionRecord) -> None:
        id_ = after.instance.id
        self._loaded.setdefault(id_, stored)
        self._stored[id_] = after
        if stored is None:
            self._fresh.add(id_)
        if hop.saga.plan.receives:
            self._note_waits(stored.instance if stored else None, after.instance)
        self.changes.entries.append(hop.entry)
        self.changes.outbox.extend(row for row, _ in hop.sent)
        self.hops.append(hop)

    def _set_parked(self, stored: InstanceRecord, *, is_parked: bool) -> None:
        """Park an instance, or unpark it. No signal was applied, so its revision stays."""
        self._loaded.setdefault(stored.instance.id, stored)
        self._stored[stored.instance.id] = stored._replace(is_parked=is_parked)

    def _note_waits(self, before: Instance[Any] | None, after: Instance[Any]) -> None:
        """Note which addresses an instance awaits an event at from now on, and which no longer.

        An address is fresh for each receive that begins to wait there: what was held may be for none but this one.
        """
        waited, waiting = waits(before) if before else {}, waits(after)
        self._fresh |= {address for name, address in waiting.items() if name not in waited}
        was, now = set(waited.values()), set(waiting.values())
        for address in now - was - {after.id}:
            self._awaited.setdefault(address, set()).add(after.id)
            self._waits[EventSubscription(address, after.id)] = True
        for address in was - now - {after.id}:
            self._awaited.get(address, set()).discard(after.id)
            self._waits[EventSubscription(address, after.id)] = False
