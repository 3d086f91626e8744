"""What the history says of a signal and of what was decided: enough to make the signal again."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import to_json

from saga_coordinator.handlers.decode import Arrival
from saga_coordinator.handlers.records import Entry, Verdict
from saga_coordinator.handlers.trace_context import SpanContext
from saga_coordinator.sagas.machine import (
    Block,
    Decision,
    EventReceived,
    Ignored,
    ReplyReceived,
    RetryStep,
    Signal,
    SkipStep,
    TimerFired,
    command_states,
)

STORED_KINDS: Final[Mapping[type[Signal], str]] = {
    ReplyReceived: "answer",
    EventReceived: "happen",
    TimerFired: "wake",
    Block: "obstruct",
    RetryStep: "retry",
    SkipStep: "skip",
}
"""The kinds of stored rows whose name is not that of their signal: a history outlives the names in the code."""


VERDICTS: Mapping[Ignored | None, Verdict] = {
    None: Verdict.APPLIED,
    Ignored.DUPLICATE: Verdict.DUPLICATE,
    Ignored.UNKNOWN: Verdict.UNMATCHED,
}


def entry_of(decision: Decision[Any], seq: int, signal: Signal, arrival: Arrival | None, span: SpanContext) -> Entry:
    """Write the history's row of a signal."""
    envelope = arrival.envelope if arrival else None
    causation_id, value = _content(signal, arrival)
    return Entry(
        instance_id=decision.instance.id,
        seq=seq,
        at=signal.at,
        kind=kind_of(signal),
        verdict=VERDICTS.get(decision.ignored, Verdict.IGNORED),
        reason=_reason(decision, signal),
        message_id=envelope.id if envelope else None,
        message_type=envelope.type if envelope else None,
        causation_id=causation_id,
        value=value,
        decided=decided(decision),
        place=arrival.record.place if arrival else None,
        trace_id=span.trace_id,
        span_id=span.span_id,
    )


def _reason(decision: Decision[Any], signal: Signal) -> str | None:
    """Say why it changed nothing, what obstructs, or what was not looked for because it has not left."""
    reason = signal.cause.message if isinstance(signal, Block) else decision.reason
    if decision.ignored:
        return f"{decision.ignored}: {reason}"
    if isinstance(signal, TimerFired) and signal.unsent:
        steps = decision.instance.steps.items()
        waiting = [
            name
            for name, run in steps
            if any(command_state.command_id in signal.unsent for command_state in command_states({name: run}))
        ]
        return f"not left yet: {', '.join(waiting)}"
    return reason


def _content(signal: Signal, arrival: Arrival | None) -> tuple[str | None, bytes | None]:
    """Return the id of the message that a signal follows from, and what it says: enough to make it again."""
    if arrival is not None:
        return arrival.envelope.causation_id, arrival.payload
    if isinstance(signal, Block):
        return signal.command_id, to_json(signal.cause)
    if isinstance(signal, TimerFired):
        return None, to_json({"unsent": signal.unsent}) if signal.unsent else None
    return None, action_content(signal)


def decided(decision: Decision[Any]) -> str:
    """Write what was decided: the status that follows, the commands sent, the type of the outcome."""
    told: dict[str, object] = {"status": decision.instance.status}
    if decision.commands:
        told["sent"] = [[send.step, send.direction, send.attempt, send.command_id] for send in decision.commands]
    if decision.outcome is not None:
        told["outcome"] = decision.outcome.message_type
    return to_json(told).decode()


def kind_of(signal: Signal) -> str:
    """Return the word that the history has for a signal."""
    return STORED_KINDS.get(type(signal)) or type(signal).__name__.lower()


def action_content(signal: Signal) -> bytes:
    """Write a wish, who has it and why: enough to make the signal again. A reply stands there with its type."""
    told = {each.name: _plain(getattr(signal, each.name)) for each in fields(signal) if each.name != "at"}
    return to_json({name: value for name, value in told.items() if value is not None})


def _plain(value: Any) -> object:  # noqa: ANN401  a field of a signal
    if isinstance(value, BaseModel):
        return {"type": getattr(value, "message_type", None), "value": value.model_dump(mode="json")}
    return value
