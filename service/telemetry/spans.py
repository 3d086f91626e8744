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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from msgspec import Struct
from opentelemetry.trace import SpanKind, Status, StatusCode

from saga_coordinator.handlers import trace_context
from saga_coordinator.handlers.records import Committed, OutboxMessage, TransitionRecord
from saga_coordinator.handlers.trace_context import SpanContext
from saga_coordinator.sagas.machine import CommandState, Send
from saga_coordinator.service.telemetry import conventions as names
from saga_coordinator.service.telemetry import transitions

MAX_LINKS = 128
"""The SDK's own limit on the links of one span."""

MAX_DESCRIPTION = 500
MAX_TEMPLATES = 4_096

UNSET = Status(StatusCode.UNSET)
OK = Status(StatusCode.OK)

Value: TypeAlias = str | int | Sequence[str]
Attributes: TypeAlias = dict[str, Value]
Pairs: TypeAlias = Sequence[tuple[str, Value]]
Key: TypeAlias = tuple[object, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, eq=False)
class SpanTemplate:
    """What many spans have in common, so that it is encoded once: a template is equal to none but itself."""

    name: str
    kind: SpanKind
    attributes: Mapping[str, Value]


class SpanEvent(NamedTuple):
    """Something that happened during a span, at a time in nanoseconds since 1970."""

    name: str
    attributes: Mapping[str, Value]
    at: int


class Span(Struct, frozen=True):
    """A finished span: its template, what it shares with other spans of its transition, and what it alone has.

    `shared` is the same object in all of them, so that it is encoded once. Times are in nanoseconds since 1970. With
    `came_with_message` the linked spans are of other processes; so is the parent, if it is linked too.
    """

    template: SpanTemplate
    shared: Pairs
    own: Pairs
    context: SpanContext
    parent: SpanContext | None
    began: int
    ended: int
    links: Sequence[SpanContext] = ()
    came_with_message: bool = False
    events: Sequence[SpanEvent] = ()
    status: Status = UNSET

    @property
    def attributes(self) -> Mapping[str, Value]:
        """All its attributes."""
        return {**self.template.attributes, **dict(self.shared), **dict(self.own)}

    @property
    def parent_is_remote(self) -> bool:
        return self.came_with_message and self.parent in self.links


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
    """Makes the spans of one service; `group` is the consumer group that they name."""

    def __init__(self, group: str | None = None) -> None:
        self._consumer: Attributes = {names.MESSAGING_SYSTEM: names.KAFKA}
        if group is not None:
            self._consumer[names.CONSUMER_GROUP] = group
        self._templates: dict[Key, SpanTemplate] = {}

    def spans(self, committed: Committed) -> Iterator[Span]:
        """Yield the spans of one transaction: its polls first, then each transition's, in their order."""
        sampled = [transition for transition in committed.transitions if transition.placement.span.sampled]
        if not sampled:
            return
        when, at, decided = times(committed.began, committed.ended), None, 0
        yield from self._polls(sampled, when)
        for transition in sampled:
            if transition.entry.at is not at:  # nearly always that of all
                at = transition.entry.at
                decided = when.within(at)
            instance = transition.decision.instance
            shared = (names.INSTANCE_ID, instance.id), (names.CONVERSATION_ID, instance.id)
            yield self._processed(transition, shared, when)
            for row, span in transition.sent:
                template, own = self._sent(transition, row)
                yield Span(template, shared, own, span, transition.placement.span, decided, when.ended)
            entered = transitions.entered(transition)
            if entered is not None and entered.is_final:
                yield self._summary(transition)

    def _add(self, key: Key, template: SpanTemplate) -> SpanTemplate:
        """Keep a template. All are forgotten when there are too many."""
        if len(self._templates) >= MAX_TEMPLATES:
            self._templates.clear()
        self._templates[key] = template
        return template

    def _processed(self, transition: TransitionRecord, shared: Pairs, when: Times) -> Span:
        """Return the span of a signal: what arrived, which step it is about, and the verdict."""
        entry, record, placement = transition.entry, transition.record, transition.placement
        about = transitions.about(transition)
        key: Key = (
            transition.decision.instance.saga, transition.decision.instance.version, entry.kind, entry.verdict,
            transition.redriven, about and (about.step, about.direction, about.state.attempt),
        )  # fmt: skip
        own: list[tuple[str, Value]] = []
        if record is None:
            shared = shared[:1]
        else:
            topic, partition, offset = record.place
            key += (topic, partition, entry.message_type)
            own.append((names.KAFKA_OFFSET, offset))
            if entry.message_id is not None:
                own.append((names.MESSAGE_ID, entry.message_id))
        if entry.reason is not None:
            own.append((names.REASON, entry.reason))
        template = self._templates.get(key) or self._add(key, self._process_template(transition, about))
        status, events = _step_status(transition, about, own)
        return Span(
            template, shared, own, placement.span, placement.parent, when.began, when.ended, placement.links,
            record is not None, events, status,
        )  # fmt: skip

    def _process_template(self, transition: TransitionRecord, about: transitions.About | None) -> SpanTemplate:
        entry, record, attributes = transition.entry, transition.record, _of_saga(transition)
        attributes[names.SIGNAL] = entry.kind
        attributes[names.VERDICT] = entry.verdict
        if transition.redriven:
            attributes[names.REDRIVEN] = True
        if about is not None:
            attributes[names.STEP] = about.step
            attributes[names.DIRECTION] = about.direction
            attributes[names.ATTEMPT] = about.state.attempt
        if record is None:
            return SpanTemplate(f"{entry.kind} {transition.saga.name}", SpanKind.INTERNAL, attributes)
        attributes |= self._consumer
        attributes[names.OPERATION_NAME] = attributes[names.OPERATION_TYPE] = names.PROCESS
        attributes[names.DESTINATION_NAME] = record.place.topic
        attributes[names.PARTITION_ID] = str(record.place.partition)
        if entry.message_type is not None:
            attributes[names.EVENT_TYPE] = entry.message_type
        return SpanTemplate(f"{names.PROCESS} {record.place.topic}", SpanKind.CONSUMER, attributes)

    def _sent(self, transition: TransitionRecord, row: OutboxMessage) -> tuple[SpanTemplate, Pairs]:
        """Return template and own attributes of the span of a message that was written to the outbox."""
        decision, send = transition.decision, _command(transition, row)
        key: Key = (decision.instance.saga, decision.instance.version, row.topic, row.partition)
        own = [(names.MESSAGE_ID, row.message_id)]
        if send is None:
            key += (decision.instance.status, decision.outcome and decision.outcome.message_type)
        else:
            key += (send.step, send.direction, send.attempt, send.command.message_type)
            if send.compensates is not None:
                own.append((names.COMPENSATES, send.compensates))
        return self._templates.get(key) or self._add(key, _send_template(transition, row, send)), own

    def _polls(self, sampled: Sequence[TransitionRecord], when: Times) -> Iterator[Span]:
        """Yield a span for each topic that returned more than one message."""
        by_topic: defaultdict[str, list[TransitionRecord]] = defaultdict(list)
        for transition in sampled:
            if transition.record is not None and not transition.redriven:
                by_topic[transition.record.place.topic].append(transition)
        for topic, received in by_topic.items():
            if len(received) > 1:
                yield self._poll(topic, received, when.began)

    def _poll(self, topic: str, received: Sequence[TransitionRecord], at: int) -> Span:
        """Return the span of a poll, linked to the spans that its messages were sent from."""
        first = (names.POLL, received[0].record and received[0].record.place)
        context = SpanContext(trace_context.derived_trace(*first), trace_context.derived_span(*first), sampled=True)
        links = [_origin(transition) for transition in received[:MAX_LINKS]]
        template = self._templates.get((topic,)) or self._add((topic,), self._poll_template(topic))
        own = [(names.BATCH_COUNT, len(received))]
        return Span(template, (), own, context, None, at, at, links, came_with_message=True)

    def _poll_template(self, topic: str) -> SpanTemplate:
        attributes: Attributes = {
            **self._consumer,
            names.OPERATION_NAME: names.POLL,
            names.OPERATION_TYPE: names.RECEIVE,
            names.DESTINATION_NAME: topic,
        }
        return SpanTemplate(f"{names.POLL} {topic}", SpanKind.CLIENT, attributes)

    def _summary(self, transition: TransitionRecord) -> Span:
        """Return the span of an ended instance: below the span of its start, linked to the last one."""
        instance, outcome = transition.decision.instance, transition.decision.outcome
        undone = [(name, run.compensation) for name, run in instance.steps.items() if run.compensation is not None]
        key = (instance.saga, instance.version, instance.status, outcome and outcome.message_type)
        template = self._templates.get(key) or self._add(key, _summary_template(transition))
        own: list[tuple[str, Value]] = [(names.INSTANCE_ID, instance.id), (names.CORRELATION_KEY, instance.key)]
        if instance.cause is not None:
            own += (names.CAUSE_STEP, instance.cause.step or ""), (names.CAUSE_CODE, instance.cause.code)
        if undone:
            own.append((names.COMPENSATED_STEPS, [name for name, _ in undone]))
        began, ended = nanoseconds(instance.started_at), nanoseconds(instance.ended_at or transition.entry.at)
        return Span(
            template, (), own, transition.root.child("saga"), transition.root, began, max(began, ended),
            links=(transition.placement.span,), events=[_compensation(*each) for each in undone], status=OK,
        )  # fmt: skip


def _of_saga(transition: TransitionRecord) -> Attributes:
    instance = transition.decision.instance
    return {names.SAGA_NAME: instance.saga, names.SAGA_VERSION: instance.version}


def _send_template(transition: TransitionRecord, row: OutboxMessage, send: Send | None) -> SpanTemplate:
    """Return the template of a command, which has its step, or of an outcome, which has its status."""
    attributes, outcome = _of_saga(transition), transition.decision.outcome
    if send is not None:
        attributes[names.STEP] = send.step
        attributes[names.DIRECTION] = send.direction
        attributes[names.ATTEMPT] = send.attempt
        attributes[names.EVENT_TYPE] = send.command.message_type
    else:
        attributes[names.STATUS] = transition.decision.instance.status
        if outcome is not None:
            attributes[names.EVENT_TYPE] = outcome.message_type
    attributes[names.MESSAGING_SYSTEM] = names.KAFKA
    attributes[names.OPERATION_NAME] = attributes[names.OPERATION_TYPE] = names.SEND
    attributes[names.DESTINATION_NAME] = row.topic
    attributes[names.PARTITION_ID] = str(row.partition)
    return SpanTemplate(f"{names.SEND} {row.topic}", SpanKind.PRODUCER, attributes)


def _summary_template(transition: TransitionRecord) -> SpanTemplate:
    instance, outcome, attributes = transition.decision.instance, transition.decision.outcome, _of_saga(transition)
    attributes[names.STATUS] = instance.status
    if outcome is not None:
        attributes[names.EVENT_TYPE] = outcome.message_type
    return SpanTemplate(f"saga {instance.saga}", SpanKind.INTERNAL, attributes)


def _command(transition: TransitionRecord, row: OutboxMessage) -> Send | None:
    """Return the command that a message carries, or None if it is an outcome."""
    for send in transition.decision.commands:
        if send.command_id == row.message_id:
            return send
    return None


def _origin(transition: TransitionRecord) -> SpanContext:
    """Return the span that a message was sent from, or if it had no context, the span that processed it."""
    return transition.placement.links[0] if transition.placement.links else transition.placement.span


def _step_status(
    transition: TransitionRecord, about: transitions.About | None, own: list[tuple[str, Value]]
) -> tuple[Status, Sequence[SpanEvent]]:
    """Return what went wrong with the step that a transition is about, and what the instance does about it."""
    cause = transitions.turning_cause(transition)
    if cause is None and (about is None or transitions.is_done(transition, about)):
        return UNSET, ()
    problem = transitions.problem(transition, about)
    if problem is None:
        return UNSET, _events(transition, about)
    own.append((names.ERROR_TYPE, problem.code))
    description = f"{problem.step or transition.saga.name}: {transitions.reason(problem)}"
    return Status(StatusCode.ERROR, description[:MAX_DESCRIPTION]), _events(transition, about)


def _events(transition: TransitionRecord, about: transitions.About | None) -> Sequence[SpanEvent]:
    """Return the event of an instance that begins to compensate or stalls, or of a command that will be sent again."""
    at = nanoseconds(transition.entry.at)
    cause = transitions.turning_cause(transition)
    if cause is not None:
        name = names.EVENT_COMPENSATING if cause is transition.decision.instance.cause else names.EVENT_STALLED
        return (SpanEvent(name, {names.CAUSE_STEP: cause.step or "", names.CAUSE_CODE: cause.code}, at),)
    retry_at = about and transitions.retry_at(transition, about)
    return (SpanEvent(names.EVENT_RETRY, {names.DUE_AT: retry_at.isoformat()}, at),) if retry_at else ()


def _compensation(step: str, state: CommandState) -> SpanEvent:
    """Return the event of a compensation that was sent."""
    return SpanEvent(
        names.EVENT_COMPENSATION, {names.STEP: step, names.ATTEMPT: state.attempt}, nanoseconds(state.asked_at)
    )


def nanoseconds(at: datetime) -> int:
    """Return a time in nanoseconds since 1970, exact to the microsecond."""
    since = at - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
