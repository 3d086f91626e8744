"""The paragraph of `saga why`: what an instance waits for, since when, and what follows; or how it ended.

What follows is not restated here: the machine decides the same signals in advance, by `sagas.planning.preview`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from saga_coordinator.handlers.dispatch import RAISED
from saga_coordinator.handlers.records import DeadLetter, EarlyEvent, QueuedRecord, RecordVerdict, Verdict
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.handlers.session import UNSENDABLE
from saga_coordinator.sagas import CANCELLED, DEADLINE_PASSED, TIMED_OUT, Cause
from saga_coordinator.sagas.language.wording import format_count, format_duration, format_times
from saga_coordinator.sagas.machine import (
    Direction,
    Ignored,
    Instance,
    Progress,
    Status,
)
from saga_coordinator.sagas.machine.progress import find_command, to_compensate
from saga_coordinator.service.storage.queries import KeptRecord, ParkedBehind
from saga_coordinator.service.views.foresight import Foreseen, decided_at, without_reply
from saga_coordinator.service.views.pending import TIMER_LATE, CommandView, WaitView, pending_commands, pending_waits
from saga_coordinator.service.views.records import envelope_of, type_of
from saga_coordinator.service.views.text import format_ago, format_direction, format_list, format_time
from saga_coordinator.service.views.timeline import StepDirection, TimelineEntry

REMEDIES: Final = {
    UNSENDABLE: "Let the saga send a reference instead of so large a value.",
    RAISED: "Correct the function of the saga that raised.",
}

MAX_LISTED: Final = 6
"""How many pending commands are described one by one: a list may have thousands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the paragraph is made from. `is_outcome_unpublished`: the outcome event is still in the outbox.

    `kept` are records with the key of the instance, or for it, that have not reached it.
    """

    saga: AnySaga
    instance: Instance[Any]
    history: Sequence[TimelineEntry]
    now: datetime
    outcome_topic: str
    is_outcome_unpublished: bool
    parked: ParkedBehind | None = None
    kept: Sequence[KeptRecord] = ()

    @property
    def foreseen(self) -> Foreseen:
        """The instance, to be asked what follows."""
        return Foreseen(self.saga, self.instance)


def why(case: Case) -> tuple[str, ...]:
    """Return why an instance is where it is, in sentences."""
    return (
        *_sentences(case),
        *_contradictions(case),
        *_not_awaited(case),
        *(_parked(case.parked) if case.parked else ()),
    )


def describe_cause(cause: Cause) -> str:
    """Return why an instance was compensated or stalled, as the end of a sentence."""
    match cause:
        case Cause(step=None, code=code, message=message) if code == CANCELLED:
            return f"it was cancelled: {message}"
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
    yield f"{_name(case)} has been {instance.status} since {_when(case, _since(case))}."
    if instance.cause is not None:
        yield f"It is being compensated because {describe_cause(instance.cause)}."
    if instance.paused_at is not None:
        yield f"An operator paused it {_when(case, instance.paused_at)}: replies are recorded, nothing is sent."
        yield "When it is resumed, its timeouts and retries move by the length of the pause; a deadline does not move."
    commands = pending_commands(instance)
    for command in commands[:MAX_LISTED]:
        yield _command(case, command)
        yield from (_come(case, "A reply", each) for each in _replies(case, command.step, command.direction))
    if len(commands) > MAX_LISTED:
        yield f"It waits for {format_count(len(commands) - MAX_LISTED, 'more command')}."
    for wait in pending_waits(instance):
        yield _wait(case, wait)
        yield from (_come(case, "One", each) for each in _events(case, wait.name))
    yield from _limits(case)


def _command(case: Case, command: CommandView) -> str:
    name = _command_name(case, command)
    sent = f"sent {format_times(command.sendings)}"
    if command.progress is Progress.WAITING:
        then = f" at {format_time(command.due_at)}" if command.due_at else ""
        return f"{name} was refused for the moment, {sent}; it is sent again{then}, under a new id."
    text = f"It has waited for {name} since {_when(case, command.asked_at)}, {sent}"
    if command.due_at is None or _stands_still(case.instance):
        return f"{text}."
    then = without_reply(case.foreseen, command, command.due_at)
    return f"{text}; without a reply by {format_time(command.due_at)} {then}."


def _wait(case: Case, wait: WaitView) -> str:
    if wait.kind == "time":
        text = f"The delay {wait.name} began {_when(case, wait.since)}, and ends at {format_time(wait.due_at)}"
        then = "" if _stands_still(case.instance) else f"; then {decided_at(case.foreseen, wait.due_at, wait.name)}"
        return f"{text}{then}."
    receive = next(each for each in case.saga.plan.receives if each.name == wait.name)
    text = f"It has waited for the event {receive.event.message_type} ({wait.name}) since {_when(case, wait.since)}"
    if _stands_still(case.instance):
        return f"{text}."
    return f"{text}; without it by {format_time(wait.due_at)} {decided_at(case.foreseen, wait.due_at, wait.name)}."


def _stands_still(instance: Instance[Any]) -> bool:
    return not instance.is_active or instance.parked_at is not None


def _limits(case: Case) -> Iterator[str]:
    """Yield what limits the whole instance, and whether its timer is late."""
    instance = case.instance
    if instance.status is Status.RUNNING and instance.deadline_at is not None and instance.parked_at is None:
        pivots = case.saga.plan.pivots
        goal = f"{format_list(pivots, 'or')} has not been sent" if pivots else "it has not ended"
        then = decided_at(case.foreseen, instance.deadline_at, None)
        at, resumed = format_time(instance.deadline_at), " when it is resumed" if instance.paused_at else ""
        yield f"If {goal} by {at}, {then}{resumed}."
    if instance.next_timer_at is not None and case.now - instance.next_timer_at > TIMER_LATE:
        yield f"Its timer was due {_when(case, instance.next_timer_at)} and has not fired: is `saga serve` running?"


# --- records that have come, and have not reached the instance


def _replies(case: Case, step: str, direction: Direction) -> Iterator[DeadLetter | QueuedRecord]:
    """Yield the records that answer a command of a step, whatever its attempt."""
    for each in case.kept:
        if isinstance(each, DeadLetter | QueuedRecord) and _answered(case, each) == (step, direction):
            yield each


def _answered(case: Case, kept: DeadLetter | QueuedRecord) -> StepDirection | None:
    """Return the step and the direction of the command that a record answers."""
    envelope = envelope_of(kept.record)
    found = find_command(case.instance, envelope.causation_id or "") if envelope else None
    return found and found[:2]


def _events(case: Case, receive: str) -> Iterator[KeptRecord]:
    """Yield the records that a receive could have waited for."""
    types = {each.event.message_type for each in case.saga.plan.receives if each.name == receive}
    return (each for each in case.kept if not isinstance(each, EarlyEvent) and type_of(each) in types)


def _not_awaited(case: Case) -> Iterator[str]:
    """Yield what has come for a step that is settled, or before the instance waits for it."""
    pending = {(each.step, each.direction) for each in pending_commands(case.instance)}
    for each in case.kept:
        if isinstance(each, DeadLetter) and (step := _answered(case, each)) and step not in pending:
            yield _come(case, f"A reply of {format_direction(*step)}", each)
        elif isinstance(each, EarlyEvent) and not case.instance.status.is_final:
            yield f"{_come(case, str(type_of(each)), each)} It is applied when the instance waits for it."


def _come(case: Case, what: str, kept: KeptRecord) -> str:
    """Return what became of a record that has come."""
    match kept:
        case QueuedRecord():
            behind = f" behind {case.parked.letter.record.place}" if case.parked else ""
            return f"{what} has come ({kept.record.place}), and is queued{behind}."
        case DeadLetter(parks=True):
            return f"{what} has come ({kept.record.place}), and the instance is parked behind it."
        case DeadLetter():
            place, cause = kept.record.place, kept.cause.rstrip(".")
            text = f"{what} came {_when(case, kept.at)} and is dead-lettered: {cause}."
            return f"{text} See `saga dead-letters show {place}`."
        case RecordVerdict():
            reason = kept.reason.rstrip(".")
            return f"{what} came {_when(case, kept.at)} ({kept.place}) and is {kept.verdict}: {reason}."
        case EarlyEvent():
            return f"{what} has come ({kept.record.place}), and is buffered until {format_time(kept.expires_at)}."


# --- stalled and ended instances


def _stalled(case: Case) -> Iterator[str]:
    instance, stall = case.instance, case.instance.stall
    because = f"because {describe_cause(stall)}" if stall else "for a reason that was not recorded"
    yield f"{_name(case)} has been stalled since {_when(case, _since(case))} {because}."
    yield "The machine cannot continue alone; replies that still come are recorded."
    if instance.cause is not None:
        open_ = to_compensate(case.saga.plan, instance)[::-1]
        yield f"It was being compensated because {describe_cause(instance.cause)}."
        yield f"Rollback incomplete, not undone: {format_list(open_)}." if open_ else "Everything is undone."
    yield REMEDIES.get(stall.code if stall else "", "Look at the participant that failed, and correct it there.")
    yield "Then an operator has to decide, by `saga retry`, `saga skip` or `saga resolve`: no message continues it."


def _ended(case: Case, reason: str) -> str:
    instance = case.instance
    at = instance.ended_at or case.now
    took = format_duration(at - instance.started_at)
    return f"{_name(case)} was {instance.status} {_when(case, at)}, {took} after its start: {reason}."


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
    yield f"It has been parked since {format_time(letter.at)} behind {place}: {letter.cause.rstrip('.')}."
    if count:
        yield f"{format_count(count, 'later record')} queued behind it, in order."
    else:
        yield "Later records are queued behind it."
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
    return format_ago(at, case.now)
