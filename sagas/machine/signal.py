"""Everything that can happen to an instance. Each carries the time at which it happened, by the coordinator's clock."""

from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from contracts import Event, Failure, Reply
from sagas.machine.failure import Cause


@dataclass(frozen=True, slots=True)
class Start:
    """The business event that starts an instance."""

    at: datetime
    event: Event


@dataclass(frozen=True, slots=True)
class Answer:
    """A participant has answered the command `command_id`."""

    at: datetime
    command_id: str
    reply: Reply | Failure


@dataclass(frozen=True, slots=True)
class Wake:
    """The instance's alarm has rung."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Cancel:
    """The business, or an operator, does not want it any more. `why` is for people."""

    at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Send nothing and ring no alarm until it is resumed; replies are still recorded."""

    at: datetime
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on after a pause."""

    at: datetime
    who: str
    why: str


@dataclass(frozen=True, slots=True)
class Obstruct:
    """The coordinator cannot carry out what the definition asks: a command too large, a function that raises.

    `command_id` is the command that was never sent, None if it is no single command.
    """

    at: datetime
    cause: Cause
    command_id: str | None = None


Signal: TypeAlias = Start | Answer | Wake | Cancel | Pause | Resume | Obstruct
