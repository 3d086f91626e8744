"""A world around one instance: a network that loses, repeats and delays, events, clocks, and people who intervene.

What it does depends on what was sent, and on where the instance stands only as far as an operator sees it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from msgspec import structs

from saga_coordinator.contracts import Event, Failure, Reply
from saga_coordinator.sagas import Cause, Saga
from saga_coordinator.sagas.machine import (
    Block,
    Cancel,
    Direction,
    EventReceived,
    Ignored,
    Instance,
    Park,
    Pause,
    Progress,
    ReplyReceived,
    Resume,
    Send,
    Signal,
    Start,
    TimerFired,
    Unpark,
    address,
    transition,
)
from saga_coordinator.sagas.testing.invariants.observation import Observation, begin, observe
from tests.support.saga_kit import TIME, Paid
from tests.unit.properties._support import people
from tests.unit.properties._support.acts import Act
from tests.unit.properties._support.participants import Mood, Participants, Place

MAX_TRANSITIONS = 5_000
OBSTRUCTED = "obstructed"
STRANGER = "00000000-0000-5000-8000-000000000000"


@dataclass(slots=True)
class World:
    """One instance, its participants, and everything on its way between them. `seen` is the whole history."""

    saga: Saga[Any, Any]
    event: Event
    unwilling: frozenset[Place] = frozenset()
    is_eventful: bool = True
    participants: Participants = field(default_factory=Participants)
    commands: list[Send] = field(default_factory=list)
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    withdrawals: list[str] = field(default_factory=list)
    happened: list[EventReceived] = field(default_factory=list)
    held: list[EventReceived] = field(default_factory=list)
    never_sent: set[str] = field(default_factory=set)
    is_resolved: bool = False
    seen: list[Observation] = field(default_factory=list)
    now: Any = TIME
    latest: Any = TIME

    @property
    def instance(self) -> Instance[Any]:
        return self.seen[-1].after.instance

    @property
    def sent(self) -> Iterator[Send]:
        """Every command that was ever published, copies included."""
        decided = (send for seen in self.seen for send in seen.decision.commands)
        return (send for send in decided if send.command_id not in self.never_sent)

    def start(self) -> Observation:
        return self.hear(Start(self.now, self.event))

    def hear(self, signal: Signal) -> Observation:
        """Give a signal to the machine, and put what it sends on its way."""
        decision = transition(self.saga, self.instance if self.seen else None, signal)
        seen = observe(self.seen[-1].after, signal, decision) if self.seen else begin(self.saga, signal, decision)
        self.seen.append(seen)
        self.latest = max(self.latest, signal.at)
        for send in seen.decision.commands:
            self.participants.hear(self.saga, send, self.now)
        self.commands.extend(seen.decision.commands)
        self.withdrawals.extend(each.message.command_id for each in seen.decision.withdrawals)
        if isinstance(signal, EventReceived) and seen.decision.ignored is Ignored.EARLY:
            self.held += [] if signal.event_id in {each.event_id for each in self.held} else [signal]
        return seen

    def offer(self) -> Iterator[Observation]:
        """Offer what came early once more, as often as something follows."""
        for happen in list(self.held):
            seen = self.hear(structs.replace(happen, at=self.now))
            yield seen
            if seen.decision.ignored is not Ignored.EARLY:
                self.held.remove(happen)
                yield from self.offer()
                return

    def go_well(self, turns: int) -> Iterator[Observation]:
        """For some turns nothing goes wrong: a command is carried out and its reply arrives."""
        for _ in range(turns):
            if self.commands:
                seen = self._deliver(self.commands.pop(0), Mood.WILLING)
                yield seen or self._answer(self.replies.pop(0))

    def act(self, act: Act, chance: int) -> Observation | None:  # noqa: C901  one arm for each act
        """Let something happen, as far as it can; `chance` picks among what there is. Returns the turn, if any."""
        match act:
            case Act.HANDLE_COPY if self.commands:
                return self._handle(self.commands[chance % len(self.commands)], chance)
            case Act.LOSE_COMMAND if self.commands:
                self.commands.pop(chance % len(self.commands))
            case Act.LOSE_WITHDRAWAL if self.withdrawals:
                self.withdrawals.pop()
            case Act.WITHDRAW if self.withdrawals:
                self._withdraw(self.withdrawals.pop(0))
            case Act.ANSWER_COPY if self.replies:
                return self._answer(self.replies[chance % len(self.replies)])
            case Act.LOSE_REPLY if self.replies:
                self.replies.pop(chance % len(self.replies))
            case Act.ADVANCE:
                return self._advance(chance)
            case Act.TIMER if self.instance.next_timer_at:
                return self._fire_timer()
            case Act.TO_THE_INSTANT if self.instance.next_timer_at:
                self.now = max(self.now, self.instance.next_timer_at)
            case Act.A_WHILE:
                self.now += timedelta(seconds=(1, 7, 61, 400)[chance % 4])
            case Act.CLOCK_BACK:
                self.now -= timedelta(minutes=5 * chance)
            case _:
                return self._intervene(act) or self._act_as_operator(act, chance) or self._happen(act, chance)
        return None

    def _advance(self, chance: int) -> Observation | None:
        """Let the most that is possible happen: one reply in four waits behind a command."""
        if self.replies and (chance % 4 or not self.commands):
            return self._answer(self.replies.pop(chance % len(self.replies)))
        if self.commands:
            return self._handle(self.commands.pop(chance % len(self.commands)), chance)
        return self._fire_timer() if self.instance.next_timer_at else None

    def _fire_timer(self, *unsent: str) -> Observation:
        self.now = max(self.now, self.instance.next_timer_at or self.now)
        return self.hear(TimerFired(self.now, unsent))

    def _intervene(self, act: Act) -> Observation | None:
        match act:
            case Act.OUTAGE if self.instance.next_timer_at:
                return self._fire_timer(*{send.command_id: None for send in self.commands})
            case Act.EARLY_TIMER:
                return self.hear(TimerFired(self.now))
            case Act.CANCEL:
                return self.hear(Cancel(self.now, "not wanted any more"))
            case Act.PAUSE | Act.RESUME | Act.PARK | Act.UNPARK:
                return self.hear(self._standstill(act))
            case Act.START_AGAIN:
                return self.hear(Start(self.now, self.event))
            case Act.STRANGER:
                return self._answer((STRANGER, Failure(code="?", message="", retryable=True)))
            case _:
                return None

    def _standstill(self, act: Act) -> Signal:
        match act:
            case Act.PAUSE:
                return Pause(self.now, "olga", "to look at it")
            case Act.RESUME:
                return Resume(self.now, "olga", "looked at it")
            case Act.PARK:
                return Park(self.now, "topic:0:0")
            case _:
                return Unpark(self.now)

    def _act_as_operator(self, act: Act, chance: int) -> Observation | None:
        match act:
            case Act.RETRY:
                return self.hear(people.retry(self.instance, self.now, chance))
            case Act.SKIP:
                skip = people.skip(self.saga, self.instance, self.now, chance)
                seen = self.hear(skip)
                if seen.before is not None and seen.decision.ignored is None:
                    people.do_by_hand(self.participants, seen.before.instance, skip)
                return seen
            case Act.RESOLVE:
                seen = self.hear(people.resolve(self.now, chance))
                self.is_resolved |= seen.decision.ignored is None
                return seen
            case _:
                return None

    def _happen(self, act: Act, chance: int) -> Observation | None:
        match act:
            case Act.EVENT:
                happen = EventReceived(self.now, Paid(), self._address(chance), f"event-{len(self.happened)}")
                self.happened.append(happen)
                return self.hear(happen)
            case Act.EVENT_COPY if self.happened:
                return self.hear(structs.replace(self.happened[chance % len(self.happened)], at=self.now))
            case Act.OBSTRUCT:
                return self._obstruct()
            case _:
                return None

    def _address(self, chance: int) -> str:
        """Where an event goes: to the instance, or to a receive that expects a key of its own."""
        addresses = [self.instance.id]
        addresses += [
            address(self.saga.name, each.name, "bill of k-1") for each in self.saga.plan.receives if each.expects
        ]
        return addresses[chance % len(addresses)]

    def _obstruct(self) -> Observation | None:
        """The last command to be sent never leaves. It was perhaps sent before, under the same id."""
        last = self.seen[-1].decision.commands
        if not last or last[-1] not in self.commands:
            return None
        send = last[-1]
        if sum(each.command_id == send.command_id for each in self.sent) == 1:
            self.never_sent.add(send.command_id)
        self.commands.remove(send)
        return self.hear(Block(self.now, Cause(send.step, OBSTRUCTED, "too large"), send.command_id))

    def _withdraw(self, command_id: str) -> None:
        self.replies.append((command_id, self.participants.withdraw(command_id)))

    def heal(self) -> Iterator[Observation]:
        """End all faults: everything on its way arrives, everybody is willing, time goes on until the end."""
        yield self.hear(Unpark(self.now))
        yield self.hear(Resume(self.now, "olga", "all is well again"))
        for _ in range(MAX_TRANSITIONS):
            if self.commands:
                if seen := self._deliver(self.commands.pop(0), Mood.WILLING):
                    yield seen
            elif self.replies:
                yield self._answer(self.replies.pop(0))
            elif self.withdrawals:
                self._withdraw(self.withdrawals.pop(0))
            elif self.awaits_event and self.is_eventful:
                yield self.act(Act.EVENT, len(self.happened)) or self._fire_timer()
            elif self.instance.next_timer_at:
                yield self._fire_timer()
            else:
                return
        message = f"still {self.instance.status} after {MAX_TRANSITIONS} turns without a fault"
        raise AssertionError(message)

    def haunt(self) -> Iterator[Observation]:
        """After the end: a copy of every command that was ever sent arrives late, and so do the replies to it."""
        for send in list(self.sent):
            yield self._answer((send.command_id, self.participants.handle(send, Mood.WILLING, self.latest)))
        for happen in self.happened:
            yield self.hear(structs.replace(happen, at=self.now))

    @property
    def awaits_event(self) -> bool:
        """Say whether an event of any receive would be taken now."""
        return self.instance.is_active and any(
            wait.address and wait.progress is Progress.ASKED for wait in self.instance.waits.values()
        )

    def _handle(self, send: Send, chance: int) -> Observation | None:
        """Let a participant handle a command in a mood that the world allows it."""
        unwilling = Mood.UNWILLING if self._place(send) in self.unwilling else Mood.WILLING
        return self._deliver(send, (Mood.WILLING, unwilling, Mood.BUSY)[chance // 4 % 3])

    def _deliver(self, send: Send, mood: Mood) -> Observation | None:
        """Let a participant handle a command; its reply is on its way, or there at once where that is promised."""
        reply = self.participants.handle(send, mood, self.latest)
        if self.participants.promises(send):
            return self._answer((send.command_id, reply))
        self.replies.append((send.command_id, reply))
        return None

    def _answer(self, reply: tuple[str, Reply]) -> Observation:
        return self.hear(ReplyReceived(self.now, *reply))

    def _place(self, send: Send) -> Place:
        pivots = {name for name, step_plan in self.saga.plan.steps.items() if step_plan.step.is_pivot}
        if send.direction is Direction.COMPENSATION:
            return Place.UNDO
        if send.step in pivots:
            return Place.PIVOT
        return Place.BEFORE if pivots.isdisjoint(self.participants.effects.values()) else Place.AFTER
