"""Committed transactions as finished spans: built directly, without a tracer, with the ids that the headers carry.

- `process <topic>` CONSUMER for a record that an instance received; `wake <saga>` INTERNAL for a timer, or the name of
  the operator's action. Its id, parent and links are those of the transition's placement. It lasts as long as the
  transaction.
- `send <topic>` PRODUCER for each outbox row: its context is the one in the row's `traceparent`. It lasts from the
  decision to the commit, so that everything that a participant does lies after it.
- `poll <topic>` CLIENT for each topic of a batch: a trace of its own, linked to the spans that its messages were sent
  from. A poll that returned one message has none: the `process` span says the same.
- `saga <name>` INTERNAL when an instance has ended, from its start to its end.

A transition whose trace is not sampled has no span.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from saga_coordinator.handlers import trace_context
from saga_coordinator.handlers.records import Committed, OutboxMessage, Place, TransitionRecord
from saga_coordinator.sagas.machine import CommandState
from saga_coordinator.service.telemetry import conventions as names
from saga_coordinator.service.telemetry import transitions

MAX_LINKS = 128
"""The SDK's own limit on the links of one span."""

MAX_DESCRIPTION = 500

UNSET = Status(StatusCode.UNSET)
OK = Status(StatusCode.OK)

Attributes: TypeAlias = dict[str, str | int | Sequence[str]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SAMPLED, _NOT_SAMPLED = TraceFlags(TraceFlags.SAMPLED), TraceFlags(TraceFlags.DEFAULT)


class Times(NamedTuple):
    """When a transaction began and ended, in nanoseconds since 1970; it never ends before it began."""

    began: int
    ended: int

    def within(self, at: datetime) -> int:
        """Return a time in nanoseconds, moved into the transaction: the clock may have been stepped meanwhile."""
        return min(max(nanoseconds(at), self.began), self.ended)


def times(began: datetime, ended: datetime) -> Times:
    """Return the times of a transaction; a stepped clock does not let it end before it began."""
    first = nanoseconds(began)
    return Times(first, max(first, nanoseconds(ended)))


class SpanMaker:
    """Makes the spans of one service: `resource` says which, `scope` what makes them, `group` who consumes."""

    def __init__(self, resource: Resource, scope: InstrumentationScope, group: str | None = None) -> None:
        self.resource = resource
        self.scope = scope
        self._consumer: Attributes = {names.MESSAGING_SYSTEM: names.KAFKA}
        if group is not None:
            self._consumer[names.CONSUMER_GROUP] = group

    def spans(self, committed: Committed) -> Iterator[ReadableSpan]:
        """Yield the spans of one transaction: its polls first, then each transition's, in their order."""
        sampled = [transition for transition in committed.transitions if transition.placement.span.sampled]
        if not sampled:
            return
        when = times(committed.began, committed.ended)
        yield from self._polls(sampled, when)
        for transition in sampled:
            common = _common(transition)
            here = context(transition.placement.span)
            yield self._processed(transition, here, common, when)
            for row, span in transition.sent:
                yield self._sent(transition, row, context(span), parent=here, common=common, when=when)
            if transitions.entered(transition) is not None and transition.decision.instance.status.is_final:
                yield self._summary(transition, common)

    def _processed(
        self, transition: TransitionRecord, here: SpanContext, common: Attributes, when: Times
    ) -> ReadableSpan:
        """Return the span of a signal: what arrived, which step it is about, and the verdict."""
        entry, record = transition.entry, transition.record
        attributes = dict(common)
        attributes[names.SIGNAL] = entry.kind
        attributes[names.VERDICT] = entry.verdict
        if transition.redriven:
            attributes[names.REDRIVEN] = True
        if entry.reason is not None:
            attributes[names.REASON] = entry.reason
        status, events = _step_status(transition, attributes)
        if record is None:
            name, kind = f"{entry.kind} {transition.saga.name}", SpanKind.INTERNAL
        else:
            name, kind = f"{names.PROCESS} {record.place.topic}", SpanKind.CONSUMER
            self._add_message(transition, record.place, attributes)
        parent, links = _parent_and_links(transition)
        return ReadableSpan(
            name, here, parent, self.resource, attributes, events, links, kind, None, status, *when, self.scope
        )

    def _add_message(self, transition: TransitionRecord, place: Place, attributes: Attributes) -> None:
        topic, partition, offset = place
        attributes |= self._consumer
        attributes[names.OPERATION_NAME] = attributes[names.OPERATION_TYPE] = names.PROCESS
        attributes[names.DESTINATION_NAME] = topic
        attributes[names.PARTITION_ID] = str(partition)
        attributes[names.KAFKA_OFFSET] = offset
        attributes[names.CONVERSATION_ID] = transition.entry.instance_id
        if transition.entry.message_id is not None:
            attributes[names.MESSAGE_ID] = transition.entry.message_id
        if transition.entry.message_type is not None:
            attributes[names.EVENT_TYPE] = transition.entry.message_type

    def _sent(
        self,
        transition: TransitionRecord,
        row: OutboxMessage,
        here: SpanContext,
        *,
        parent: SpanContext,
        common: Attributes,
        when: Times,
    ) -> ReadableSpan:
        """Return the span of a message that was written to the outbox."""
        attributes = dict(common)
        _add_command(transition, row, attributes)
        attributes[names.MESSAGING_SYSTEM] = names.KAFKA
        attributes[names.OPERATION_NAME] = attributes[names.OPERATION_TYPE] = names.SEND
        attributes[names.DESTINATION_NAME] = row.topic
        attributes[names.PARTITION_ID] = str(row.partition)
        attributes[names.MESSAGE_ID] = row.message_id
        attributes[names.CONVERSATION_ID] = transition.entry.instance_id
        decided = when.within(transition.entry.at)
        name = f"{names.SEND} {row.topic}"
        return ReadableSpan(
            name, here, parent, self.resource, attributes, (), (), SpanKind.PRODUCER, None, UNSET, decided, when.ended,
            self.scope,
        )  # fmt: skip

    def _polls(self, sampled: Sequence[TransitionRecord], when: Times) -> Iterator[ReadableSpan]:
        """Yield a span for each topic that returned more than one message."""
        by_topic: defaultdict[str, list[TransitionRecord]] = defaultdict(list)
        for transition in sampled:
            if transition.record is not None and not transition.redriven:
                by_topic[transition.record.place.topic].append(transition)
        for topic, received in by_topic.items():
            if len(received) > 1:
                yield self._poll(topic, received, when.began)

    def _poll(self, topic: str, received: Sequence[TransitionRecord], at: int) -> ReadableSpan:
        """Return the span of a poll, linked to the spans that its messages were sent from."""
        attributes: Attributes = {
            **self._consumer,
            names.OPERATION_NAME: names.POLL,
            names.OPERATION_TYPE: names.RECEIVE,
            names.DESTINATION_NAME: topic,
            names.BATCH_COUNT: len(received),
        }
        first = (names.POLL, received[0].record and received[0].record.place)
        here = trace_context.SpanContext(
            trace_context.derived_trace(*first), trace_context.derived_span(*first), sampled=True
        )
        links = tuple(Link(context(_origin(transition), remote=True)) for transition in received[:MAX_LINKS])
        name = f"{names.POLL} {topic}"
        return ReadableSpan(
            name, context(here), None, self.resource, attributes, (), links, SpanKind.CLIENT, None, UNSET, at, at,
            self.scope,
        )  # fmt: skip

    def _summary(self, transition: TransitionRecord, common: Attributes) -> ReadableSpan:
        """Return the span of an ended instance: below the span of its start, linked to the last one."""
        instance = transition.decision.instance
        undone = [(name, run.compensation) for name, run in instance.steps.items() if run.compensation is not None]
        attributes = dict(common)
        attributes[names.CORRELATION_KEY] = instance.key
        attributes[names.STATUS] = instance.status
        if transition.decision.outcome is not None:
            attributes[names.EVENT_TYPE] = transition.decision.outcome.message_type
        if instance.cause is not None:
            attributes[names.CAUSE_STEP] = instance.cause.step or ""
            attributes[names.CAUSE_CODE] = instance.cause.code
        if undone:
            attributes[names.COMPENSATED_STEPS] = [name for name, _ in undone]
        started = nanoseconds(instance.started_at)
        ended = nanoseconds(instance.ended_at or transition.entry.at)
        return ReadableSpan(
            f"saga {instance.saga}", context(transition.root.child("saga")), context(transition.root), self.resource,
            attributes, tuple(_compensation(name, state) for name, state in undone),
            (Link(context(transition.placement.span)),), SpanKind.INTERNAL, None, OK, started, max(started, ended),
            self.scope,
        )  # fmt: skip


def _common(transition: TransitionRecord) -> Attributes:
    instance = transition.decision.instance
    return {names.SAGA_NAME: instance.saga, names.SAGA_VERSION: instance.version, names.INSTANCE_ID: instance.id}


def _parent_and_links(transition: TransitionRecord) -> tuple[SpanContext | None, list[Link]]:
    """Return parent and links. A context that came with the message is linked, and remote; any other is our own."""
    placement, remote = transition.placement, transition.record is not None
    if placement.parent is None:
        return None, [Link(context(link, remote=remote)) for link in placement.links]
    parent = context(placement.parent, remote=placement.parent in placement.links)
    return parent, [
        Link(parent if link is placement.parent else context(link, remote=remote)) for link in placement.links
    ]


def _origin(transition: TransitionRecord) -> trace_context.SpanContext:
    """Return the span that a message was sent from, or if it had no context, the span that processed it."""
    return transition.placement.links[0] if transition.placement.links else transition.placement.span


def _step_status(transition: TransitionRecord, attributes: Attributes) -> tuple[Status, Sequence[Event]]:
    """Add the step that a transition is about; return what went wrong, and what the instance does about it."""
    about = transitions.about(transition)
    if about is not None:
        attributes[names.STEP] = about.step
        attributes[names.DIRECTION] = about.direction
        attributes[names.ATTEMPT] = about.state.attempt
    cause = transitions.turning_cause(transition)
    if cause is None and (about is None or transitions.is_done(transition, about)):
        return UNSET, ()
    problem = transitions.problem(transition, about)
    if problem is None:
        return UNSET, _events(transition, about)
    attributes[names.ERROR_TYPE] = problem.code
    description = f"{problem.step or transition.saga.name}: {transitions.reason(problem)}"
    return Status(StatusCode.ERROR, description[:MAX_DESCRIPTION]), _events(transition, about)


def _events(transition: TransitionRecord, about: transitions.About | None) -> Sequence[Event]:
    """Return the event of an instance that begins to compensate or stalls, or of a command that will be sent again."""
    at = nanoseconds(transition.entry.at)
    cause = transitions.turning_cause(transition)
    if cause is not None:
        name = names.EVENT_COMPENSATING if cause is transition.decision.instance.cause else names.EVENT_STALLED
        return (Event(name, {names.CAUSE_STEP: cause.step or "", names.CAUSE_CODE: cause.code}, at),)
    retry_at = about and transitions.retry_at(transition, about)
    return (Event(names.EVENT_RETRY, {names.DUE_AT: retry_at.isoformat()}, at),) if retry_at else ()


def _add_command(transition: TransitionRecord, row: OutboxMessage, attributes: Attributes) -> None:
    """Add the step of a command, or the status of an outcome."""
    for send in transition.decision.commands:
        if send.command_id == row.message_id:
            attributes[names.STEP] = send.step
            attributes[names.DIRECTION] = send.direction
            attributes[names.ATTEMPT] = send.attempt
            attributes[names.EVENT_TYPE] = send.command.message_type
            if send.compensates is not None:
                attributes[names.COMPENSATES] = send.compensates
            return
    attributes[names.STATUS] = transition.decision.instance.status
    if transition.decision.outcome is not None:
        attributes[names.EVENT_TYPE] = transition.decision.outcome.message_type


def _compensation(step: str, state: CommandState) -> Event:
    """Return the event of a compensation that was sent."""
    return Event(
        names.EVENT_COMPENSATION, {names.STEP: step, names.ATTEMPT: state.attempt}, nanoseconds(state.asked_at)
    )


def nanoseconds(at: datetime) -> int:
    """Return a time in nanoseconds since 1970, exact to the microsecond."""
    since = at - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


def context(span: trace_context.SpanContext, *, remote: bool = False) -> SpanContext:
    """Return the context of a span. `remote`: it came with a message, from another process."""
    flags = _SAMPLED if span.sampled else _NOT_SAMPLED
    return SpanContext(int(span.trace_id, 16), int(span.span_id, 16), remote, flags)
