"""What each signal says: the first movement of a turn. It records, and sends nothing."""

from datetime import datetime, timedelta
from typing import TypeVar, assert_never

from pydantic import BaseModel

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas.language.cause import CANCELLED, Cause
from saga_coordinator.sagas.language.retry import Retry
from saga_coordinator.sagas.machine import ids as identity
from saga_coordinator.sagas.machine.decision import Ignored
from saga_coordinator.sagas.machine.draft import Turn
from saga_coordinator.sagas.machine.ending import fail
from saga_coordinator.sagas.machine.instance import CommandState, Direction, Progress, Status, StepRun
from saga_coordinator.sagas.machine.interventions import Refusal, apply_action, unstall
from saga_coordinator.sagas.machine.signal import (
    Answer,
    Cancel,
    Happen,
    Obstruct,
    Pause,
    Resolve,
    Resume,
    RetryStep,
    Signal,
    SkipStep,
    Start,
    Wake,
)

D = TypeVar("D", bound=BaseModel)

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION
ASKED, WAITING, DONE = Progress.ASKED, Progress.WAITING, Progress.DONE
REFUSED, UNKNOWN = Progress.REFUSED, Progress.UNKNOWN


def take(turn: Turn[D], signal: Signal) -> Refusal | None:
    """Record what the signal says in the turn, or return why it changes nothing."""
    match signal:
        case Start():
            return Ignored.DUPLICATE, "the instance was started before"
        case Answer():
            return _take_answer(turn, signal)
        case Happen():
            return _take_event(turn, signal)
        case Wake():
            return _take_wake(turn, signal)
        case Cancel():
            return _take_cancel(turn, signal)
        case Obstruct():
            return _take_obstruct(turn, signal)
        case RetryStep() | SkipStep() | Pause() | Resume() | Resolve():
            return apply_action(turn, signal)
        case _:
            assert_never(signal)


def _take_wake(turn: Turn[D], wake: Wake) -> Refusal | None:
    """Let what is due be acted upon; a command that has not left by the end of its time is given that time anew."""
    due = turn.instance.wake_at
    if due is None or due > wake.at:
        return Ignored.NOT_DUE, "nothing is due"
    if wake.unsent:
        turn.give_time(wake.unsent)
    return None


def _take_answer(turn: Turn[D], answer: Answer) -> Refusal | None:
    """Match an answer to the command that it answers, by id."""
    for name, run in turn.steps.items():
        if run.forward.command_id == answer.command_id:
            return _take_forward(turn, name, run, answer)
        if run.compensation and run.compensation.command_id == answer.command_id:
            return _take_undone(turn, name, run.compensation, answer)
    return _unmatched(turn, answer)


def _take_forward(turn: Turn[D], name: str, run: StepRun, answer: Answer) -> Refusal | None:
    """Take the answer to a step's command."""
    command_state, reply = run.forward, answer.reply
    if command_state.progress not in {ASKED, UNKNOWN}:
        return Ignored.DUPLICATE, f"{name} was answered before"
    if turn.status.is_final:
        return Ignored.LATE, f"the instance is {turn.status}"
    if run.compensation is not None or turn.is_left(name):
        return _take_late(turn, name, run, succeeded=not isinstance(reply, Failure))
    if not isinstance(reply, Failure):
        turn.put(name, FORWARD, DONE)
        turn.remember(name, reply)
    elif command_state.progress is ASKED:
        _take_failure(turn, name, command_state, reply)
    else:
        turn.put(name, FORWARD, REFUSED)
    return None


def _take_late(turn: Turn[D], name: str, run: StepRun, *, succeeded: bool) -> Refusal | None:
    """Take an answer that comes after its undo was sent: the undo may have overtaken it, so it is due once more."""
    undo = run.compensation
    if not succeeded or undo is None or undo.progress is DONE:
        return Ignored.LATE, f"{name} was given up and settled before this answer came"
    turn.put(name, FORWARD, DONE)
    if undo.progress is ASKED:
        turn.hasten(name, undo)
    return None


def _take_failure(turn: Turn[D], name: str, command_state: CommandState, failure: Failure) -> None:
    """A definite "not done": ask again later under a new id, or take it for a refusal."""
    due_at = _again_at(turn, turn.rule(name).retry, command_state, failure) if turn.goes_forward(name) else None
    if due_at is not None:
        turn.put(name, FORWARD, WAITING, due_at=due_at)
        return
    goes_forward = turn.goes_forward(name)
    turn.put(name, FORWARD, REFUSED)
    if goes_forward:
        fail(turn, name, Cause(name, failure.code, failure.message))


def _again_at(turn: Turn[D], retry: Retry, command_state: CommandState, failure: Failure) -> datetime | None:
    """Return when a command that was refused is asked again; None if it is not."""
    if not (failure.retryable and command_state.progress is ASKED and retry.allows(command_state.sendings)):
        return None
    wait = retry.wait(command_state.sendings, identity.chance(command_state.command_id))
    if failure.retry_after is not None:
        wait = max(wait, timedelta(seconds=failure.retry_after))
    return turn.at + wait if retry.allows(command_state.sendings, turn.spent(command_state) + wait) else None


def _take_undone(turn: Turn[D], name: str, command_state: CommandState, answer: Answer) -> Refusal | None:
    """Take the answer to a compensation."""
    if command_state.progress not in {ASKED, UNKNOWN}:
        return Ignored.DUPLICATE, f"the compensation of {name} was answered before"
    if turn.status.is_final:
        return Ignored.LATE, f"the instance is {turn.status}"
    if not isinstance(answer.reply, Failure):
        turn.put(name, COMPENSATION, DONE)
        return None
    failure = answer.reply
    due_at = _again_at(turn, turn.rule(name).step.compensate_retry, command_state, failure)
    if due_at is not None:
        turn.put(name, COMPENSATION, WAITING, due_at=due_at)
    else:
        turn.put(name, COMPENSATION, REFUSED)
        turn.stall(Cause(name, failure.code, f"its compensation failed: {failure.message}"))
    return None


def _take_event(turn: Turn[D], happen: Happen) -> Refusal | None:
    """Give an event to the receive that waits for it; say whether one will, or did."""
    for name, wait in turn.waits.items():
        if wait.event_id == happen.event_id:
            return Ignored.DUPLICATE, f"{name} has received it before"
    nodes = [node for node in turn.saga.receives if isinstance(happen.event, node.event)]
    for node in nodes:
        awaited = turn.waits.get(node.name)
        if awaited and awaited.progress is ASKED and awaited.address == happen.address:
            turn.settle(node.name, DONE, happen.event_id)
            if node.remember is not None:
                turn.data = node.remember(turn.data, happen.event)
            return None
    may_come = any(node.name not in turn.waits for node in nodes)
    if may_come and turn.cause is None and not turn.status.is_final:
        return Ignored.EARLY, "the instance does not wait for it yet"
    return Ignored.LATE, f"the instance is {turn.status} and waits for no such event any more"


def _take_cancel(turn: Turn[D], cancel: Cancel) -> Refusal | None:
    """Turn back, if there is still a way back."""
    if turn.status.is_final:
        return Ignored.LATE, f"the instance is {turn.status}"
    if turn.cause is not None:
        return Ignored.DUPLICATE, f"the instance has turned back before ({turn.cause.code})"
    if turn.pivot_sent:
        return Ignored.PAST_THE_PIVOT, "the pivot was sent: there is no way back"
    if turn.status is Status.STALLED and cancel.who is None:
        return Ignored.OUT_OF_PLACE, "the instance is stalled: an operator decides what becomes of it"
    is_stalled, turn.status = turn.status is Status.STALLED, Status.RUNNING
    fail(turn, None, Cause(None, CANCELLED, f"{cancel.why} ({cancel.who})" if cancel.who else cancel.why))
    if is_stalled:
        turn.status = Status.STALLED
        unstall(turn)
    return None


def _take_obstruct(turn: Turn[D], obstruct: Obstruct) -> Refusal | None:
    """Stall; a command that was never sent is definitely not done, one that was sent before may have been."""
    if turn.status.is_final:
        return Ignored.LATE, f"the instance is {turn.status}"
    for name, run in list(turn.steps.items()):
        for direction in Direction:
            command_state = run.command_state(direction)
            if command_state and command_state.command_id == obstruct.command_id and command_state.progress is ASKED:
                turn.put(name, direction, UNKNOWN if command_state.repeated else REFUSED)
    turn.stall(obstruct.cause)
    return None


def _unmatched(turn: Turn[D], answer: Answer) -> Refusal:
    """Say whether an answer belongs to an attempt that was given up, or to nothing at all."""
    for name, run in turn.steps.items():
        for direction in Direction:
            command_state = run.command_state(direction)
            for attempt in range(1, command_state.attempt if command_state else 0):
                if answer.command_id == identity.command_id(turn.instance.id, name, direction, attempt):
                    return Ignored.SUPERSEDED, f"it answers attempt {attempt} of {name} ({direction})"
    return Ignored.UNKNOWN, f"no command {answer.command_id} was sent by instance {turn.instance.id}"
