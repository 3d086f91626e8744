"""What a hop means to those who watch: the step that it is about, the status that it enters, the trouble that it is."""

from datetime import datetime
from typing import NamedTuple

from saga_coordinator.handlers.records import TransitionRecord, Verdict
from saga_coordinator.sagas.machine import CANCELLED, Cause, CommandState, Direction, Progress, Status

ANSWER, WAKE = "answer", "wake"
"""The kinds of hops that are told apart; the others are named for an operator's wish."""


class About(NamedTuple):
    """One direction of a step, as it was when a signal came to it."""

    step: str
    direction: Direction
    command_state: CommandState


def about(hop: TransitionRecord) -> About | None:
    """Return the step that was answered, or the only one whose time has come."""
    if hop.before is None:
        return None
    if hop.entry.kind == ANSWER:
        return _answered(hop)
    if hop.entry.kind == WAKE:
        due = _due(hop)
        return due[0] if len(due) == 1 else None
    return None


def entered(hop: TransitionRecord) -> Status | None:
    """Return the status that an instance has entered with this hop, None if it has kept the one it had."""
    status = hop.decision.instance.status
    return None if hop.before is not None and hop.before.status is status else status


def turning_cause(hop: TransitionRecord) -> Cause | None:
    """Return why an instance has turned back or stalled with this hop, None if it has done neither."""
    before, after = hop.before, hop.decision.instance
    if before is None or before is after:
        return None
    if after.stall is not None and after.stall is not before.stall:
        return after.stall
    return after.cause if after.cause is not before.cause else None


def problem(hop: TransitionRecord, concerned: About | None) -> Cause | None:
    """Return what went wrong with this hop: a step refused or given up, an instance stalled.

    That somebody has cancelled it is no trouble, nor is a failure after which the step is asked again.
    """
    cause = turning_cause(hop)
    if cause is not None:
        return None if cause.code == CANCELLED else cause
    if concerned is None or hop.entry.verdict is not Verdict.APPLIED:
        return None
    if _progress(hop, concerned) is Progress.REFUSED:
        return Cause(concerned.step, Progress.REFUSED, f"{concerned.step} was refused by its participant")
    return None


def is_done(hop: TransitionRecord, concerned: About) -> bool:
    """Say whether a leg is done after the hop."""
    return _progress(hop, concerned) is Progress.DONE


def retry_at(hop: TransitionRecord, concerned: About) -> datetime | None:
    """Return when a step that was answered "not done" with this hop will be asked again, None if it will not."""
    command_state = _leg_now(hop, concerned)
    waits = (
        command_state is not None
        and command_state.progress is Progress.WAITING
        and hop.entry.verdict is Verdict.APPLIED
    )
    return command_state.due_at if command_state is not None and waits and hop.entry.kind == ANSWER else None


def _leg_now(hop: TransitionRecord, concerned: About) -> CommandState | None:
    """Return the leg that a hop is about, as it is after the hop."""
    run = hop.decision.instance.steps.get(concerned.step)
    return None if run is None else run.command_state(concerned.direction)


def _progress(hop: TransitionRecord, concerned: About) -> Progress | None:
    command_state = _leg_now(hop, concerned)
    return None if command_state is None else command_state.progress


def _answered(hop: TransitionRecord) -> About | None:
    """Find the command that was answered, by its id."""
    answered = hop.entry.causation_id
    if hop.before is not None:
        for name, run in hop.before.steps.items():
            if run.forward.command_id == answered:
                return About(name, Direction.FORWARD, run.forward)
            if run.compensation is not None and run.compensation.command_id == answered:
                return About(name, Direction.COMPENSATION, run.compensation)
    return None


def _due(hop: TransitionRecord) -> list[About]:
    """Return all steps whose time has come."""
    return [
        About(name, direction, command_state)
        for name, run in (hop.before.steps.items() if hop.before else ())
        for direction in Direction
        if (command_state := run.command_state(direction)) is not None
        and command_state.due_at is not None
        and command_state.due_at <= hop.entry.at
    ]
