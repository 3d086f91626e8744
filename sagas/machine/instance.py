"""One run of a saga at one moment: its data, and how far each step has come in each direction."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel

from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.fast_init import fast_init

D = TypeVar("D", bound=BaseModel)


class Status(StrEnum):
    """Running -> completed; running -> compensating -> compensated; either -> stalled, left only by an operator."""

    RUNNING = "running"
    COMPENSATING = "compensating"
    STALLED = "stalled"
    COMPLETED = "completed"
    COMPENSATED = "compensated"

    @property
    def is_final(self) -> bool:
        """Completed and compensated are absorbing."""
        return self is Status.COMPLETED or self is Status.COMPENSATED


class Direction(StrEnum):
    """Forward carries a step out; compensation undoes it."""

    FORWARD = "forward"
    COMPENSATION = "compensation"


class Progress(StrEnum):
    """How far one direction of a step has come."""

    ASKED = "asked"
    """The command was sent; it is awaited until `due_at`."""
    WAITING = "waiting"
    """Definitely not done; it is asked again, under a new id, at `due_at`."""
    DONE = "done"
    REFUSED = "refused"
    """Definitely not done, and not asked again."""
    UNKNOWN = "unknown"
    """It did not answer in time, and is not asked again: it may have been done."""


@fast_init
@dataclass(frozen=True, slots=True)
class CommandState:
    """One direction of a step.

    `attempt` names the command id and grows only after a definite "not done"; `sendings` counts every sending.
    `payload` is the command's JSON while it may have to be sent again: the same id never has two contents.
    `repeated`: it was sent under this id before.
    `since` is when it was first asked, where its retry has a total time. `withdrawn`: whoever carries it out was told
    that it is not wanted any more.
    """

    progress: Progress
    attempt: int
    sendings: int
    command_id: str
    asked_at: datetime
    due_at: datetime | None = None
    payload: str | None = None
    since: datetime | None = None
    repeated: bool = False
    withdrawn: bool = False


@fast_init
@dataclass(frozen=True, slots=True)
class WaitState:
    """The progress of a `receive` or a `delay`: asked (it waits until `due_at`), done, or refused (given up).

    An event finds it by `address`; `event_id` is the id of the one that came.
    """

    progress: Progress
    since: datetime
    due_at: datetime
    address: str | None = None
    event_id: str | None = None


@fast_init
@dataclass(frozen=True, slots=True)
class Attempt:
    """Which of several alternatives is tried, the first being 0; `cause`: why it is being undone, for the next one."""

    number: int = 0
    cause: Cause | None = None


@fast_init
@dataclass(frozen=True, slots=True)
class StepRun:
    """The progress of one step: the way there and, once it has been asked for, the way back."""

    forward: CommandState
    compensation: CommandState | None = None

    def command_state(self, direction: Direction) -> CommandState | None:
        """Return the leg of a direction, None if it was never asked."""
        return self.forward if direction is Direction.FORWARD else self.compensation


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Generic[D]):
    """One run of a saga. Times are UTC, by the coordinator's clock.

    `steps` holds the steps that were reached, in that order, and `waits` the receives and delays; `choices` what each
    branch decided, `trials` how far each alternatives node has come, and `lists` for each `for_each` its items as
    JSON, by the names of their steps. `cause` is why it undoes its steps, `stall` why it cannot go on alone.
    `deadline_at` is None once the pivot was sent.
    """

    id: str
    saga: str
    version: int
    key: str
    status: Status
    data: D
    steps: Mapping[str, StepRun]
    choices: Mapping[str, bool]
    started_at: datetime
    deadline_at: datetime | None
    paused_at: datetime | None = None
    ended_at: datetime | None = None
    cause: Cause | None = None
    stall: Cause | None = None
    waits: Mapping[str, WaitState] = field(default_factory=dict)
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        """Say whether it may send anything: neither over, stalled nor paused."""
        return self.paused_at is None and self.status in {Status.RUNNING, Status.COMPENSATING}

    @property
    def next_timer_at(self) -> datetime | None:
        """When it wants to be woken: the earliest of its timeouts, retries and its deadline. One alarm."""
        if not self.is_active:
            return None
        times = [
            command_state.due_at for command_state in command_states(self.steps) if command_state.due_at is not None
        ]
        times += [wait.due_at for wait in self.waits.values() if wait.progress is Progress.ASKED]
        if self.status is Status.RUNNING and self.deadline_at is not None:
            times.append(self.deadline_at)
        return min(times, default=None)


def command_states(steps: Mapping[str, StepRun]) -> Iterator[CommandState]:
    """Yield every leg of every step that was reached."""
    for run in steps.values():
        yield run.forward
        if run.compensation is not None:
            yield run.compensation
