"""Applies a signal to the draft, as the first part of a transition: it records, and sends nothing."""

from datetime import datetime, timedelta
from typing import assert_never

from saga_coordinator.contracts import Failure, Reply
from saga_coordinator.sagas.language.cause import CANCELLED, Cause
from saga_coordinator.sagas.language.nodes import D
from saga_coordinator.sagas.language.retry import Retry
from saga_coordinator.sagas.machine import ids
from saga_coordinator.sagas.machine.decision import Ignored
from saga_coordinator.sagas.machine.draft import Draft
from saga_coordinator.sagas.machine.ending import fail
from saga_coordinator.sagas.machine.instance import CommandState, Direction, Progress, Status
from saga_coordinator.sagas.machine.interventions import Refusal, apply_action, unstall
from saga_coordinator.sagas.machine.progress import find_command, is_abandoned, pivots_sent
from saga_coordinator.sagas.machine.signal import (
    Block,
    Cancel,
    EventReceived,
    Park,
    Pause,
    ReplyReceived,
    Resolve,
    Resume,
    RetryStep,
    Signal,
    SkipStep,
    Start,
    TimerFired,
    Unpark,
)

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION
ASKED, WAITING, DONE = Progress.ASKED, Progress.WAITING, Progress.DONE
REFUSED, UNKNOWN = Progress.REFUSED, Progress.UNKNOWN


def apply(draft: Draft[D], signal: Signal) -> Refusal | None:
    """Record the signal in the draft, or return why it changes nothing."""
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
        case Block() | Park() | Unpark():
            return _apply_obstacle(draft, signal)
        case RetryStep() | SkipStep() | Pause() | Resume() | Resolve():
            return apply_action(draft, signal)
        case _:
            assert_never(signal)


def _apply_timer(draft: Draft[D], fired: TimerFired) -> Refusal | None:
    """Let what is due be acted upon; the timeout of a command that is still in the outbox is restarted."""
    due = draft.instance.next_timer_at
    if due is None or due > fired.at:
        return Ignored.NOT_DUE, "nothing is due"
    if fired.unsent:
        draft.extend_timeouts(fired.unsent)
    return None


def _apply_reply(draft: Draft[D], received: ReplyReceived) -> Refusal | None:
    found = find_command(draft, received.command_id)
    if found is None:
        return _unmatched(draft, received)
    name, direction, command = found
    what = name if direction is FORWARD else f"the compensation of {name}"
    if command.progress is not ASKED and command.progress is not UNKNOWN:
        return _answered_before(what, received.reply, was_done=command.progress is DONE)
    if draft.status.is_final:
        return Ignored.LATE, f"the instance is {draft.status}"
    if direction is COMPENSATION:
        _apply_compensation_reply(draft, name, command, received.reply)
        return None
    undo = draft.steps[name].compensation
    if undo is not None or is_abandoned(draft.plan, draft, name):
        return _apply_late_reply(draft, name, undo, received.reply)
    _apply_forward_reply(draft, name, command, received.reply)
    return None


def _apply_forward_reply(draft: Draft[D], name: str, command: CommandState, reply: Reply) -> None:
    if not isinstance(reply, Failure):
        draft.set_progress(name, FORWARD, DONE)
        draft.remember(name, reply)
    elif command.progress is ASKED:
        _apply_failure(draft, name, command, reply)
    else:
        draft.set_progress(name, FORWARD, REFUSED)


def _apply_late_reply(draft: Draft[D], name: str, undo: CommandState | None, reply: Reply) -> Refusal | None:
    """Apply a reply that comes after the compensation was sent: that may have been overtaken, so it is due again."""
    if isinstance(reply, Failure) or undo is None or undo.progress is DONE:
        return Ignored.LATE, f"{name} was given up and settled before this answer came"
    draft.set_progress(name, FORWARD, DONE)
    if undo.progress is ASKED:
        draft.make_due(name, undo)
    return None


def _apply_failure(draft: Draft[D], name: str, command: CommandState, failure: Failure) -> None:
    """A definite "not done": send it again later under a new id, or refuse the step."""
    goes_forward = draft.goes_forward(name)
    due_at = _retry_at(draft, draft.plan.step(name).retry, command, failure) if goes_forward else None
    if due_at is not None:
        draft.set_progress(name, FORWARD, WAITING, due_at=due_at)
        return
    draft.set_progress(name, FORWARD, REFUSED)
    if goes_forward:
        fail(draft, name, Cause(name, failure.code, failure.message))


def _retry_at(draft: Draft[D], retry: Retry, command: CommandState, failure: Failure) -> datetime | None:
    """Return when a command that has failed is sent again, or None."""
    if not (failure.retryable and command.progress is ASKED and retry.allows(command.sendings)):
        return None
    wait = retry.wait(command.sendings, ids.chance(command.command_id))
    if failure.retry_after is not None:
        wait = max(wait, timedelta(seconds=failure.retry_after))
    return draft.at + wait if retry.allows(command.sendings, draft.spent(command) + wait) else None


def _apply_compensation_reply(draft: Draft[D], name: str, undo: CommandState, reply: Reply) -> None:
    if not isinstance(reply, Failure):
        draft.set_progress(name, COMPENSATION, DONE)
        return
    due_at = _retry_at(draft, draft.plan.step(name).step.compensate_retry, undo, reply)
    if due_at is not None:
        draft.set_progress(name, COMPENSATION, WAITING, due_at=due_at)
    else:
        draft.set_progress(name, COMPENSATION, REFUSED)
        draft.enter_stalled(Cause(name, reply.code, f"its compensation failed: {reply.message}"))


def _apply_event(draft: Draft[D], received: EventReceived) -> Refusal | None:
    """Give an event to the receive that waits for it, or return whether one will or did."""
    nodes = [node for node in draft.plan.receives if isinstance(received.event, node.event)]
    for node in nodes:
        wait = draft.waits.get(node.name)
        if wait and wait.has_received(received.event_id, received.source):
            return Ignored.DUPLICATE, f"{node.name} has received it before"
    for node in nodes:
        awaited = draft.waits.get(node.name)
        if awaited and awaited.progress is ASKED and awaited.address == received.address:
            draft.end_wait(node.name, DONE, received)
            draft.remember_event(node, received.event)
            return None
    may_come = any(node.name not in draft.waits for node in nodes)
    if may_come and draft.cause is None and not draft.status.is_final:
        return Ignored.EARLY, "the instance does not wait for it yet"
    return Ignored.LATE, f"the instance is {draft.status} and waits for no such event any more"


def _apply_cancel(draft: Draft[D], cancel: Cancel) -> Refusal | None:
    if draft.status.is_final:
        return Ignored.LATE, f"the instance is {draft.status}"
    if draft.cause is not None:
        return Ignored.DUPLICATE, f"the instance is compensating already ({draft.cause.code})"
    if pivots_sent(draft.plan, draft):
        return Ignored.PAST_THE_PIVOT, "the pivot was sent: there is no way back"
    if draft.status is Status.STALLED and cancel.who is None:
        return Ignored.OUT_OF_PLACE, "the instance is stalled: an operator decides what becomes of it"
    is_stalled, draft.status = draft.status is Status.STALLED, Status.RUNNING
    fail(draft, None, Cause(None, CANCELLED, f"{cancel.reason} ({cancel.who})" if cancel.who else cancel.reason))
    if is_stalled:
        draft.status = Status.STALLED
        unstall(draft)
    return None


def _apply_obstacle(draft: Draft[D], signal: Block | Park | Unpark) -> Refusal | None:
    """Apply what the coordinator itself reports of an instance that has not ended."""
    if draft.status.is_final:
        return Ignored.LATE, f"the instance is {draft.status}"
    match signal:
        case Block():
            _block(draft, signal)
        case Park() if draft.parked_at is None:
            draft.parked_at = draft.at
        case Unpark() if draft.parked_at is not None:
            since, draft.parked_at = draft.parked_at, None
            draft.restart_timers(since, draft.paused_at)
        case _:
            return Ignored.DUPLICATE, f"the instance is {'parked already' if draft.parked_at else 'not parked'}"
    return None


def _block(draft: Draft[D], block: Block) -> None:
    """Stall; a command that was never sent is definitely not done, one that was sent before may have been."""
    found = find_command(draft, block.command_id)
    if found is not None:
        name, direction, command = found
        if command.progress is ASKED:
            draft.set_progress(name, direction, UNKNOWN if command.repeated else REFUSED)
    draft.enter_stalled(block.cause)


def _answered_before(what: str, reply: Reply, *, was_done: bool) -> Refusal:
    """Return whether a reply copies the answer before, or says the opposite. "Busy" says nothing of an earlier copy."""
    if was_done and isinstance(reply, Failure) and not reply.retryable:
        return Ignored.CONTRADICTION, f"{what} was done, and now it has failed: its effect may be missing"
    if not was_done and not isinstance(reply, Failure):
        return Ignored.CONTRADICTION, f"{what} had failed, and now it was done: its effect may stand, and is not undone"
    return Ignored.DUPLICATE, f"{what} was answered before"


def _unmatched(draft: Draft[D], received: ReplyReceived) -> Refusal:
    """Return whether a reply belongs to an attempt that had failed, or to nothing at all."""
    command_id = received.command_id
    for name, run in draft.steps.items():
        for direction in Direction:
            command = run.command_state(direction)
            for attempt in range(1, command.attempt if command else 0):
                if command_id == ids.command_id(draft.instance.id, name, direction, attempt):
                    what = f"attempt {attempt} of {name} ({direction})"
                    if not isinstance(received.reply, Failure):
                        return _answered_before(what, received.reply, was_done=False)
                    return Ignored.SUPERSEDED, f"it answers {what}"
    return Ignored.UNKNOWN, f"no command {command_id} was sent by instance {draft.instance.id}"
