"""A world around one instance: a network that loses, repeats and delays, and participants that dedupe and fence.

Nothing here knows how the machine works: it hears commands, answers them, and keeps a ledger of what was done.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any

from contracts import Event, Failure, Reply
from sagas.machine import (
    Answer,
    Cancel,
    Decision,
    Direction,
    Instance,
    Pause,
    Resume,
    Saga,
    Send,
    Signal,
    Start,
    Wake,
    transition,
)
from tests.machine.made import TIME

MOST_TURNS = 5_000
STRANGER = "00000000-0000-5000-8000-000000000000"


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


class Act(Enum):
    """What may happen next in the world."""

    ADVANCE = "a reply arrives, or a participant handles a command, or else the alarm rings"
    HANDLE_COPY = "a participant handles a copy of a command that is still on its way"
    LOSE_COMMAND = "a command is lost"
    ANSWER_COPY = "a copy of a reply arrives"
    LOSE_REPLY = "a reply is lost"
    ALARM = "time passes until the alarm rings"
    TO_THE_INSTANT = "time passes until the alarm is due, but something else comes first"
    A_WHILE = "some time passes"
    CLOCK_BACK = "the clock is set back by up to an hour (I21)"
    EARLY_ALARM = "an alarm rings, due or not"
    CANCEL = "somebody cancels"
    PAUSE = "an operator pauses"
    RESUME = "an operator resumes"
    START_AGAIN = "the start comes once more"
    STRANGER = "a reply to nothing arrives"


@dataclass(frozen=True, slots=True)
class Turned:
    """One signal and what the machine decided; `before` is None at the start."""

    before: Instance[Any] | None
    signal: Signal
    decision: Decision[Any]

    @property
    def after(self) -> Instance[Any]:
        return self.decision.instance


@dataclass(slots=True)
class Participants:
    """All participants of a saga: each command id is answered once and for all, and an undo bars its original."""

    answers: dict[str, Reply] = field(default_factory=dict)
    effects: dict[str, str] = field(default_factory=dict)
    undone: set[str] = field(default_factory=set)

    def handle(self, send: Send, mood: Mood) -> Reply:
        """Handle a command, or answer a copy of it as before."""
        if send.command_id not in self.answers:
            self.answers[send.command_id] = self._handle_first(send, mood)
        return self.answers[send.command_id]

    def net(self) -> Counter[str]:
        """How often each step's effect stands now."""
        return Counter(step for id_, step in self.effects.items() if id_ not in self.undone)

    def _handle_first(self, send: Send, mood: Mood) -> Reply:
        if send.compensates is None and send.command_id in self.undone:
            return Failure(code="undone-before", message="its undo came first", retryable=False)
        if mood is not Mood.WILLING:
            return Failure(code="no", message=mood.value, retryable=mood is Mood.BUSY)
        if send.compensates is None:
            self.effects[send.command_id] = send.step
        else:
            self.undone.add(send.compensates)
        return send.command.reply(**dict.fromkeys(send.command.reply.model_fields, f"by {send.command_id}"))


@dataclass(slots=True)
class World:
    """One instance, its participants, and everything on its way between them. `turns` is the whole history."""

    saga: Saga[Any, Any]
    event: Event
    unwilling: frozenset[Place] = frozenset()
    participants: Participants = field(default_factory=Participants)
    commands: list[Send] = field(default_factory=list)
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    turns: list[Turned] = field(default_factory=list)
    now: Any = TIME

    @property
    def instance(self) -> Instance[Any]:
        return self.turns[-1].after

    @property
    def sent(self) -> Iterator[Send]:
        """Every command that was ever published, copies included."""
        return (send for turn in self.turns for send in turn.decision.commands)

    def start(self) -> Turned:
        return self.hear(Start(self.now, self.event))

    def hear(self, signal: Signal) -> Turned:
        """Give a signal to the machine, and put what it sends on its way."""
        before = self.instance if self.turns else None
        turned = Turned(before, signal, transition(self.saga, before, signal))
        self.turns.append(turned)
        self.commands.extend(turned.decision.commands)
        return turned

    def go_well(self, turns: int) -> Iterator[Turned]:
        """For some turns nothing goes wrong: a command is carried out and its reply arrives."""
        for _ in range(turns):
            if self.commands:
                self._deliver(self.commands.pop(0), Mood.WILLING)
                yield self._answer(self.replies.pop(0))

    def act(self, act: Act, chance: int) -> Turned | None:  # noqa: C901  one arm for each act
        """Let something happen, as far as it can; `chance` picks among what there is. Returns the turn, if any."""
        match act:
            case Act.HANDLE_COPY if self.commands:
                self._handle(self.commands[chance % len(self.commands)], chance)
            case Act.LOSE_COMMAND if self.commands:
                self.commands.pop(chance % len(self.commands))
            case Act.ANSWER_COPY if self.replies:
                return self._answer(self.replies[chance % len(self.replies)])
            case Act.LOSE_REPLY if self.replies:
                self.replies.pop(chance % len(self.replies))
            case Act.ADVANCE:
                return self._advance(chance)
            case Act.ALARM if self.instance.wake_at:
                return self._ring()
            case Act.TO_THE_INSTANT if self.instance.wake_at:
                self.now = max(self.now, self.instance.wake_at)
            case Act.A_WHILE:
                self.now += timedelta(seconds=(1, 7, 61, 400)[chance % 4])
            case Act.CLOCK_BACK:
                self.now -= timedelta(minutes=5 * chance)
            case _:
                return self._intervene(act)
        return None

    def _advance(self, chance: int) -> Turned | None:
        """Let the most that is possible happen: one reply in four waits behind a command."""
        if self.replies and (chance % 4 or not self.commands):
            return self._answer(self.replies.pop(chance % len(self.replies)))
        if self.commands:
            self._handle(self.commands.pop(chance % len(self.commands)), chance)
            return None
        return self._ring() if self.instance.wake_at else None

    def _ring(self) -> Turned:
        self.now = max(self.now, self.instance.wake_at or self.now)
        return self.hear(Wake(self.now))

    def _intervene(self, act: Act) -> Turned | None:
        match act:
            case Act.EARLY_ALARM:
                return self.hear(Wake(self.now))
            case Act.CANCEL:
                return self.hear(Cancel(self.now, "not wanted any more"))
            case Act.PAUSE:
                return self.hear(Pause(self.now, "olga", "to look at it"))
            case Act.RESUME:
                return self.hear(Resume(self.now, "olga", "looked at it"))
            case Act.START_AGAIN:
                return self.hear(Start(self.now, self.event))
            case Act.STRANGER:
                return self._answer(
                    ("00000000-0000-5000-8000-000000000000", Failure(code="?", message="", retryable=True))
                )
            case _:
                return None

    def heal(self) -> Iterator[Turned]:
        """End all faults: everything on its way arrives, everybody is willing, time goes on until the end."""
        yield self.hear(Resume(self.now, "olga", "all is well again"))
        for _ in range(MOST_TURNS):
            if self.commands:
                self._deliver(self.commands.pop(0), Mood.WILLING)
            elif self.replies:
                yield self._answer(self.replies.pop(0))
            elif self.instance.wake_at:
                yield self._ring()
            else:
                return
        message = f"still {self.instance.status} after {MOST_TURNS} turns without a fault"
        raise AssertionError(message)

    def haunt(self) -> Iterator[Turned]:
        """After the end: a copy of every command that was ever sent arrives late, and so do the replies to it."""
        for send in list(self.sent):
            yield self._answer((send.command_id, self.participants.handle(send, Mood.WILLING)))

    def _handle(self, send: Send, chance: int) -> None:
        """Let a participant handle a command in a mood that the world allows it."""
        unwilling = Mood.UNWILLING if self._place(send) in self.unwilling else Mood.WILLING
        self._deliver(send, (Mood.WILLING, unwilling, Mood.BUSY)[chance // 4 % 3])

    def _deliver(self, send: Send, mood: Mood) -> None:
        self.replies.append((send.command_id, self.participants.handle(send, mood)))

    def _answer(self, reply: tuple[str, Reply]) -> Turned:
        return self.hear(Answer(self.now, *reply))

    def _place(self, send: Send) -> Place:
        pivots = {name for name, rule in self.saga.table.items() if rule.step.is_pivot}
        if send.direction is Direction.COMPENSATION:
            return Place.UNDO
        if send.step in pivots:
            return Place.PIVOT
        return Place.BEFORE if pivots.isdisjoint(self.participants.effects.values()) else Place.AFTER
