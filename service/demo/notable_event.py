"""What is worth telling of a hop while it happens, in one line: refusals, silence, compensations, copies."""

from dataclasses import dataclass

from pydantic_core import from_json

from saga_coordinator.handlers.records import TransitionRecord
from saga_coordinator.sagas.machine import CANCELLED, TIMED_OUT, Cause, Direction, Ignored, Send, Status, duration_of
from saga_coordinator.service.demo.words import brief, listed, span
from saga_coordinator.service.telemetry.transitions import about, entered, retry_at, turning_cause


@dataclass(frozen=True, slots=True)
class NotableEvent:
    """One line for those who watch, and the status whose colour it has."""

    key: str
    text: str
    status: Status


def notable_event(hop: TransitionRecord) -> NotableEvent | None:
    """Return what is worth telling of a hop, None if it went as it mostly goes."""
    instance = hop.decision.instance
    text = _ignored(hop) if hop.decision.ignored else _compensating(hop) or _compensated(hop) or _sent(hop)
    return NotableEvent(instance.key, text, instance.status) if text else None


def repeated_sends(hop: TransitionRecord) -> list[Send]:
    """Return the commands of a hop that were sent before, under the same id."""
    if hop.before is None:
        return []
    known = hop.before.steps
    return [
        send
        for send in hop.decision.commands
        if send.step in known
        and (command_state := known[send.step].command_state(send.direction)) is not None
        and command_state.command_id == send.command_id
    ]


def _ignored(hop: TransitionRecord) -> str | None:
    match hop.decision.ignored:
        case Ignored.DUPLICATE:
            return f"{brief(hop.entry.message_type)} came twice: it changes nothing"
        case Ignored.PAST_THE_PIVOT:
            return "cancelled too late: the pivot was sent"
        case Ignored.NOT_DUE:
            return None
        case why:
            return f"{brief(hop.entry.message_type)} is ignored: {why}"


def _compensating(hop: TransitionRecord) -> str | None:
    """Say why an instance turns back, or cannot go on."""
    cause = turning_cause(hop)
    if cause is None:
        return None
    if hop.decision.instance.status is Status.STALLED:
        return f"stalled: {cause.code}, {cause.message}"
    undoing = sum(send.direction is Direction.COMPENSATION for send in hop.decision.commands)
    then = f"{undoing} step{'s' if undoing > 1 else ''} to undo" if undoing else "replies awaited first"
    return f"{_why(cause)}: {then}"


def _why(cause: Cause) -> str:
    match cause.code:
        case code if code == CANCELLED:
            return "cancelled by its customer"
        case code if code == TIMED_OUT:
            return f"{cause.step} never answered"
        case code:
            return f"{cause.step or 'the order'} refused, {code}"


def _compensated(hop: TransitionRecord) -> str | None:
    instance = hop.decision.instance
    if entered(hop) is not Status.COMPENSATED:
        return None
    undone = [name for name, run in instance.steps.items() if run.compensation is not None]
    return f"rejected: {listed(undone)} undone" if undone else "rejected before anything was done"


def _sent(hop: TransitionRecord) -> str | None:
    """Say that a step was asked again, will be, or is one that few orders have."""
    again = repeated_sends(hop)
    if again:
        silent = hop.saga.plan.step(again[0].step).step
        limit = duration_of(silent.timeout, hop.decision.instance.data)
        undo = "undo of " if again[0].direction is Direction.COMPENSATION else ""
        return f"{undo}{silent.name} silent for {span(limit)}: sent again, same id"
    concerned = about(hop)
    later = retry_at(hop, concerned) if concerned else None
    if concerned is not None and later is not None:
        code = from_json(hop.entry.value or b"{}").get("code", "not now")
        return f"{concerned.step} put off, {code}: again in {span(later - hop.entry.at)}"
    chosen = [name for name, yes in hop.decision.instance.choices.items() if yes and not _chosen_before(hop, name)]
    if chosen:
        return f"{listed(chosen)}: {listed([send.step for send in hop.decision.commands])} comes first"
    return None


def _chosen_before(hop: TransitionRecord, name: str) -> bool:
    return hop.before is not None and name in hop.before.choices
