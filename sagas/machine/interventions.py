"""Operator actions: retry, skip, pause, resume, resolve; each is refused where it makes no sense."""

from collections.abc import Iterator
from typing import assert_never

from saga_coordinator.contracts import Done, Event, Failure, Message, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import D
from saga_coordinator.sagas.machine.decision import Ignored
from saga_coordinator.sagas.machine.draft import Draft
from saga_coordinator.sagas.machine.ending import end
from saga_coordinator.sagas.machine.instance import CommandState, Direction, Progress, Status, WaitState
from saga_coordinator.sagas.machine.progress import is_abandoned
from saga_coordinator.sagas.machine.signal import OperatorAction, Pause, Resolve, Resume, RetryStep, SkipStep

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION
ASKED, WAITING, DONE = Progress.ASKED, Progress.WAITING, Progress.DONE
GIVEN_UP = {Progress.REFUSED, Progress.UNKNOWN}

GAVE_UP_EARLIER = "given-up-before"

Refusal = tuple[Ignored, str]


def apply_action(draft: Draft[D], signal: OperatorAction) -> Refusal | None:
    """Apply an operator action, or return why it makes no sense."""
    if draft.status.is_final:
        return _no(f"the instance is {draft.status}: nothing is left to do")
    match signal:
        case RetryStep():
            return _retry(draft, signal.step)
        case SkipStep():
            return _skip(draft, signal)
        case Pause():
            return _pause(draft)
        case Resume():
            return _resume(draft)
        case Resolve():
            return _resolve(draft, signal.status)
        case _:
            assert_never(signal)


def _pause(draft: Draft[D]) -> Refusal | None:
    if not draft.is_active:
        return _no(f"the instance is {'paused' if draft.paused_at else draft.status}")
    draft.paused_at = draft.at
    return None


def _resume(draft: Draft[D]) -> Refusal | None:
    """Move timeouts and retries by the length of the pause; the deadline stays."""
    if draft.paused_at is None:
        return _no("the instance is not paused")
    draft.restart_timers(draft.paused_at, draft.parked_at)
    draft.paused_at = None
    return None


def _resolve(draft: Draft[D], status: Status) -> Refusal | None:
    """End a stalled instance with the status that its operator has brought about by hand."""
    if draft.status is not Status.STALLED:
        return _no(f"the instance is {draft.status}: only a stalled one is resolved by hand")
    if not status.is_final:
        return _no(f"it can be resolved as completed or as compensated, not as {status}")
    draft.cause = draft.cause or (draft.stall if status is Status.COMPENSATED else None)
    draft.stall = None
    end(draft, status)
    return None


def _retry(draft: Draft[D], name: str | None) -> Refusal | None:
    """Send again now: what a stalled instance gave up, or what it is waiting for."""
    if draft.paused_at is not None:
        return _no("the instance is paused: resume it first")
    if draft.parked_at is not None:
        return _no("the instance is parked, and a reply may be queued: redrive or discard its dead letter first")
    if name is None and draft.status is not Status.STALLED:
        return _no(f"the instance is {draft.status}: name the step to ask again")
    stuck = list(_stuck(draft)) if name is None else [(name, direction) for direction in _restartable(draft, name)]
    if name is not None and not stuck:
        return _no(
            f"{name} is not a step of this instance that could be asked again: it was not reached, or is settled"
        )
    for each, direction in stuck:
        if direction is None:
            del draft.waits[each]
        else:
            draft.restart(each, direction)
    unstall(draft)
    return None


def _restartable(draft: Draft[D], name: str) -> Iterator[Direction | None]:
    """Yield the direction in which a step is open, or None for a receive that has timed out."""
    if _has_timed_out(draft, name):
        yield None
    elif (direction := _open(draft, name)) is not None:
        yield direction


def _open(draft: Draft[D], name: str) -> Direction | None:
    """Return the direction in which a step is not settled (compensation, once that was sent), or None."""
    run = draft.steps.get(name)
    if run is None:
        return None
    if run.compensation is not None:
        return COMPENSATION if run.compensation.progress is not DONE else None
    return FORWARD if run.forward.progress is not DONE and _leads_forward(draft, name) else None


def _why_not_open(draft: Draft[D], name: str) -> str:
    run = draft.steps.get(name)
    if run is not None and run.compensation is None and run.forward.progress is ASKED:
        return f"{name} is still awaited, to be compensated then: wait for its reply or its timeout, and skip the undo"
    return f"{name} is not a step of this instance that is open: it was not reached, or is settled"


def _skip(draft: Draft[D], skip: SkipStep) -> Refusal | None:
    """Mark a step, a compensation or a wait as done, as if the supplied reply had come."""
    wait = draft.waits.get(skip.step)
    problem = _skip_wait(draft, skip, wait) if wait else _skip_step(draft, skip)
    if problem is None and draft.status is Status.STALLED:
        unstall(draft)
    return problem


def _skip_step(draft: Draft[D], skip: SkipStep) -> Refusal | None:
    direction = _open(draft, skip.step)
    if direction is None:
        return _no(_why_not_open(draft, skip.step))
    step_plan = draft.plan.step(skip.step)
    command = step_plan.command if direction is FORWARD else step_plan.undo
    assert command is not None, "only a step with a compensation is compensated"  # noqa: S101  for the type checker
    reply = Done() if skip.reply is None and command.reply is Done else skip.reply
    if not isinstance(reply, command.reply) or isinstance(reply, Failure):
        return _no(f"{command.__name__} is answered with {_called(command.reply)}, not with {_called(type(reply))}")
    draft.set_progress(skip.step, direction, DONE)
    if direction is FORWARD:
        draft.remember(skip.step, reply)
    return None


def _skip_wait(draft: Draft[D], skip: SkipStep, wait: WaitState) -> Refusal | None:
    if wait.progress is DONE or not _leads_forward(draft, skip.step):
        return _no(f"{skip.step} is not waited for any more")
    node = next((each for each in draft.plan.receives if each.name == skip.step), None)
    if node is not None and not isinstance(skip.reply, node.event):
        return _no(f"{node.name} receives {_called(node.event)}, not {_called(type(skip.reply))}")
    if node is None and skip.reply is not None:
        return _no(f"{skip.step} is a delay: it takes nothing, not {_called(type(skip.reply))}")
    draft.end_wait(skip.step, DONE)
    if node is not None and isinstance(skip.reply, Event):
        draft.remember_event(node, skip.reply)
    return None


def unstall(draft: Draft[D]) -> None:
    """Continue in the direction in which it stalled, unless something else is stuck too."""
    if draft.status is not Status.STALLED:
        return
    if stuck := [name for name, _ in _stuck(draft)]:
        if draft.stall is None or draft.stall.step not in stuck:
            draft.enter_stalled(
                Cause(stuck[0], GAVE_UP_EARLIER, f"{stuck[0]} was given up, and neither retried nor skipped")
            )
        return
    draft.status = Status.RUNNING if draft.cause is None else Status.COMPENSATING
    draft.stall = None


def _stuck(draft: Draft[D]) -> Iterator[tuple[str, Direction | None]]:
    """Yield what a stalled instance gave up: steps and compensations, and (no direction) receives."""
    for name, run in draft.steps.items():
        if run.compensation is not None:
            if _is_given_up(run.compensation):
                yield name, COMPENSATION
        elif _is_given_up(run.forward) and _leads_forward(draft, name):
            yield name, FORWARD
    for name in draft.waits:
        if _has_timed_out(draft, name):
            yield name, None


def _has_timed_out(draft: Draft[D], name: str) -> bool:
    """Return whether this is a receive whose event did not come in time, and which is still needed."""
    wait = draft.waits.get(name)
    return wait is not None and wait.progress is Progress.REFUSED and _leads_forward(draft, name)


def _leads_forward(draft: Draft[D], name: str) -> bool:
    """Return whether neither the instance nor an alternative around a node has failed."""
    return draft.cause is None and not is_abandoned(draft.plan, draft, name, already=False)


def _is_given_up(command: CommandState) -> bool:
    """Return whether a command is not sent again: an unknown one that an operator retries is due under its id."""
    return command.progress in GIVEN_UP and command.due_at is None


def _called(kind: type[Message] | type[Reply] | type[Event] | type[None]) -> str:
    return "nothing" if kind is type(None) else kind.__name__


def _no(reason: str) -> Refusal:
    return Ignored.OUT_OF_PLACE, reason
