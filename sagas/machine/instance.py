"""One run of a saga at one moment: its data, and how far each step has come in each direction."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Generic, get_origin, get_type_hints

from msgspec import Struct, field
from msgspec.structs import replace

from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import D


class Status(StrEnum):
    """Running -> completed; running -> compensating -> compensated; either -> stalled, left only by an operator."""

    RUNNING = "running"
    COMPENSATING = "compensating"
    STALLED = "stalled"
    COMPLETED = "completed"
    COMPENSATED = "compensated"

    @property
    def is_final(self) -> bool:
        """Return whether the instance has ended: no signal changes it any more."""
        return self is Status.COMPLETED or self is Status.COMPENSATED


class Direction(StrEnum):
    """Forward executes a step; compensation undoes it."""

    FORWARD = "forward"
    COMPENSATION = "compensation"


class Progress(StrEnum):
    """How far one direction of a step has come."""

    ASKED = "asked"
    """The command was sent; its reply is awaited until `due_at`."""
    WAITING = "waiting"
    """Definitely not done; it is sent again, under a new id, at `due_at`."""
    DONE = "done"
    REFUSED = "refused"
    """Definitely not done, and not sent again."""
    UNKNOWN = "unknown"
    """No reply came in time, and it is not sent again: it may have been done."""


class CommandState(Struct, frozen=True, omit_defaults=True, gc=False):
    """The command of one direction of a step.

    `attempt` is part of the command id and grows only after a definite "not done"; `sendings` counts every sending.
    `payload` is the command's JSON while it may have to be sent again: the same id never has two contents.
    `repeated`: it was sent under this id before. `since` is when it was first sent, where its retry has a total time.
    `withdrawn`: its cancel was sent.
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

    def with_progress(self, progress: Progress, due_at: datetime | None) -> "CommandState":
        """Return it with this progress. One that is not sent again under this id drops its payload."""
        may_be_sent_again = progress is Progress.UNKNOWN
        return CommandState(
            progress=progress,
            attempt=self.attempt,
            sendings=self.sendings,
            command_id=self.command_id,
            asked_at=self.asked_at,
            due_at=due_at,
            payload=self.payload if may_be_sent_again else None,
            since=self.since,
            repeated=self.repeated and may_be_sent_again,
            withdrawn=self.withdrawn and may_be_sent_again,
        )

    def sent_again(self, at: datetime, due_at: datetime) -> "CommandState":
        """Return it after one more sending under the same id."""
        sendings = self.sendings + 1
        return replace(self, progress=Progress.ASKED, sendings=sendings, asked_at=at, due_at=due_at, repeated=True)

    def restarted(self, at: datetime) -> "CommandState":
        """Return it due to be sent now, as if for the first time: after a "not done" under a new id."""
        progress = Progress.WAITING if self.progress is Progress.REFUSED else self.progress
        return replace(self, progress=progress, sendings=0, due_at=at, since=None if self.since is None else at)

    def shifted(self, by: timedelta) -> "CommandState":
        """Return it with its due time and the start of its total time moved; one that is not due stays as it is."""
        if self.due_at is None:
            return self
        return replace(self, due_at=self.due_at + by, since=self.since and self.since + by)


class WaitState(Struct, frozen=True, omit_defaults=True, gc=False):
    """The progress of a `receive` or a `delay`: asked (it waits until `due_at`), done, or refused (given up).

    An event finds it by `address`; `event_id` is the id of the event that came, `event_source` who sent it.
    """

    progress: Progress
    since: datetime
    due_at: datetime
    address: str | None = None
    event_id: str | None = None
    event_source: str | None = None

    def has_received(self, id_: str, source: str | None) -> bool:
        """Return whether this event ended it. An id is unique within its source; an unknown source is any."""
        return self.event_id == id_ and (source is None or self.event_source in {None, source})


class Attempt(Struct, frozen=True, omit_defaults=True, gc=False):
    """Which of several alternatives is tried, from 0; `cause` is why it has failed and is being compensated."""

    number: int = 0
    cause: Cause | None = None


class StepRun(Struct, frozen=True, omit_defaults=True, gc=False):
    """The progress of one step: its command and, once that was sent, its compensation."""

    forward: CommandState
    compensation: CommandState | None = None

    def command_state(self, direction: Direction) -> CommandState | None:
        """Return the command of a direction, None if it was never sent."""
        return self.forward if direction is Direction.FORWARD else self.compensation


class Instance(Struct, Generic[D], frozen=True, kw_only=True):
    """One run of a saga. Times are UTC, by the coordinator's clock.

    `steps` holds the steps that were reached, in that order, and `waits` the receives and delays; `choices` what each
    branch decided, `attempts` how far each alternatives node has come, and `lists` for each `for_each` its items as
    JSON, by the names of their steps. `cause` is why it compensates, `stall` why it cannot continue alone.
    `deadline_at` is None once the pivot was sent. Parked, it waits behind a record that failed for it.
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
    deadline_at: datetime | None = None
    paused_at: datetime | None = None
    parked_at: datetime | None = None
    ended_at: datetime | None = None
    cause: Cause | None = None
    stall: Cause | None = None
    waits: Mapping[str, WaitState] = field(default_factory=dict)
    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def is_active(self) -> bool:
        """Return whether it may send anything: neither ended, stalled nor paused."""
        return self.paused_at is None and self.status in {Status.RUNNING, Status.COMPENSATING}

    @property
    def next_timer_at(self) -> datetime | None:
        """When its one timer fires: the earliest of its timeouts, retries and its deadline; None without any.

        Those of a parked instance stand still: what they wait for may be queued.
        """
        if not self.is_active or self.parked_at is not None:
            return None
        times = [command.due_at for command in command_states(self.steps) if command.due_at is not None]
        times += [wait.due_at for wait in self.waits.values() if wait.progress is Progress.ASKED]
        if self.status is Status.RUNNING and self.deadline_at is not None:
            times.append(self.deadline_at)
        return min(times, default=None)


FIELDS: Final = get_type_hints(Instance)
"""The fields of an instance, with their types."""

BY_NAME: Final = tuple(name for name, kind in FIELDS.items() if get_origin(kind) is Mapping)
"""The fields that hold something of each node, by its name."""


def command_states(steps: Mapping[str, StepRun]) -> Iterator[CommandState]:
    """Yield every command of every step that was reached."""
    for run in steps.values():
        yield run.forward
        if run.compensation is not None:
            yield run.compensation
