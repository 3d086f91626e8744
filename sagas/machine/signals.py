"""What each signal says: the first movement of a turn. It records, and sends nothing."""

from datetime import datetime, timedelta
from typing import TypeVar, assert_never

from pydantic import BaseModel

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas.language.cause import CANCELLED, Cause
from saga_coordinator.sagas.language.retry import Retry
from saga_coordinator.sagas.machine import ids as identity
from saga_coordinator.sagas.machine.decision import Ignored
from saga_coordinator.sagas.machine.draft import Draft
from saga_coordinator.sagas.machine.ending import fail
from saga_coordinator.sagas.machine.instance import CommandState, Direction, Progress, Status, StepRun
from saga_coordinator.sagas.machine.interventions import Refusal, apply_action, unstall
from saga_coordinator.sagas.machine.signal import (
    Block,
    Cancel,
    EventReceived,
    Pause,
    ReplyReceived,
    Resolve,
    Resume,
    RetryStep,
    Signal,
    SkipStep,
    Start,
    TimerFired,
)

D = TypeVar("D", bound=BaseModel)

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION
ASKED, WAITING, DONE = Progress.ASKED, Progress.WAITING, Progress.DONE
REFUSED, UNKNOWN = Progress.REFUSED, Progress.UNKNOWN


def apply(draft: Draft[D], signal: Signal) -> Refusal | None:
    """Record what the signal says in the turn, or return why it changes nothing."""
    match signal:
        case Start():
            return Ignored.DUPLICATE, "the instance was started before"
        case ReplyReceived():
            return _apply_reply(draft, signal)
        case EventReceived():
            return _apply_event(draft, signal)
        case TimerFired():
            return _apply_timer(draft, signal)
        case Cancel():
            return _apply_cancel(draft, signal)
        case Block():
            return _apply_block(draft, signal)
        case RetryStep() | SkipStep() | Pause() | Resume() | Resolve():
            return apply_action(draft, signal)
        case _:
            assert_never(signal)


def _apply_timer(draft: Draft[D], wake: TimerFired) -> Refusal | None:
    """Let what is due be acted upon; a command that has not left by the end of its time is given that time anew."""
    due = draft.instance.next_timer_at
    if due is None or due > wake.at:
        return Ignored.NOT_DUE, "nothing is due"
    if wake.unsent:
        draft.extend_timeouts(wake.unsent)
    return None


def _apply_reply(draft: Draft[D], answer: ReplyReceived) -> Refusal | None:
    """Match an answer to the command that it answers, by id."""
    for name, run in draft.steps.items():
        if run.forward.command_id == answer.command_id:
            return _apply_forward_reply(draft, name, run, answer)
        if run.compensation and run.compensation.command_id == answer.command_id:
            return _apply_compensation_reply(draft, name, run.compensation, answer)
    return _unmatched(draft, answer)


def _apply_forward_reply(draft: Draft[D], name: str, run: StepRun, answer: ReplyReceived) -> Refusal | None:
    """Take the answer to a step's command."""
    command_state, reply = run.forward, answer.reply
    if command_state.progress not in {ASKED, UNKNOWN}:
        return Ignored.DUPLICATE, f"{name} was answered before"
    if draft.status.is_final:
        return Ignored.LATE, f"the instance is {draft.status}"
    if run.compensation is not None or draft.is_abandoned(name):
        return _apply_late_reply(draft, name, run, succeeded=not isinstance(reply, Failure))
    if not isinstance(reply, Failure):
        draft.set_progress(name, FORWARD, DONE)
        draft.remember(name, reply)
    elif command_state.progress is ASKED:
        _apply_failure(draft, name, command_state, reply)
    else:
        draft.set_progress(name, FORWARD, REFUSED)
    return None


def _apply_late_reply(draft: Draft[D], name: str, run: StepRun, *, succeeded: bool) -> Refusal | None:
    """Take an answer that comes after its undo was sent: the undo may have overtaken it, so it is due once more."""
    undo = run.compensation
    if not succeeded or undo is None or undo.progress is DONE:
        return Ignored.LATE, f"{name} was given up and settled before this answer came"
    draft.set_progress(name, FORWARD, DONE)
    if undo.progress is ASKED:
        draft.make_due(name, undo)
    return None


def _apply_failure(draft: Draft[D], name: str, command_state: CommandState, failure: Failure) -> None:
    """A definite "not done": ask again later under a new id, or take it for a refusal."""
    due_at = _retry_at(draft, draft.step_plan(name).retry, command_state, failure) if draft.goes_forward(name) else None
    if due_at is not None:
        draft.set_progress(name, FORWARD, WAITING, due_at=due_at)
        return
    goes_forward = draft.goes_forward(name)
    draft.set_progress(name, FORWARD, REFUSED)
    if goes_forward:
        fail(draft, name, Cause(name, failure.code, failure.message))


def _retry_at(draft: Draft[D], retry: Retry, command_state: CommandState, failure: Failure) -> datetime | None:
    """Return when a command that was refused is asked again; None if it is not."""
    if not (failure.retryable and command_state.progress is ASKED and retry.allows(command_state.sendings)):
        return None
    wait = retry.wait(command_state.sendings, identity.chance(command_state.command_id))
    if failure.retry_after is not None:
        wait = max(wait, timedelta(seconds=failure.retry_after))
    return draft.at + wait if retry.allows(command_state.sendings, draft.spent(command_state) + wait) else None


def _apply_compensation_reply(
    draft: Draft[D], name: str, command_state: CommandState, answer: ReplyReceived
) -> Refusal | None:
    """Take the answer to a compensation."""
    if command_state.progress not in {ASKED, UNKNOWN}:
        return Ignored.DUPLICATE, f"the compensation of {name} was answered before"
    if draft.status.is_final:
        return Ignored.LATE, f"the instance is {draft.status}"
    if not isinstance(answer.reply, Failure):
        draft.set_progress(name, COMPENSATION, DONE)
        return None
    failure = answer.reply
    due_at = _retry_at(draft, draft.step_plan(name).step.compensate_retry, command_state, failure)
    if due_at is not None:
        draft.set_progress(name, COMPENSATION, WAITING, due_at=due_at)
    else:
        draft.set_progress(name, COMPENSATION, REFUSED)
        draft.stall(Cause(name, failure.code, f"its compensation failed: {failure.message}"))
    return None


def _apply_event(draft: Draft[D], received: EventReceived) -> Refusal | None:
    """Give an event to the receive that waits for it; say whether one will, or did."""
    for name, wait in draft.waits.items():
        if wait.event_id == received.event_id:
            return Ignored.DUPLICATE, f"{name} has received it before"
    nodes = [node for node in draft.plan.receives if isinstance(received.event, node.event)]
    for node in nodes:
        awaited = draft.waits.get(node.name)
        if awaited and awaited.progress is ASKED and awaited.address == received.address:
            draft.end_wait(node.name, DONE, received.event_id)
            if node.remember is not None:
                draft.data = node.remember(draft.data, received.event)
            return None
    may_come = any(node.name not in draft.waits for node in nodes)
    if may_come and draft.cause is None and not draft.status.is_final:
        return Ignored.EARLY, "the instance does not wait for it yet"
    return Ignored.LATE, f"the instance is {draft.status} and waits for no such event any more"


def _apply_cancel(draft: Draft[D], cancel: Cancel) -> Refusal | None:
    """Draft back, if there is still a way back."""
    if draft.status.is_final:
        return Ignored.LATE, f"the instance is {draft.status}"
    if draft.cause is not None:
        return Ignored.DUPLICATE, f"the instance has turned back before ({draft.cause.code})"
    if draft.pivot_sent:
        return Ignored.PAST_THE_PIVOT, "the pivot was sent: there is no way back"
    if draft.status is Status.STALLED and cancel.who is None:
        return Ignored.OUT_OF_PLACE, "the instance is stalled: an operator decides what becomes of it"
    is_stalled, draft.status = draft.status is Status.STALLED, Status.RUNNING
    fail(draft, None, Cause(None, CANCELLED, f"{cancel.why} ({cancel.who})" if cancel.who else cancel.why))
    if is_stalled:
        draft.status = Status.STALLED
        unstall(draft)
    return None


def _apply_block(draft: Draft[D], block: Block) -> Refusal | None:
    """Stall; a command that was never sent is definitely not done, one that was sent before may have been."""
    if draft.status.is_final:
        return Ignored.LATE, f"the instance is {draft.status}"
    for name, run in list(draft.steps.items()):
        for direction in Direction:
            command_state = run.command_state(direction)
            if command_state and command_state.command_id == block.command_id and command_state.progress is ASKED:
                draft.set_progress(name, direction, UNKNOWN if command_state.repeated else REFUSED)
    draft.stall(block.cause)
    return None


def _unmatched(draft: Draft[D], answer: ReplyReceived) -> Refusal:
    """Say whether an answer belongs to an attempt that was given up, or to nothing at all."""
    for name, run in draft.steps.items():
        for direction in Direction:
            command_state = run.command_state(direction)
            for attempt in range(1, command_state.attempt if command_state else 0):
                if answer.command_id == identity.command_id(draft.instance.id, name, direction, attempt):
                    return Ignored.SUPERSEDED, f"it answers attempt {attempt} of {name} ({direction})"
    return Ignored.UNKNOWN, f"no command {answer.command_id} was sent by instance {draft.instance.id}"
