"""The one span that tells a whole instance: from its start to its end, with its outcome and what it has undone."""

from collections.abc import Sequence
from typing import TypeAlias

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from saga_coordinator.handlers.records import TransitionRecord
from saga_coordinator.sagas.machine import CommandState
from saga_coordinator.service.telemetry import conventions as names
from saga_coordinator.service.telemetry.conversion import context, nanoseconds

Attributes: TypeAlias = dict[str, str | int | Sequence[str]]

OK = Status(StatusCode.OK)


def summary(hop: TransitionRecord, told: Attributes, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    """Make the span of an instance that is over with this hop: beneath the span of its start, linked to the last."""
    instance = hop.decision.instance
    undone = [(name, run.compensation) for name, run in instance.steps.items() if run.compensation is not None]
    attributes = dict(told)
    attributes[names.CORRELATION_KEY] = instance.key
    attributes[names.STATUS] = instance.status
    if hop.decision.outcome is not None:
        attributes[names.EVENT_TYPE] = hop.decision.outcome.message_type
    if instance.cause is not None:
        attributes[names.CAUSE_STEP] = instance.cause.step or ""
        attributes[names.CAUSE_CODE] = instance.cause.code
    if undone:
        attributes[names.COMPENSATED_STEPS] = [name for name, _ in undone]
    started = nanoseconds(instance.started_at)
    ended = nanoseconds(instance.ended_at or hop.entry.at)
    return ReadableSpan(
        f"saga {instance.saga}", context(hop.root.child("saga")), context(hop.root), resource, attributes,
        tuple(_compensation(name, state) for name, state in undone), (Link(context(hop.placement.span)),),
        SpanKind.INTERNAL, None, OK, started, max(started, ended), scope,
    )  # fmt: skip


def _compensation(step: str, command_state: CommandState) -> Event:
    """Tell when a step's compensation was last asked for."""
    return Event(
        names.EVENT_COMPENSATION,
        {names.STEP: step, names.ATTEMPT: command_state.attempt},
        nanoseconds(command_state.asked_at),
    )
