"""The paragraph of `saga why`: what an instance waits for, since when, and what follows; or how it ended.

What follows is not restated here: the machine decides the same signals in advance, by `sagas.planning.preview`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace

from saga_coordinator.handlers.decode import describe_error
from saga_coordinator.handlers.dispatch import RAISED
from saga_coordinator.handlers.records import Verdict
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.handlers.session import UNSENDABLE
from saga_coordinator.sagas import CANCELLED, DEADLINE_PASSED, TIMED_OUT, Cause
from saga_coordinator.sagas.language.wording import format_count, format_duration, format_times
from saga_coordinator.sagas.machine import (
    CommandState,
    Direction,
    Ignored,
    Instance,
    Progress,
    Status,
    StepRun,
    TimerFired,
)
from saga_coordinator.sagas.machine.progress import to_compensate
from saga_coordinator.sagas.planning.preview import Preview, preview
from saga_coordinator.service.storage.queries import ParkedBehind
from saga_coordinator.service.views.pending import TIMER_LATE, CommandView, WaitView, pending_commands, pending_waits
from saga_coordinator.service.views.text import format_list, format_time
from saga_coordinator.service.views.timeline import TimelineEntry

REMEDIES: Final = {
    UNSENDABLE: "Let the saga send a reference instead of so large a value.",
    RAISED: "Correct the function of the saga that raised.",
}

MAX_LISTED: Final = 6
"""How many pending commands are described one by one: a list may have thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the paragraph is made from. `is_outcome_unpublished`: the outcome event is still in the outbox."""

    saga: AnySaga
    instance: Instance[Any]
    history: Sequence[TimelineEntry]
    now: datetime
    outcome_topic: str
    is_outcome_unpublished: bool
    parked: ParkedBehind | None = None


def why(case: Case) -> tuple[str, ...]:
    """Return why an instance is where it is, in sentences."""
    return (*_sentences(case), *_contradictions(case), *(_parked(case.parked) if case.parked else ()))


def describe_cause(cause: Cause) -> str:
    """Return why an instance was compensated or stalled, as the end of a sentence."""
    match cause:
        case Cause(step=None, code=code, message=message) if code == CANCELLED:
            return f"it was cancelled ({message})"
        case Cause(step=None, code=code, message=message) if code == DEADLINE_PASSED:
            return f"its deadline passed: {message}"
        case Cause(step=step, code=code, message=message) if code == TIMED_OUT:
            return f"{step} did not answer: {message}"
        case _:
            return f"{cause.step or 'it'} failed with {cause.code}: {cause.message}"


def _sentences(case: Case) -> Iterator[str]:
    instance = case.instance
    match instance.status:
        case Status.RUNNING | Status.COMPENSATING:
            yield from _live(case)
        case Status.STALLED:
            yield from _stalled(case)
        case Status.COMPLETED:
            done = _done(instance, Direction.FORWARD)
            yield _ended(case, f"every step that it needed has succeeded: {format_list(done)}")
            yield _outcome(case)
        case Status.COMPENSATED:
            yield _ended(case, describe_cause(instance.cause) if instance.cause else "it was compensated")
            undone = _done(instance, Direction.COMPENSATION)
            yield f"Undone: {format_list(undone)}." if undone else "There was nothing to undo."
            yield _outcome(case)


# --- live instances


def _live(case: Case) -> Iterator[str]:
    instance = case.instance
    yield f"{_name(case)} is {instance.status} since {_when(case, _since(case))}."
    if instance.cause is not None:
        yield f"It is compensated because {describe_cause(instance.cause)}."
    if instance.paused_at is not None:
        yield f"An operator paused it {_when(case, instance.paused_at)}: replies are recorded, nothing is sent."
        yield "When it is resumed, its timeouts and retries move by the length of the pause."
    commands = pending_commands(instance)
    for command in commands[:MAX_LISTED]:
        yield _command(case, command)
    if len(commands) > MAX_LISTED:
        yield f"It waits for {format_count(len(commands) - MAX_LISTED, 'more command')}."
    for wait in pending_waits(instance):
        yield _wait(case, wait)
    yield from _limits(case)


def _command(case: Case, command: CommandView) -> str:
    name = _command_name(case, command)
    sent = f"sent {format_times(command.sendings)}"
    if command.progress is Progress.WAITING:
        then = f" at {format_time(command.due_at)}" if command.due_at else ""
        return f"{name} was refused for the moment, {sent}; it is sent again{then}, under a new id."
    text = f"It waits for {name} since {_when(case, command.asked_at)}, {sent}"
    if command.due_at is None or _stands_still(case.instance):
        return f"{text}."
    return f"{text}; without a reply by {format_time(command.due_at)} {_without_reply(case, command, command.due_at)}."


def _wait(case: Case, wait: WaitView) -> str:
    if wait.kind == "time":
        return f"The delay {wait.name} runs since {_when(case, wait.since)}, and ends at {format_time(wait.due_at)}."
    receive = next(each for each in case.saga.plan.receives if each.name == wait.name)
    text = f"It waits for the event {receive.event.message_type} ({wait.name}) since {_when(case, wait.since)}"
    if _stands_still(case.instance):
        return f"{text}."
    return f"{text}; without it by {format_time(wait.due_at)} {_decided_at(case, wait.due_at, wait.name)}."


def _stands_still(instance: Instance[Any]) -> bool:
    return not instance.is_active or instance.parked_at is not None


def _limits(case: Case) -> Iterator[str]:
    """Yield what limits the whole instance, and whether its timer is late."""
    instance = case.instance
    if instance.status is Status.RUNNING and instance.deadline_at is not None and instance.parked_at is None:
        pivots = case.saga.plan.pivots
        goal = f"{format_list(pivots, 'or')} has not been sent" if pivots else "it has not ended"
        then = _decided_at(case, instance.deadline_at, None)
        yield f"If {goal} by {format_time(instance.deadline_at)}, {then}."
    if instance.next_timer_at is not None and case.now - instance.next_timer_at > TIMER_LATE:
        yield f"Its timer was due {_when(case, instance.next_timer_at)} and has not fired: is `saga serve` running?"


# --- what the machine would decide


def _without_reply(case: Case, command: CommandView, due_at: datetime) -> str:
    """Return what the machine does when the reply to a command does not come in time."""
    then = _preview(case, due_at, command.step)
    if isinstance(then, str):
        return then
    if any((send.step, send.direction) == (command.step, command.direction) for send in then.sends):
        return f"it is sent again under the same id, {_limit(case, command)}"
    if then.status is Status.STALLED:
        return "the instance stalls, for an operator to decide"
    if case.instance.status is not Status.COMPENSATING:
        return f"it counts as unknown, and {_undoing(then)}"
    undone = any(command.step in wave for wave in then.undoes)
    return "it counts as unknown, and is undone too" if undone else "it counts as unknown"


def _decided_at(case: Case, at: datetime, wait: str | None) -> str:
    """Return what the machine does when the event of a receive, or (None) the pivot, does not come in time."""
    then = _preview(case, at, wait)
    if isinstance(then, str):
        return then
    return "the instance stalls" if then.status is Status.STALLED else _undoing(then)


def _undoing(then: Preview) -> str:
    undone = [name for wave in then.undoes for name in reversed(wave)]
    return f"what was done is undone: {format_list(undone)}" if undone else "nothing has to be undone"


def _preview(case: Case, at: datetime, due: str | None) -> Preview | str:
    """Return what the machine decides when the timer of a step or wait (None: the deadline) fires, or why it cannot."""
    try:
        return preview(case.saga, _with_one_timer(case.instance, due), TimerFired(at))
    except Exception as error:  # noqa: BLE001  a function of the saga may raise anything
        return f"the saga raises {describe_error(error)}"


def _with_one_timer(instance: Instance[Any], due: str | None) -> Instance[Any]:
    """Return an instance in which nothing is due but one step or wait (None: the deadline)."""
    return replace(
        instance,
        deadline_at=instance.deadline_at if due is None else None,
        steps={name: run if name == due else _never_due(run) for name, run in instance.steps.items()},
        waits={
            name: wait if name == due else replace(wait, due_at=datetime.max.replace(tzinfo=wait.due_at.tzinfo))
            for name, wait in instance.waits.items()
        },
    )


def _never_due(run: StepRun) -> StepRun:
    def never_due(command: CommandState) -> CommandState:
        return replace(command, due_at=None)

    return StepRun(never_due(run.forward), run.compensation and never_due(run.compensation))


def _limit(case: Case, command: CommandView) -> str:
    """Return how often the command is sent, as its saga declares it."""
    step_plan = case.saga.plan.step(command.step)
    is_forward = command.direction is Direction.FORWARD
    retry = step_plan.retry if is_forward else step_plan.step.compensate_retry
    if retry.attempts is None or (is_forward and step_plan.step.is_pivot):
        limit = "until it answers"
    else:
        limit = f"{format_times(retry.attempts)} in all"
    return limit if retry.total is None else f"{limit}, for {format_duration(retry.total)} at most"


# --- stalled and ended instances


def _stalled(case: Case) -> Iterator[str]:
    instance, stall = case.instance, case.instance.stall
    yield f"{_name(case)} is stalled since {_when(case, _since(case))}"
    yield f"because {describe_cause(stall)}." if stall else "for a reason that was not recorded."
    yield "The machine cannot continue alone; replies that still come are recorded."
    if instance.cause is not None:
        open_ = to_compensate(case.saga.plan, instance)[::-1]
        yield f"It was being compensated because {describe_cause(instance.cause)}."
        yield f"Rollback incomplete, not undone: {format_list(open_)}." if open_ else "Everything is undone."
    yield REMEDIES.get(stall.code if stall else "", "Look at the participant that failed, and put its side right.")
    yield "Then an operator has to decide, by `saga retry`, `skip` or `resolve`: no message does."


def _ended(case: Case, reason: str) -> str:
    instance = case.instance
    at = instance.ended_at or case.now
    took = format_duration(at - instance.started_at)
    return f"{_name(case)} is {instance.status} since {_when(case, at)}, {took} after its start: {reason}."


def _outcome(case: Case) -> str:
    outcome = next((each.outcome for each in reversed(case.history) if each.outcome), "its outcome")
    topic = case.outcome_topic
    if case.is_outcome_unpublished:
        return f"{outcome} is not yet published to {topic}."
    return f"{outcome} was published to {topic}."


def _contradictions(case: Case) -> Iterator[str]:
    """Yield what was answered in two ways: the instance continued by the first answer."""
    for entry in case.history:
        if entry.verdict is Verdict.CONTRADICTORY:
            reason = (entry.reason or "").removeprefix(f"{Ignored.CONTRADICTION}: ")
            yield f"A reply contradicted an earlier one {_when(case, entry.at)} ({entry.place}): {reason}."
            yield "Find out from its participant what is true, and put it right by hand."


def _parked(parked: ParkedBehind) -> Iterator[str]:
    letter, count = parked.letter, parked.waiting
    place = letter.record.place
    yield f"It is parked since {format_time(letter.at)} behind {place}: {letter.cause.rstrip('.')}."
    if count:
        yield f"{count} later record{'s wait' if count != 1 else ' waits'} behind it, in order."
    else:
        yield "Later records wait behind it."
    yield "Until it is redriven or discarded, timeouts and retries stand still, and its deadline does nothing."
    yield f"See `saga dead-letters show {place}`."


# --- words


def _name(case: Case) -> str:
    return f"{case.instance.saga} {case.instance.key}"


def _command_name(case: Case, command: CommandView) -> str:
    """Return a step with the type of its command, or its compensation with the type of that."""
    step_plan = case.saga.plan.step(command.step)
    if command.direction is Direction.FORWARD:
        return f"{command.step} ({step_plan.command.message_type})"
    return f"the compensation of {command.step} ({step_plan.undo.message_type if step_plan.undo else 'none'})"


def _since(case: Case) -> datetime:
    """Return when the instance entered its status, as far as the history is known."""
    since = case.instance.started_at
    status = None
    for entry in case.history:
        if entry.status != status:
            since, status = entry.at, entry.status
    return since


def _done(instance: Instance[Any], direction: Direction) -> list[str]:
    return [
        name
        for name, run in instance.steps.items()
        if (state := run.command_state(direction)) and state.progress is Progress.DONE
    ]


def _when(case: Case, at: datetime) -> str:
    return f"{format_time(at)} ({format_duration(case.now - at)} ago)"
