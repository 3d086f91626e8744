"""What a transition returns: the next state, commands to send or cancel, and the outcome."""

from enum import StrEnum
from typing import Any, Generic

from msgspec import Struct

from saga_coordinator.contracts import CancelCommand, Command, Event, Reply
from saga_coordinator.sagas.language.nodes import D
from saga_coordinator.sagas.machine.instance import Direction, Instance


class Send(Struct, frozen=True):
    """A command to publish. `payload` is its JSON; the same `command_id` never has two payloads.

    `compensates` is the id of the command that this one undoes, None on the way forward.
    """

    command_id: str
    step: str
    direction: Direction
    attempt: int
    command: type[Command[Any]]
    payload: str
    compensates: str | None


class Withdrawal(Struct, frozen=True):
    """The cancel of a command still awaited: `message` goes to its participant, a child saga."""

    id: str
    step: str
    attempt: int
    command: type[Command[Any]]
    message: CancelCommand


class Ignored(StrEnum):
    """Why a signal changed nothing."""

    DUPLICATE = "duplicate"
    """It was applied before."""
    CONTRADICTION = "contradiction"
    """It says the opposite of the answer that was applied before: two may have carried out the command."""
    LATE = "late"
    """It comes too late to change anything."""
    SUPERSEDED = "superseded"
    """It answers an attempt that was given up for a newer one."""
    PAST_THE_PIVOT = "past the pivot"
    """Nothing is compensated any more."""
    UNKNOWN = "unknown"
    """It answers a command that this instance never sent."""
    EARLY = "early"
    """The event is not awaited yet: the caller buffers it until it is."""
    NOT_DUE = "not due"
    """A timer fired and nothing was due: another signal has already acted on it."""
    OUT_OF_PLACE = "out of place"
    """The action makes no sense in this status."""


class Decision(Struct, Generic[D], frozen=True):
    """What follows from a signal. `commands` leave in this order, then the withdrawals, then the outcome.

    The outcome is an event; a child's is the reply to its command.

    When `ignored` is set, `instance` is the very instance that came in, and `reason` says why in a sentence.
    """

    instance: Instance[D]
    commands: tuple[Send, ...] = ()
    outcome: Event | Reply | None = None
    withdrawals: tuple[Withdrawal, ...] = ()
    ignored: Ignored | None = None
    reason: str | None = None
