"""The notable transitions of a demo, one line each: refusals, repeated sends, compensations, copies."""

from typing import NamedTuple

from pydantic_core import from_json

from saga_coordinator.handlers.records import TransitionRecord
from saga_coordinator.sagas import CANCELLED, TIMED_OUT, Cause
from saga_coordinator.sagas.language.nodes import duration_of
from saga_coordinator.sagas.language.wording import format_count, format_duration
from saga_coordinator.sagas.machine import Direction, Ignored, Send, Status
from saga_coordinator.service.demo.story import brief
from saga_coordinator.service.telemetry.transitions import about, entered, retry_at, turning_cause
from saga_coordinator.service.views.text import format_list


class NotableEvent(NamedTuple):
    """One line about an instance, and the status whose colour it has."""

    key: str
    text: str
    status: Status


def notable_event(transition: TransitionRecord) -> NotableEvent | None:
    """Return what is notable about a transition, None if it is an ordinary one."""
    instance = transition.decision.instance
    text = (
        _ignored(transition)
        if transition.decision.ignored
        else _compensating(transition) or _compensated(transition) or _sent(transition)
    )
    return NotableEvent(instance.key, text, instance.status) if text else None


def repeated_sends(transition: TransitionRecord) -> list[Send]:
    """Return the commands of a transition that were sent before, under the same id."""
    before = transition.before
    states = [(run.forward, run.compensation) for run in before.steps.values()] if before else []
    known = {state.command_id for run in states for state in run if state is not None}
    return [send for send in transition.decision.commands if send.command_id in known]


def _ignored(transition: TransitionRecord) -> str | None:
    message = brief(transition.entry.message_type)
    match transition.decision.ignored:
        case Ignored.DUPLICATE:
            return f"{message} came twice: it changes nothing"
        case Ignored.PAST_THE_PIVOT:
            return "cancelled too late: the pivot was sent"
        case Ignored.NOT_DUE:
            return None
        case reason:
            return f"{message} is ignored: {reason}"


def _compensating(transition: TransitionRecord) -> str | None:
    cause, decision = turning_cause(transition), transition.decision
    if cause is None:
        return None
    if decision.instance.status is Status.STALLED:
        return f"stalled: {cause.code}, {cause.message}"
    steps = sum(send.direction is Direction.COMPENSATION for send in decision.commands)
    then = f"{format_count(steps, 'step')} to compensate" if steps else "replies awaited first"
    return f"{_why(cause)}: {then}"


def _why(cause: Cause) -> str:
    if cause.code == CANCELLED:
        return "cancelled by its customer"
    if cause.code == TIMED_OUT:
        return f"{cause.step} never answered"
    return f"{cause.step or 'the order'} refused, {cause.code}"


def _compensated(transition: TransitionRecord) -> str | None:
    if entered(transition) is not Status.COMPENSATED:
        return None
    steps = transition.decision.instance.steps
    compensated = [name for name, run in steps.items() if run.compensation is not None]
    return f"rejected: {format_list(compensated)} compensated" if compensated else "rejected before anything was done"


def _sent(transition: TransitionRecord) -> str | None:
    """Return that a step was sent again, will be, or is one that few orders have."""
    decision, entry, before = transition.decision, transition.entry, transition.before
    if again := repeated_sends(transition):
        step = transition.saga.plan.step(again[0].step).step
        silent = format_duration(duration_of(step.timeout, decision.instance.data))
        undo = "compensation of " if again[0].direction is Direction.COMPENSATION else ""
        return f"{undo}{step.name} silent for {silent}: sent again, same id"
    concerned = about(transition)
    if concerned is not None and (later := retry_at(transition, concerned)) is not None:
        code = from_json(entry.value or b"{}").get("code", "not now")
        return f"{concerned.step} postponed, {code}: again in {format_duration(later - entry.at)}"
    known = before.choices if before else {}
    chosen = [name for name, yes in decision.instance.choices.items() if yes and name not in known]
    return (
        f"{format_list(chosen)}: {format_list([send.step for send in decision.commands])} comes first"
        if chosen
        else None
    )
