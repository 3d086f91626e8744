"""What an instance waits for, and why a person should look at it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from saga_coordinator.sagas.language.wording import format_duration
from saga_coordinator.sagas.machine import CommandState, Direction, Instance, Progress, Status, WaitState
from saga_coordinator.service.views.text import format_direction
from saga_coordinator.service.views.timeline import StepTimes
from saga_coordinator.service.views.values import view

TIMER_LATE: Final = timedelta(seconds=10)
"""A timer fires a second late at most while a coordinator runs."""

CONTRADICTION_SHOWN: Final = timedelta(days=30)
"""For how long an instance needs attention because a reply contradicted an earlier one: there is nothing to end it."""

SENT_OFTEN: Final = 4
"""Sendings of a command after which one that is not settled needs attention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandView:
    """The progress of a step in one direction.

    `work_s` is the time from the last sending to the answer, `retry_s` that from the first sending to the last.
    """

    step: str
    direction: Direction
    progress: Progress
    attempt: int
    sendings: int
    command_id: str
    asked_at: datetime
    due_at: datetime | None
    work_s: timedelta | None = None
    retry_s: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitView:
    """The progress of a receive, which waits for an event, or of a delay, which waits for a time."""

    name: str
    kind: Literal["event", "time"]
    progress: Progress
    since: datetime
    due_at: datetime
    event_id: str | None
    event_source: str | None


def command_view(step: str, direction: Direction, state: CommandState, times: StepTimes | None = None) -> CommandView:
    work, retry = times or (None, None)
    return view(CommandView, state, step=step, direction=direction, work_s=work, retry_s=retry)


def wait_view(name: str, wait: WaitState) -> WaitView:
    return view(WaitView, wait, name=name, kind="event" if wait.address else "time")


def pending_commands(instance: Instance[Any]) -> tuple[CommandView, ...]:
    """Return the commands that are not settled, in the order in which their steps were reached."""
    return tuple(
        command_view(name, direction, state)
        for name, run in instance.steps.items()
        for direction in Direction
        if (state := run.command_state(direction)) and state.progress in {Progress.ASKED, Progress.WAITING}
    )


def pending_waits(instance: Instance[Any]) -> tuple[WaitView, ...]:
    """Return the receives and delays that are waited for, in the order in which they were reached."""
    return tuple(wait_view(name, wait) for name, wait in instance.waits.items() if wait.progress is Progress.ASKED)


def describe(pending: CommandView | WaitView, now: datetime) -> str:
    """Return what is waited for, and how long it has been or will be."""
    is_open_ended = isinstance(pending, CommandView) or pending.kind == "event"
    if not is_open_ended or pending.progress is Progress.WAITING:
        return describe_place(pending, now)
    since = pending.asked_at if isinstance(pending, CommandView) else pending.since
    return f"{describe_place(pending, now)} for {format_duration(now - since)}"


def describe_place(pending: CommandView | WaitView, now: datetime) -> str:
    """Return what is waited for, and when that ends if a time is waited for."""
    match pending:
        case CommandView(progress=Progress.WAITING, due_at=due_at):
            name = f"{format_direction(pending.step, pending.direction)} again"
            return f"{name} in {format_duration(due_at - now)}" if due_at else name
        case CommandView():
            return format_direction(pending.step, pending.direction)
        case WaitView(kind="event"):
            return f"event {pending.name}"
        case WaitView():
            return (
                f"{pending.name} for {format_duration(pending.due_at - now)} more"
                if pending.due_at > now
                else f"{pending.name}, which has ended"
            )


def attention(instance: Instance[Any], now: datetime) -> Iterator[str]:
    """Yield the reasons why a person should look at an instance."""
    if instance.status is Status.STALLED:
        yield "stalled"
    if instance.status.is_final:
        return
    if instance.next_timer_at is not None and instance.next_timer_at < now - TIMER_LATE:
        yield "timer overdue"
    yield from (
        f"{each.step} sent {each.sendings} times" for each in pending_commands(instance) if each.sendings >= SENT_OFTEN
    )
