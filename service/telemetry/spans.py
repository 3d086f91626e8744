"""What was committed, as finished spans: built directly, without a tracer, under the ids that the headers carry.

- `process <topic>` CONSUMER for a record that an instance took; `wake <saga>` INTERNAL, or the name of the wish, when
  it was no record. Its id, parent and links are those of the hop's footing. It lasts as long as the transaction.
- `send <topic>` PRODUCER for each row that was written: its context is the one in the row's `traceparent`. It lasts
  from the decision to the commit, so that whatever a participant does lies after it.
- `poll <topic>` CLIENT for each topic of a batch: a trace of its own, linked to what its messages were sent from, at
  the moment when the batch was handed over. A poll that has brought one message tells nothing that its `process` span
  does not, and has none.
- `saga <name>` INTERNAL when an instance is over, from its start to its end (`summary.py`).

Nothing is made of a hop whose trace is not sampled.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from saga_coordinator.handlers import trace_context as trail
from saga_coordinator.handlers.records import Committed, OutboxMessage, TransitionRecord
from saga_coordinator.service.telemetry import conventions as names
from saga_coordinator.service.telemetry import transitions as hops
from saga_coordinator.service.telemetry.conversion import Times, context, nanoseconds, times
from saga_coordinator.service.telemetry.summary import Attributes, summary

MAX_LINKS = 128
"""The SDK's own limit on the links of one span."""

MAX_DESCRIPTION = 500

UNSET = Status(StatusCode.UNSET)


class SpanMaker:
    """Makes the spans of one service: `resource` says which, `scope` what makes them, `group` who consumes."""

    def __init__(self, resource: Resource, scope: InstrumentationScope, group: str | None = None) -> None:
        self.resource = resource
        self.scope = scope
        self._consumer: Attributes = {names.MESSAGING_SYSTEM: names.KAFKA}
        if group is not None:
            self._consumer[names.CONSUMER_GROUP] = group

    def spans(self, turn: Committed) -> Iterator[ReadableSpan]:
        """Yield the spans of one transaction: its polls first, then each hop's, in their order."""
        sampled = [hop for hop in turn.hops if hop.placement.span.sampled]
        if not sampled:
            return
        when = times(turn.began, turn.ended)
        yield from self._polls(sampled, when)
        for hop in sampled:
            told = _instance(hop)
            here = context(hop.placement.span)
            yield self._processed(hop, here, told, when)
            for row, span in hop.sent:
                yield self._sent(hop, (row, context(span)), (here, told), when)
            if hops.entered(hop) is not None and hop.decision.instance.status.is_final:
                yield summary(hop, told, self.resource, self.scope)

    def _processed(self, hop: TransitionRecord, here: SpanContext, told: Attributes, when: Times) -> ReadableSpan:
        """Make the span of a signal: what came, what it was about, and what was made of it."""
        entry, record = hop.entry, hop.record
        attributes = dict(told)
        attributes[names.SIGNAL] = entry.kind
        attributes[names.VERDICT] = entry.verdict
        if hop.redriven:
            attributes[names.REDRIVEN] = True
        if entry.reason is not None:
            attributes[names.REASON] = entry.reason
        status, events = _step_status(hop, attributes)
        if record is None:
            name, kind = f"{entry.kind} {hop.saga.name}", SpanKind.INTERNAL
        else:
            name, kind = f"{names.PROCESS} {record.place.topic}", SpanKind.CONSUMER
            self._message(hop, attributes)
        parent, links = _parent_and_links(hop)
        return ReadableSpan(
            name, here, parent, self.resource, attributes, events, links, kind, None, status, *when, self.scope
        )

    def _message(self, hop: TransitionRecord, attributes: Attributes) -> None:
        """Say which message was processed."""
        assert hop.record is not None, "asked for a record's message"  # noqa: S101  for the type checker
        topic, partition, offset = hop.record.place
        attributes |= self._consumer
        attributes[names.OPERATION_NAME] = attributes[names.OPERATION_TYPE] = names.PROCESS
        attributes[names.DESTINATION_NAME] = topic
        attributes[names.PARTITION_ID] = str(partition)
        attributes[names.KAFKA_OFFSET] = offset
        attributes[names.CONVERSATION_ID] = hop.entry.instance_id
        if hop.entry.message_id is not None:
            attributes[names.MESSAGE_ID] = hop.entry.message_id
        if hop.entry.message_type is not None:
            attributes[names.EVENT_TYPE] = hop.entry.message_type

    def _sent(
        self,
        hop: TransitionRecord,
        sent: tuple[OutboxMessage, SpanContext],
        under: tuple[SpanContext, Attributes],
        when: Times,
    ) -> ReadableSpan:
        """Make the span of a message that was written to be published."""
        (row, here), (parent, told) = sent, under
        attributes = dict(told)
        _commanded(hop, row, attributes)
        attributes[names.MESSAGING_SYSTEM] = names.KAFKA
        attributes[names.OPERATION_NAME] = attributes[names.OPERATION_TYPE] = names.SEND
        attributes[names.DESTINATION_NAME] = row.topic
        attributes[names.PARTITION_ID] = str(row.partition)
        attributes[names.MESSAGE_ID] = row.message_id
        attributes[names.CONVERSATION_ID] = hop.entry.instance_id
        decided = when.within(hop.entry.at)
        name = f"{names.SEND} {row.topic}"
        return ReadableSpan(
            name, here, parent, self.resource, attributes, (), (), SpanKind.PRODUCER, None, UNSET, decided, when.ended,
            self.scope,
        )  # fmt: skip

    def _polls(self, sampled: Sequence[TransitionRecord], when: Times) -> Iterator[ReadableSpan]:
        """Yield a span for each topic that has brought more than one message."""
        brought: defaultdict[str, list[TransitionRecord]] = defaultdict(list)
        for hop in sampled:
            if hop.record is not None and not hop.redriven:
                brought[hop.record.place.topic].append(hop)
        for topic, taken in brought.items():
            if len(taken) > 1:
                yield self._poll(topic, taken, when.began)

    def _poll(self, topic: str, taken: Sequence[TransitionRecord], at: int) -> ReadableSpan:
        """Make the span of a poll, linked to the spans that its messages were sent from."""
        attributes: Attributes = {
            **self._consumer,
            names.OPERATION_NAME: names.POLL,
            names.OPERATION_TYPE: names.RECEIVE,
            names.DESTINATION_NAME: topic,
            names.BATCH_COUNT: len(taken),
        }
        first = (names.POLL, taken[0].record and taken[0].record.place)
        here = trail.SpanContext(trail.derived_trace(*first), trail.derived_span(*first), sampled=True)
        links = tuple(Link(context(_origin(hop), remote=True)) for hop in taken[:MAX_LINKS])
        name = f"{names.POLL} {topic}"
        return ReadableSpan(
            name, context(here), None, self.resource, attributes, (), links, SpanKind.CLIENT, None, UNSET, at, at,
            self.scope,
        )  # fmt: skip


def _instance(hop: TransitionRecord) -> Attributes:
    """Return what every span of an instance carries."""
    instance = hop.decision.instance
    return {names.SAGA_NAME: instance.saga, names.SAGA_VERSION: instance.version, names.INSTANCE_ID: instance.id}


def _parent_and_links(hop: TransitionRecord) -> tuple[SpanContext | None, list[Link]]:
    """Return parent and links. What has come with the message is linked, and remote; any other parent is our own."""
    placement, remote = hop.placement, hop.record is not None
    if placement.parent is None:
        return None, [Link(context(link, remote=remote)) for link in placement.links]
    parent = context(placement.parent, remote=placement.parent in placement.links)
    return parent, [
        Link(parent if link is placement.parent else context(link, remote=remote)) for link in placement.links
    ]


def _origin(hop: TransitionRecord) -> trail.SpanContext:
    """Return the span that a message was sent from; one that came without a context is known by what took it."""
    return hop.placement.links[0] if hop.placement.links else hop.placement.span


def _step_status(hop: TransitionRecord, attributes: Attributes) -> tuple[Status, Sequence[Event]]:
    """Say which step a hop is about, and what went wrong: code and description, and what the instance does then."""
    about = hops.about(hop)
    if about is not None:
        attributes[names.STEP] = about.step
        attributes[names.DIRECTION] = about.direction
        attributes[names.ATTEMPT] = about.command_state.attempt
    cause = hops.turning_cause(hop)
    if cause is None and (about is None or hops.is_done(hop, about)):
        return UNSET, ()
    problem = hops.problem(hop, about)
    if problem is None:
        return UNSET, _events(hop, about)
    attributes[names.ERROR_TYPE] = problem.code
    said = f"{problem.step or hop.saga.name}: {problem.message}"
    return Status(StatusCode.ERROR, said[:MAX_DESCRIPTION]), _events(hop, about)


def _events(hop: TransitionRecord, about: hops.About | None) -> Sequence[Event]:
    """Tell that an instance turned back or stalled, or that a step will be asked again."""
    at = nanoseconds(hop.entry.at)
    cause = hops.turning_cause(hop)
    if cause is not None:
        name = names.EVENT_COMPENSATING if cause is hop.decision.instance.cause else names.EVENT_STALLED
        return (Event(name, {names.CAUSE_STEP: cause.step or "", names.CAUSE_CODE: cause.code}, at),)
    retry_at = about and hops.retry_at(hop, about)
    return (Event(names.EVENT_RETRY, {names.DUE_AT: retry_at.isoformat()}, at),) if retry_at else ()


def _commanded(hop: TransitionRecord, row: OutboxMessage, attributes: Attributes) -> None:
    """Say which step a command is of, or with which status an outcome tells."""
    for send in hop.decision.commands:
        if send.command_id == row.message_id:
            attributes[names.STEP] = send.step
            attributes[names.DIRECTION] = send.direction
            attributes[names.ATTEMPT] = send.attempt
            attributes[names.EVENT_TYPE] = send.command.message_type
            if send.compensates is not None:
                attributes[names.COMPENSATES] = send.compensates
            return
    attributes[names.STATUS] = hop.decision.instance.status
    if hop.decision.outcome is not None:
        attributes[names.EVENT_TYPE] = hop.decision.outcome.message_type
