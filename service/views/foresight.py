"""What follows when a timer of an instance fires, in words: the machine decides it in advance, by its preview."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from msgspec import structs

from saga_coordinator.handlers.decode import describe_error
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.language.wording import format_duration, format_times
from saga_coordinator.sagas.machine import CommandState, Direction, Instance, Status, StepRun, TimerFired
from saga_coordinator.sagas.planning.preview import Preview, preview
from saga_coordinator.service.views.pending import CommandView
from saga_coordinator.service.views.text import format_list


class Foreseen(NamedTuple):
    """An instance and its saga, of which the future is asked."""

    saga: AnySaga
    instance: Instance[Any]


def without_reply(of: Foreseen, command: CommandView, due_at: datetime) -> str:
    """Return what the machine does when the reply to a command does not come in time."""
    then = _preview(of, due_at, command.step)
    if isinstance(then, str):
        return then
    if any((send.step, send.direction) == (command.step, command.direction) for send in then.sends):
        return f"it is sent again under the same id, {_limit(of, command)}"
    if then.status is Status.STALLED:
        return "the instance stalls, for an operator to decide"
    if of.instance.status is not Status.COMPENSATING:
        return f"it counts as unanswered, and {_decided(then)}"
    undone = any(command.step in wave for wave in then.undoes)
    return "it counts as unanswered, and is undone too" if undone else "it counts as unanswered"


def decided_at(of: Foreseen, at: datetime, wait: str | None) -> str:
    """Return what the machine does when the event of a receive, or (None) the pivot, does not come in time."""
    then = _preview(of, at, wait)
    if isinstance(then, str):
        return then
    return _decided(then)


def _decided(then: Preview) -> str:
    """Return what follows from a decision, and where it ends."""
    undone = [name for wave in then.undoes for name in reversed(wave)]
    undoing = f"undoing {format_list(undone)}" if undone else "with nothing to undo"
    match then.status:
        case Status.STALLED:
            return "the instance stalls, for an operator to decide"
        case Status.COMPENSATING:
            awaiting = f" once {_are(then.awaits)} answered" if then.awaits else ""
            return f"the instance is compensated{awaiting}, {undoing}"
        case Status.COMPENSATED:
            return f"the instance ends compensated, {undoing}"
        case Status.COMPLETED:
            return "the instance ends completed"
        case Status.RUNNING if then.tries:
            undone_first = f"{_are(undone)} undone, " if undone else ""
            return f"the alternative is given up, {undone_first}and the next one is tried: {then.tries[0]}"
        case Status.RUNNING:
            return _continues(then)


def _are(names: Sequence[str]) -> str:
    return f"{format_list(names)} {'is' if len(names) == 1 else 'are'}"


def _continues(then: Preview) -> str:
    """Return how an instance continues forward."""
    sent = [send.step for send in then.sends]
    if sent:
        return f"the instance continues by {format_list(sent)}"
    return f"the instance waits for {format_list(then.waits)}" if then.waits else "the instance continues"


def _preview(of: Foreseen, at: datetime, due: str | None) -> Preview | str:
    """Return what the machine decides when the timer of a step or wait (None: the deadline) fires, or why it cannot."""
    try:
        return preview(of.saga, _with_one_timer(of.instance, due), TimerFired(at))
    except Exception as error:  # noqa: BLE001  a function of the saga may raise anything
        return f"the saga raises {describe_error(error)}"


def _with_one_timer(instance: Instance[Any], due: str | None) -> Instance[Any]:
    """Return an instance, not paused, in which nothing is due but one step or wait (None: the deadline)."""
    return structs.replace(
        instance,
        paused_at=None,
        deadline_at=instance.deadline_at if due is None else None,
        steps={name: run if name == due else _never_due(run) for name, run in instance.steps.items()},
        waits={
            name: wait if name == due else structs.replace(wait, due_at=datetime.max.replace(tzinfo=wait.due_at.tzinfo))
            for name, wait in instance.waits.items()
        },
    )


def _never_due(run: StepRun) -> StepRun:
    def never_due(command: CommandState) -> CommandState:
        return structs.replace(command, due_at=None)

    return StepRun(never_due(run.forward), run.compensation and never_due(run.compensation))


def _limit(of: Foreseen, command: CommandView) -> str:
    """Return how often the command is sent, as its saga declares it."""
    step_plan = of.saga.plan.step(command.step)
    is_forward = command.direction is Direction.FORWARD
    retry = step_plan.retry if is_forward else step_plan.step.compensate_retry
    if retry.attempts is None or (is_forward and step_plan.step.is_pivot):
        limit = "until it answers"
    else:
        limit = f"{format_times(retry.attempts)} in all"
    return limit if retry.total is None else f"{limit}, for {format_duration(retry.total)} at most"
