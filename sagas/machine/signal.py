"""Everything that can happen to an instance, each with the time at which it happened by the coordinator's clock.

Those with `who` and `reason` are operator actions; each may be refused, with a reason.
"""

from datetime import datetime
from typing import Any, TypeAlias

from msgspec import Struct

from saga_coordinator.contracts import Command, Event, Failure, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.machine.instance import Status


class Start(Struct, frozen=True):
    """The business event that starts an instance; a child starts on the command `command_id`."""

    at: datetime
    event: Event | Command[Any]
    command_id: str | None = None


class ReplyReceived(Struct, frozen=True):
    """A participant has answered the command `command_id`."""

    at: datetime
    command_id: str
    reply: Reply | Failure


class EventReceived(Struct, frozen=True):
    """A business event that may be awaited at `address`.

    `event_id` is its message id, unique within its `source`; that is None in what was recorded before it was kept.
    """

    at: datetime
    event: Event
    address: str
    event_id: str
    source: str | None = None


class TimerFired(Struct, frozen=True):
    """The instance's timer fired. `unsent` are ids of commands still in the outbox: nobody can have answered them."""

    at: datetime
    unsent: tuple[str, ...] = ()


class Cancel(Struct, frozen=True):
    """A business event or an operator (`who`) cancels the instance. `reason` is for people."""

    at: datetime
    reason: str
    who: str | None = None


class Pause(Struct, frozen=True):
    """Send nothing and fire no timer until it is resumed; replies are still recorded."""

    at: datetime
    who: str
    reason: str


class Resume(Struct, frozen=True):
    """Continue after a pause."""

    at: datetime
    who: str
    reason: str


class Park(Struct, frozen=True):
    """A record has failed for the instance: its timers stand still, as later records wait behind this one."""

    at: datetime
    record: str


class Unpark(Struct, frozen=True):
    """The record is decided again, or dropped; then those that wait behind it are decided."""

    at: datetime


class RetryStep(Struct, frozen=True):
    """Send a step's command again now; None: all that a stalled instance gave up."""

    at: datetime
    who: str
    reason: str
    step: str | None = None


class SkipStep(Struct, frozen=True):
    """Mark a step, or its compensation where that was sent, as done with this reply.

    A `receive` takes its event as the reply, a `delay` nothing.
    """

    at: datetime
    who: str
    reason: str
    step: str
    reply: Reply | Event | None = None


class Resolve(Struct, frozen=True):
    """An operator has ended a stalled instance by hand, as `completed` or `compensated`."""

    at: datetime
    who: str
    reason: str
    status: Status


class Block(Struct, frozen=True):
    """The coordinator cannot execute the definition: a command is too large, a function raises.

    `command_id` is the command that was never sent, None if it is no single command.
    """

    at: datetime
    cause: Cause
    command_id: str | None = None


OperatorAction: TypeAlias = RetryStep | SkipStep | Pause | Resume | Resolve
"""What only an operator does; a `Cancel` may come from an event too."""

Signal: TypeAlias = Start | ReplyReceived | EventReceived | TimerFired | Cancel | Block | Park | Unpark | OperatorAction
