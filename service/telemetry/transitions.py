"""What a transition means to an observer: the step that it is about, the status that it enters, what went wrong."""

from datetime import datetime
from typing import NamedTuple

from saga_coordinator.handlers.dispatch import RAISED
from saga_coordinator.handlers.records import TransitionRecord, Verdict
from saga_coordinator.sagas import CANCELLED, Cause
from saga_coordinator.sagas.machine import CommandState, Direction, Progress, Status
from saga_coordinator.sagas.machine.progress import find_command

ANSWER, WAKE = "answer", "wake"
"""The kinds of signals that are distinguished here; the others are named after an operator's action."""


class About(NamedTuple):
    """One direction of a step, as it was when a signal came to it."""

    step: str
    direction: Direction
    state: CommandState


def about(transition: TransitionRecord) -> About | None:
    """Return the step that was answered, or the only one whose time has come."""
    before, entry = transition.before, transition.entry
    if before is None:
        return None
    if entry.kind == ANSWER:
        found = find_command(before, entry.causation_id)
        return None if found is None else About(*found)
    if entry.kind == WAKE:
        due = [
            About(name, direction, state)
            for name, run in before.steps.items()
            for direction in Direction
            if (state := run.command_state(direction)) and state.due_at is not None and state.due_at <= entry.at
        ]
        return due[0] if len(due) == 1 else None
    return None


def entered(transition: TransitionRecord) -> Status | None:
    """Return the status that an instance enters by this transition, or None."""
    status = transition.decision.instance.status
    return None if transition.before is not None and transition.before.status is status else status


def turning_cause(transition: TransitionRecord) -> Cause | None:
    """Return why an instance begins to compensate or stalls by this transition, or None."""
    before, after = transition.before, transition.decision.instance
    if before is None or before is after:
        return None
    if after.stall is not None and after.stall is not before.stall:
        return after.stall
    return after.cause if after.cause is not before.cause else None


def problem(transition: TransitionRecord, at: About | None) -> Cause | None:
    """Return what went wrong: a step was refused or given up, or the instance stalled.

    A cancellation is no problem, nor is a failure after which the command is sent again.
    """
    cause = turning_cause(transition)
    if cause is not None:
        return None if cause.code == CANCELLED else cause
    if at is None or transition.entry.verdict is not Verdict.APPLIED:
        return None
    if _progress(transition, at) is Progress.REFUSED:
        return Cause(at.step, Progress.REFUSED, f"{at.step} was refused by its participant")
    return None


def reason(cause: Cause) -> str:
    """Return why an instance stalled, without the words of an exception, which may hold secrets."""
    return cause.message.partition(":")[0] if cause.code == RAISED else cause.message


def is_done(transition: TransitionRecord, at: About) -> bool:
    return _progress(transition, at) is Progress.DONE


def retry_at(transition: TransitionRecord, at: About) -> datetime | None:
    """Return when a command that was answered "not done" by this transition is sent again, or None."""
    entry, state = transition.entry, _state_after(transition, at)
    waits = state is not None and state.progress is Progress.WAITING
    return state.due_at if state and waits and entry.verdict is Verdict.APPLIED and entry.kind == ANSWER else None


def _state_after(transition: TransitionRecord, at: About) -> CommandState | None:
    run = transition.decision.instance.steps.get(at.step)
    return None if run is None else run.command_state(at.direction)


def _progress(transition: TransitionRecord, at: About) -> Progress | None:
    state = _state_after(transition, at)
    return None if state is None else state.progress
