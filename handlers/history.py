"""The history's row of a signal and its decision: enough to make the signal again (`replay.py`)."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import json
from pydantic import BaseModel

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
)
from saga_coordinator.sagas.machine.progress import find_command

STORED_KINDS: Final[Mapping[type[Signal], str]] = {
    ReplyReceived: "answer",
    EventReceived: "happen",
    TimerFired: "wake",
    Block: "obstruct",
    RetryStep: "retry",
    SkipStep: "skip",
}
"""The kinds of stored rows whose name is not that of their signal: a history outlives the names in the code."""

STORED_REASON: Final = "why"
"""The name under which the reason of an operator action is stored, for the same reason."""

_encode = json.Encoder().encode

VERDICTS: Mapping[Ignored | None, Verdict] = {
    None: Verdict.APPLIED,
    Ignored.DUPLICATE: Verdict.DUPLICATE,
    Ignored.UNKNOWN: Verdict.UNMATCHED,
    Ignored.CONTRADICTION: Verdict.CONTRADICTORY,
}


def kind_of(signal: type[Signal]) -> str:
    """Return the kind of the rows of a signal."""
    return STORED_KINDS.get(signal) or signal.__name__.lower()


def entry_of(decision: Decision[Any], seq: int, signal: Signal, arrival: Arrival | None, span: SpanContext) -> Entry:
    envelope = arrival.envelope if arrival else None
    causation_id, value = _content(signal, arrival)
    return Entry(
        instance_id=decision.instance.id,
        seq=seq,
        at=signal.at,
        kind=kind_of(type(signal)),
        verdict=VERDICTS.get(decision.ignored, Verdict.IGNORED),
        reason=_reason(decision, signal),
        message_id=envelope.id if envelope else None,
        message_type=envelope.type if envelope else None,
        message_source=envelope.source if envelope else None,
        causation_id=causation_id,
        value=value,
        decided=decision_json(decision),
        place=arrival.record.place if arrival else None,
        trace_id=span.trace_id,
        span_id=span.span_id,
    )


def _reason(decision: Decision[Any], signal: Signal) -> str | None:
    """Return why it changed nothing, what blocks it, or which commands a timer ignored because they had not left."""
    if decision.ignored:
        return f"{decision.ignored}: {decision.reason}"
    if isinstance(signal, TimerFired) and signal.unsent:
        found = [find_command(decision.instance, id_) for id_ in signal.unsent]
        steps = dict.fromkeys(command[0] for command in found if command)
        return f"not left yet: {', '.join(name for name in decision.instance.steps if name in steps)}"
    return signal.cause.message if isinstance(signal, Block) else decision.reason


def _content(signal: Signal, arrival: Arrival | None) -> tuple[str | None, bytes | None]:
    """Return the id of the message that a signal follows from, and its content: enough to make it again."""
    if arrival is not None:
        return arrival.envelope.causation_id, arrival.payload
    if isinstance(signal, Block):
        return signal.command_id, _encode(signal.cause)
    if isinstance(signal, TimerFired):
        return None, _encode({"unsent": signal.unsent}) if signal.unsent else None
    values = {name: _plain(getattr(signal, name)) for name in signal.__struct_fields__ if name != "at"}
    names = {"reason": STORED_REASON}
    return None, _encode({names.get(name, name): value for name, value in values.items() if value is not None})


def action_fields(entry: Entry) -> dict[str, Any]:
    """Return the fields of an operator action, or of parking, by their names in the code."""
    stored: dict[str, Any] = json.decode(entry.value or b"{}")
    return {"reason" if name == STORED_REASON else name: value for name, value in stored.items()}


def decision_json(decision: Decision[Any]) -> str:
    """Return a decision as JSON: the status that follows, the commands sent, the type of the outcome."""
    values: dict[str, object] = {"status": decision.instance.status}
    if decision.commands:
        values["sent"] = [[send.step, send.direction, send.attempt, send.command_id] for send in decision.commands]
    if decision.outcome is not None:
        values["outcome"] = decision.outcome.message_type
    return _encode(values).decode()


def _plain(value: Any) -> object:  # noqa: ANN401  a field of a signal
    """Return a field for JSON. A reply stands there with its type."""
    if isinstance(value, BaseModel):
        return {"type": getattr(value, "message_type", None), "value": value.model_dump(mode="json")}
    return value
