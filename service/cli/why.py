"""The paragraph of `saga why`: what an instance waits for, since when, and what comes then; or how it ended."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from saga_coordinator.handlers.dispatch import RAISED
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.handlers.session import UNSENDABLE
from saga_coordinator.sagas import CANCELLED, DEADLINE_PASSED, TIMED_OUT, Cause, Retry
from saga_coordinator.sagas.machine import Direction, Instance, Progress, Status, WaitState
from saga_coordinator.service.cli.console import span, stamp
from saga_coordinator.service.cli.journal import Line
from saga_coordinator.service.cli.parking import told as parked
from saga_coordinator.service.cli.waiting import TIMER_LATE, Wait, pending, waits
from saga_coordinator.service.storage.sqlite.dead_letter_queries import ParkedBehind

REMEDIES: Final = {
    UNSENDABLE: "Let the saga send a reference instead of so large a value.",
    RAISED: "Correct the function of the saga that raised.",
}


MAX_LISTED: Final = 6
"""How many awaited commands are told one by one: a list may have thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a paragraph is made from. `outcome_unpublished`: the outcome event has not left for Kafka yet.

    `head`: the record that the instance is parked behind.
    """

    saga: AnySaga
    instance: Instance[Any]
    lines: Sequence[Line]
    now: datetime
    outcome_unpublished: bool
    head: ParkedBehind | None = None


def paragraph(case: Case) -> str:
    """Say why an instance stands where it stands."""
    return " ".join([*_sentences(case), *(parked(case.head) if case.head else ())])


def describe_cause(cause: Cause) -> str:
    """Say why an instance turned back or stalled, as the end of a sentence."""
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
    match case.instance.status:
        case Status.RUNNING | Status.COMPENSATING:
            yield from _live(case)
        case Status.STALLED:
            yield from _stalled(case)
        case Status.COMPLETED:
            yield _ended(case, f"every step that it needed has succeeded: {_listed(_done(case, Direction.FORWARD))}")
            yield _outcome(case)
        case Status.COMPENSATED:
            cause = case.instance.cause
            yield _ended(case, describe_cause(cause) if cause else "it was turned back")
            undone = _done(case, Direction.COMPENSATION)
            yield f"Undone: {_listed(undone)}." if undone else "There was nothing to undo."
            yield _outcome(case)


# --- while it lives


def _live(case: Case) -> Iterator[str]:
    instance = case.instance
    yield f"{_name(case)} is {instance.status} since {_when(case, _since(case))}."
    if instance.cause is not None:
        yield f"It turned back because {describe_cause(instance.cause)}."
    if instance.paused_at is not None:
        yield f"An operator paused it {_when(case, instance.paused_at)}: answers are recorded, nothing is sent."
        yield "When it is resumed, its timeouts and retries move by the length of the pause."
    waiting = waits(instance)
    for wait in waiting[:MAX_LISTED]:
        yield _waiting(case, wait)
    if len(waiting) > MAX_LISTED:
        yield f"And {len(waiting) - MAX_LISTED} more commands are awaited."
    for name, run in pending(instance):
        yield _pending(case, name, run)
    yield from _limits(case)


def _waiting(case: Case, wait: Wait) -> str:
    """Say what one step waits for, since when, and what comes then."""
    command_state, name = wait.command_state, _command_name(case, wait)
    asked = f"asked {command_state.sendings} time{'s' if command_state.sendings > 1 else ''}"
    if command_state.progress is Progress.WAITING:
        then = f" at {stamp(command_state.due_at)}" if command_state.due_at else ""
        return f"{name} was refused for the moment, {asked}; it is asked again{then}, under a new id."
    told = f"It waits for {name} since {_when(case, command_state.asked_at)}, {asked}"
    if command_state.due_at is None or not case.instance.is_active:
        return f"{told}."
    return f"{told}; without an answer by {stamp(command_state.due_at)} {_then(case, wait)}."


def _pending(case: Case, name: str, wait: WaitState) -> str:
    """Say which event or time is waited for, and what comes then."""
    if wait.address is None:
        return f"The delay {name} runs since {_when(case, wait.since)}, and is over at {stamp(wait.due_at)}."
    receive = next(each for each in case.saga.plan.receives if each.name == name)
    then = "the instance stalls" if _is_past_pivot(case) else _undoing(case)
    told = f"It waits for the event {receive.event.message_type} ({name}) since {_when(case, wait.since)}"
    return f"{told}; without it by {stamp(wait.due_at)} {then}."


def _is_past_pivot(case: Case) -> bool:
    runs = [case.instance.steps.get(name) for name in case.saga.plan.pivots]
    return any(run is not None and run.forward.progress is Progress.DONE for run in runs)


def _then(case: Case, wait: Wait) -> str:
    """Say what the machine does when no answer comes in time: rules 4 to 6 of its law."""
    step_plan, command_state = case.saga.plan.step(wait.step), wait.command_state
    if wait.direction is Direction.COMPENSATION:
        retry = step_plan.step.compensate_retry
        return (
            _again(retry) if retry.allows(command_state.sendings) else "the instance stalls, for an operator to decide"
        )
    if case.instance.status is Status.COMPENSATING:
        return "it counts as unknown, and is undone too" if step_plan.step.compensate else "it counts as unknown"
    if step_plan.step.is_pivot:
        return "it is asked again under the same id, until it answers"
    return (
        _again(step_plan.retry)
        if step_plan.retry.allows(command_state.sendings)
        else f"it counts as unknown, and {_undoing(case)}"
    )


def _again(retry: Retry) -> str:
    limit = "until it answers" if retry.attempts is None else f"{retry.attempts} times in all"
    limit += "" if retry.total is None else f", for {span(retry.total)} at most"
    return f"it is asked again under the same id, {limit}"


def _undoing(case: Case) -> str:
    """Say what would be undone if it turned back now."""
    steps = [name for name, run in case.instance.steps.items() if run.forward.progress is not Progress.REFUSED]
    undone = [name for name in reversed(steps) if case.saga.plan.step(name).step.compensate]
    return f"what was done is undone: {_listed(undone)}" if undone else "nothing has to be undone"


def _limits(case: Case) -> Iterator[str]:
    """Say what limits the whole, and whether its alarm is late."""
    instance = case.instance
    if instance.status is Status.RUNNING and instance.deadline_at is not None:
        pivots = case.saga.plan.pivots
        goal = f"{_listed(pivots, 'or')} has not been sent" if pivots else "it is not over"
        yield f"If {goal} by {stamp(instance.deadline_at)}, {_undoing(case)}."
    if instance.next_timer_at is not None and case.now - instance.next_timer_at > TIMER_LATE:
        yield f"Its alarm was due {_when(case, instance.next_timer_at)} and has not rung: is `saga serve` running?"


# --- when it cannot go on, or is over


def _stalled(case: Case) -> Iterator[str]:
    stall = case.instance.stall
    yield f"{_name(case)} is stalled since {_when(case, _since(case))}"
    yield f"because {describe_cause(stall)}." if stall else "for a reason that was not recorded."
    yield "It does nothing more by itself; answers that still come are recorded."
    undone = set(_done(case, Direction.COMPENSATION))
    if case.instance.cause is not None:
        left = [
            name
            for name, run in case.instance.steps.items()
            if run.forward.progress is not Progress.REFUSED and case.saga.plan.step(name).step.compensate
        ]
        open_ = [name for name in reversed(left) if name not in undone]
        yield f"It was being undone because {describe_cause(case.instance.cause)}."
        yield f"Rollback incomplete, not undone: {_listed(open_)}." if open_ else "Everything is undone."
    yield REMEDIES.get(stall.code if stall else "", "Look at the participant that failed, and put its side right.")
    yield "Then an operator has to decide, by `saga retry`, `skip` or `resolve`: no message does."


def _ended(case: Case, reason: str) -> str:
    instance = case.instance
    at = instance.ended_at or case.now
    took = span(at - instance.started_at)
    return f"{_name(case)} is {instance.status} since {_when(case, at)}, {took} after its start: {reason}."


def _outcome(case: Case) -> str:
    told = next((line.outcome for line in reversed(case.lines) if line.outcome), "its outcome")
    topic = case.saga.outcome_topic
    return f"{told} is still owed to {topic}." if case.outcome_unpublished else f"{told} was published to {topic}."


# --- words


def _name(case: Case) -> str:
    return f"{case.instance.saga} {case.instance.key}"


def _command_name(case: Case, wait: Wait) -> str:
    """Name a step by its command's type, and a compensation as what it is."""
    step_plan = case.saga.plan.step(wait.step)
    if wait.direction is Direction.FORWARD:
        return f"{wait.step} ({step_plan.command.message_type})"
    return f"the undo of {wait.step} ({step_plan.undo.message_type if step_plan.undo else 'none'})"


def _since(case: Case) -> datetime:
    """Return when the instance entered its status, as far as the journal reaches."""
    since = case.instance.started_at
    status = None
    for line in case.lines:
        if line.status != status:
            since, status = line.entry.at, line.status
    return since


def _done(case: Case, direction: Direction) -> list[str]:
    runs = case.instance.steps.items()
    return [
        name
        for name, run in runs
        if (command_state := run.command_state(direction)) and command_state.progress is Progress.DONE
    ]


def _when(case: Case, at: datetime) -> str:
    return f"{stamp(at)} ({span(case.now - at)} ago)"


def _listed(names: Sequence[str], word: str = "and") -> str:
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "none"
