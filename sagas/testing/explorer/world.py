"""One instance and everything around it at one moment: which commands stand open, and who will answer how."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from saga_coordinator.contracts import Event, Reply
from saga_coordinator.sagas.machine import Decision, Delay, Direction, Progress, Receive, Retry, Send, Status, StepPlan
from saga_coordinator.sagas.testing.explorer.order import AnyInstance, AnySaga, Order

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION

Way = tuple[str, Direction]
"""A step in one direction."""


class Mood(StrEnum):
    """How whoever is asked from now on behaves; who has no mood answers in time, and well."""

    BUSY = "always answers that it may be asked again"
    LATE = "answers after its time"
    SILENT = "never answers"


class Heard(StrEnum):
    """What the coordinator has heard of a command."""

    DONE = "done"
    BUSY = "not done, but it may be asked again"
    REFUSED = "not done"
    TOO_LATE = "not done, but its undo was sent before that was heard"


@dataclass(frozen=True, slots=True)
class Call:
    """A command that was sent, once or more often under the same id; `reply` is what answered it, as `heard`."""

    send: Send
    sendings: int
    first_at: datetime
    due_at: datetime
    heard: Heard | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """When a delay or a receive is over, and which key the event must have that a receive gets."""

    due_at: datetime
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that may decide what happens next.

    `faults` and `undo_faults` are how many may still come, there and back, and `faults_in_all` together.
    `calls` are the attempts of each way, the oldest first; `waits` when each delay or receive is over; `overtaken` how
    often each undo was sent again because its original came late; `received` the event that each receive got.
    """

    saga: AnySaga
    order: Order
    instance: AnyInstance
    start: Any
    now: datetime
    faults: int
    undo_faults: int
    faults_in_all: int
    calls: Mapping[Way, tuple[Call, ...]]
    moods: Mapping[Way, Mood]
    waits: Mapping[str, Wait]
    received: Mapping[str, Event]
    overtaken: Mapping[str, int]
    withdrawn: frozenset[str] = frozenset()
    outcomes: int = 0

    # --- what there is to see

    def step_plan(self, step: str) -> StepPlan[Any]:
        """Return what holds for a step."""
        return self.saga.step_plan(step)

    def last(self, step: str, direction: Direction = FORWARD) -> Call | None:
        """Return the newest attempt of a way."""
        calls = self.calls.get((step, direction))
        return calls[-1] if calls else None

    def open(self) -> Iterator[tuple[Way, Call]]:
        """Yield the commands that were never answered."""
        for way, calls in self.calls.items():
            if calls[-1].reply is None:
                yield way, calls[-1]

    def sendings(self, way: Way) -> int:
        """Return how often a way was asked in all, under any id."""
        return sum(call.sendings for call in self.calls.get(way, ()))

    def retry(self, way: Way) -> Retry:
        """Return the retry that holds for a way."""
        step_plan = self.step_plan(way[0])
        return step_plan.retry if way[1] is FORWARD else step_plan.step.compensate_retry

    def may_ask_again(self, way: Way, at: datetime) -> bool:
        """Say whether the retry allows one more sending at a time: an undo that was overtaken has one more."""
        retry, first = self.retry(way), self.calls[way][0].first_at
        extra = self.overtaken.get(way[0], 0) if way[1] is COMPENSATION else 0
        in_number = retry.attempts is None or self.sendings(way) < retry.attempts + extra
        return in_number and (retry.total is None or at - first <= retry.total)

    def is_in_flight(self, step: str) -> bool:
        """Say whether a step's answer is still awaited."""
        call = self.last(step)
        return call is not None and call.reply is None and call.due_at > self.now

    def is_done(self, name: str) -> bool:
        """Say whether a step was answered well, or a wait is over."""
        call = self.last(name)
        if call is not None:
            return call.heard is Heard.DONE
        wait = self.instance.waits.get(name)
        return wait is not None and wait.progress is Progress.DONE

    def may_be_done(self, step: str) -> bool:
        """Say whether a step that can be undone has, or may have, taken effect."""
        call, step_plan = self.last(step), self.step_plan(step)
        if call is None or step_plan.undo is None or call.heard in {Heard.BUSY, Heard.REFUSED}:
            return False
        return call.heard is Heard.DONE or step_plan.step.undo_when_unknown

    def is_undone(self, step: str) -> bool:
        """Say whether a step's undo was sent and acknowledged."""
        undo = self.last(step, COMPENSATION)
        return undo is not None and undo.heard is Heard.DONE

    @property
    def steps(self) -> list[str]:
        """The steps that were asked, in that order."""
        return [step for step, direction in self.calls if direction is FORWARD]

    @property
    def pivot(self) -> Call | None:
        """The pivot's newest command, if it was sent."""
        return next((call for name in self.saga.pivots if (call := self.last(name))), None)

    # --- what becomes of it

    def hearing(self, way: Way, reply: Reply, heard: Heard) -> "World":
        """Return the world in which the newest command of a way is answered."""
        calls = self.calls[way]
        answered = replace(calls[-1], reply=reply, heard=heard)
        return replace(self, calls={**self.calls, way: (*calls[:-1], answered)})

    def after(self, decision: Decision[Any]) -> "World":
        """Return the world after a decision: what it sends stands open, and whoever missed the time is late."""
        calls = dict(self.calls)
        for send in decision.commands:
            _take(calls, send, self.now, self.now + self._timeout(send.step, decision))
        waits = dict(self.waits)
        for name in decision.instance.waits.keys() - waits.keys():
            waits[name] = self._wait(name, decision)
        late = {
            way: Mood.LATE
            for way, each in calls.items()
            if each[-1].reply is None and each[-1].due_at <= self.now and way not in self.moods
        }
        return replace(
            self,
            instance=decision.instance,
            calls=calls,
            waits=waits,
            moods={**self.moods, **late},
            withdrawn=self.withdrawn | {each.message.command_id for each in decision.withdrawals},
            outcomes=self.outcomes + (decision.outcome is not None),
        )

    def key(self) -> tuple[object, ...]:
        """Return all that decides what may happen from here on, times as they lie from now. Equal worlds are one."""
        one = self.instance
        deadline = one.deadline_at - self.now if one.deadline_at and one.status is Status.RUNNING else None
        return (
            one.status,
            one.data.model_dump_json(),
            deadline,
            tuple(sorted(one.choices.items())),
            tuple(
                (name, attempt.number, attempt.cause and attempt.cause.code) for name, attempt in one.attempts.items()
            ),
            (one.cause is None, one.stall is None),
            frozenset((name, *self._progress(name)) for name in one.steps),
            frozenset(
                (n, w.progress, w.due_at - self.now if w.progress is Progress.ASKED else None)
                for n, w in one.waits.items()
            ),
            frozenset((way, *(self._told(way, call) for call in calls)) for way, calls in self.calls.items()),
            frozenset((way, mood) for way, mood in self.moods.items() if not self._is_over(way)),
            (self.faults, self.undo_faults, self.faults_in_all, frozenset(self.overtaken.items()), self.withdrawn),
        )

    # --- how

    def _timeout(self, step: str, decision: Decision[Any]) -> timedelta:
        return _length(self.step_plan(step).step.timeout, decision.instance.data)

    def _wait(self, name: str, decision: Decision[Any]) -> Wait:
        data = decision.instance.data
        for node in self.order.nodes:
            if isinstance(node, Delay) and node.name == name:
                due_at = node.until(data) if node.until else self.now + _length(node.lasts or timedelta(0), data)
                return Wait(due_at, "")
            if isinstance(node, Receive) and node.name == name:
                key = node.expects(data) if node.expects else decision.instance.key
                return Wait(self.now + _length(node.timeout, data), key)
        raise LookupError(f"saga {self.saga.name} waits for {name}, which is neither a receive nor a delay of it")

    def _progress(self, name: str) -> Iterator[object]:
        for direction in Direction:
            command_state = self.instance.steps[name].command_state(direction)
            if command_state is not None and command_state.progress in {Progress.DONE, Progress.REFUSED}:
                yield (command_state.progress, command_state.attempt)
            elif command_state is not None:
                due = command_state.due_at - self.now if command_state.due_at else None
                since = self.now - command_state.since if command_state.since else None
                yield (command_state.progress, command_state.attempt, command_state.sendings, due, since)

    def _is_over(self, way: Way) -> bool:
        """Say whether a way is never asked again, so that it no more matters how it would answer."""
        calls = self.calls.get(way)
        return calls is not None and calls[-1].heard in {Heard.DONE, Heard.REFUSED, Heard.TOO_LATE}

    def _told(self, way: Way, call: Call) -> object:
        since = self.now - call.first_at if self.retry(way).total is not None and not call.heard else None
        due = max(call.due_at - self.now, timedelta(0)) if call.reply is None else None
        if call.heard in {Heard.DONE, Heard.REFUSED}:
            return (call.send.attempt, call.heard)
        return (call.send.attempt, call.sendings, call.heard, call.send.payload, due, since)


def _length(duration: timedelta | Callable[[Any], timedelta], data: BaseModel) -> timedelta:
    return duration if isinstance(duration, timedelta) else duration(data)


def _take(calls: dict[Way, tuple[Call, ...]], send: Send, now: datetime, due_at: datetime) -> None:
    """Note that a command was sent: a new one, or one that stands open once more."""
    way = send.step, send.direction
    before = calls.get(way, ())
    if before and before[-1].send.command_id == send.command_id:
        again = replace(before[-1], sendings=before[-1].sendings + 1, due_at=due_at)
        calls[way] = (*before[:-1], again)
    else:
        calls[way] = (*before, Call(send, 1, now, due_at))
