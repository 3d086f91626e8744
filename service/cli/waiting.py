"""What an instance waits for, and whether a person should look at it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from saga_coordinator.sagas.machine import CommandState, Direction, Instance, Progress, Status, WaitState
from saga_coordinator.service.cli.console import span

TIMER_LATE: Final = timedelta(seconds=10)
"""An alarm rings a second late at most while a coordinator runs; one that is later has nobody to ring it."""

SENT_OFTEN: Final = 4
"""Sendings of a command after which one that is not settled is worth a look."""


class Wait(NamedTuple):
    """One direction of a step that is not settled: its command is awaited, or is going to be sent again."""

    step: str
    direction: Direction
    command_state: CommandState


def waits(instance: Instance[Any]) -> tuple[Wait, ...]:
    """Return what is not settled, in the order in which the steps were reached."""
    return tuple(
        Wait(name, direction, command_state)
        for name, run in instance.steps.items()
        for direction in Direction
        if (command_state := run.command_state(direction))
        and command_state.progress in {Progress.ASKED, Progress.WAITING}
    )


def pending(instance: Instance[Any]) -> tuple[tuple[str, WaitState], ...]:
    """Return the receives and delays that an instance waits for, in the order in which they were reached."""
    return tuple((name, wait) for name, wait in instance.waits.items() if wait.progress is Progress.ASKED)


def describe_pending(name: str, wait: WaitState, now: datetime) -> str:
    """Say which event an instance waits for and since when, or when its delay is over."""
    if wait.address is None:
        return f"{name} for {span(wait.due_at - now)} more" if wait.due_at > now else f"{name}, which is over"
    return f"event {name} since {span(now - wait.since)}"


def told(wait: Wait, now: datetime) -> str:
    """Say what one step waits for, and since when."""
    name, command_state = named(wait.step, wait.direction), wait.command_state
    if command_state.progress is Progress.WAITING:
        return f"{name} again" + (f" in {span(command_state.due_at - now)}" if command_state.due_at else "")
    return f"{name} since {span(now - command_state.asked_at)}"


def named(step: str, direction: Direction) -> str:
    """Return what people call one direction of a step."""
    return step if direction is Direction.FORWARD else f"undo {step}"


def attention(instance: Instance[Any], now: datetime) -> tuple[str, ...]:
    """Say why a person should look at an instance; nothing, if it goes its way."""
    return tuple(_attention(instance, now))


def _attention(instance: Instance[Any], now: datetime) -> Iterator[str]:
    if instance.status is Status.STALLED:
        yield "stalled"
    if instance.status.is_final:
        return
    if instance.next_timer_at is not None and instance.next_timer_at < now - TIMER_LATE:
        yield "alarm overdue"
    for wait in waits(instance):
        if wait.command_state.sendings >= SENT_OFTEN:
            yield f"{wait.step} sent {wait.command_state.sendings} times"
