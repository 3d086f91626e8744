"""Participants that dedupe and fence, and a ledger of what was done. Nothing here knows how the machine works."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from saga_coordinator.contracts import Done, Failure, Reply
from saga_coordinator.sagas import Saga
from saga_coordinator.sagas.machine import Send


class Mood(Enum):
    """What a participant does with a command that it sees for the first time."""

    WILLING = "carries it out"
    BUSY = "has not done it, and may be asked again"
    UNWILLING = "has not done it and never will"


class Place(Enum):
    """Where in a saga a participant may be unwilling."""

    BEFORE = "before the pivot"
    PIVOT = "at the pivot"
    AFTER = "after the pivot, where it stalls the instance"
    UNDO = "on the way back, where it stalls the instance"


@dataclass(slots=True)
class Participants:
    """All participants of a saga: each command id is answered once and for all, and an undo bars its original.

    Where a step is not undone when unknown, they carry nothing out once its answer would come too late (`expires`).
    """

    answers: dict[str, Reply] = field(default_factory=dict)
    effects: dict[str, str] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)
    expires: dict[str, datetime] = field(default_factory=dict)

    def hear(self, saga: Saga[Any, Any], send: Send, at: datetime) -> None:
        """Note until when a command has to be carried out, if that was promised."""
        step = saga.plan.step(send.step).step
        if send.compensates is None and not step.undo_when_unknown and not callable(step.timeout):
            self.expires[send.command_id] = at + step.timeout

    def handle(self, send: Send, mood: Mood, at: datetime) -> Reply:
        """Handle a command, or answer a copy of it as before."""
        if send.command_id not in self.answers:
            self.answers[send.command_id] = self._handle_first(send, mood, at)
        return self.answers[send.command_id]

    def promises(self, send: Send) -> bool:
        """Say whether its answer must not be late: it comes at once or never."""
        return send.command_id in self.expires

    def withdraw(self, command_id: str) -> Reply:
        """Carry a command out no more, if it was not carried out yet; answer it."""
        return self.answers.setdefault(command_id, Failure(code="cancelled", message="withdrawn", retryable=False))

    def by_hand(self, command_id: str, step: str, compensates: str | None, reply: Reply | None) -> None:
        """Somebody has done by hand what a command asks for."""
        if compensates is None:
            self.effects[command_id] = step
        else:
            self.undone.add(compensates)
        self.answers.setdefault(command_id, reply or Done())

    def net(self) -> Counter[str]:
        """How often each step's effect stands now."""
        return Counter(step for id_, step in self.effects.items() if id_ not in self.undone)

    def _handle_first(self, send: Send, mood: Mood, at: datetime) -> Reply:
        if send.compensates is None and send.command_id in self.undone:
            return Failure(code="undone-before", message="its undo came first", retryable=False)
        if send.command_id in self.expires and at >= self.expires[send.command_id]:
            return Failure(code="expired", message="it came too late", retryable=False)
        if mood is not Mood.WILLING:
            later = 45.0 if mood is Mood.BUSY and int(send.command_id[0], 16) < 4 else None
            return Failure(code="no", message=mood.value, retryable=mood is Mood.BUSY, retry_after=later)
        if send.compensates is None:
            self.effects[send.command_id] = send.step
        else:
            self.undone.add(send.compensates)
        return send.command.reply(**dict.fromkeys(send.command.reply.model_fields, f"by {send.command_id}"))
