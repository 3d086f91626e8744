"""Runs instances of one saga in virtual time. The machine makes every transition; everything around it is random.

A heap holds what is going to happen: starts, replies, timers, events and cancels. The earliest happens, the machine
decides, and its commands go to the participants, which schedule their replies.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from saga_coordinator.contracts import Event, Message, Reply
from saga_coordinator.handlers.dispatch import RAISED
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.language.nodes import Receive, leaf
from saga_coordinator.sagas.machine import (
    Block,
    Cancel,
    Decision,
    Direction,
    EventReceived,
    Ignored,
    Instance,
    ReplyReceived,
    Send,
    Signal,
    Start,
    Status,
    TimerFired,
    transition,
)
from saga_coordinator.service.simulation.agenda import Agenda, as_datetime, as_moment, microseconds
from saga_coordinator.service.simulation.participants import Job, SimulatedParticipant
from saga_coordinator.service.simulation.resolved_model import ResolvedModel, key_field, stream


@dataclass(frozen=True, slots=True)
class Why:
    """What went wrong: a step (None: the whole instance), forward or in its compensation, and a code."""

    step: str | None
    direction: Direction
    code: str


@dataclass(frozen=True, slots=True)
class Ending:
    """The last status of one instance, since when, and the reason if something went wrong."""

    status: Status
    began: int
    ended: int
    why: Why | None


SENT = ("commands", "retries", "repeats", "compensations")
"""Sent forward, again under a new id after a retryable failure, under the same id after a timeout, and to undo it."""


@dataclass(slots=True)
class Tally:
    """What has happened so far."""

    endings: list[Ending] = field(default_factory=list)
    steps: defaultdict[str, Counter[str]] = field(default_factory=partial(defaultdict, Counter))
    """For each step, those of a `for_each` together, what was sent; see `SENT`."""
    events: defaultdict[str, Counter[str]] = field(default_factory=partial(defaultdict, Counter))
    """For each receive: arrived, buffered, unmatched."""
    raised: Counter[str] = field(default_factory=Counter)
    """Exceptions of the saga's own functions."""
    transitions: int = 0

    def sent(self, send: Send, *, is_repeated: bool) -> None:
        first = "commands" if send.direction is Direction.FORWARD else "compensations"
        self.steps[leaf(send.step)]["repeats" if is_repeated else "retries" if send.attempt > 1 else first] += 1


@dataclass(slots=True, eq=False)
class Run:
    """One instance and its jobs at participants. `timer_at` is the timer that is scheduled for it."""

    instance: Instance[Any]
    began: int
    timer_at: int | None = None
    jobs: dict[str, Job] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    buffered: dict[str, tuple[Event, int]] = field(default_factory=dict)
    stalled_at: int = 0


class Simulation:
    """A number of instances of one saga. After `run`, `tally` and `participants` hold the results."""

    def __init__(self, saga: AnySaga, model: ResolvedModel, instances: int, seed: int) -> None:
        """Prepare; nothing happens yet."""
        self.saga = saga
        self.model = model
        self.instances = instances
        self.agenda = Agenda()
        self.participants = {
            name: SimulatedParticipant(name, each, self.agenda, seed) for name, each in model.participants.items()
        }
        self.tally = Tally()
        self.last_start = 0
        self._chances = {each: stream(seed, each) for each in ("arrivals", "starts", "events", "cancels")}
        self._runs: list[Run] = []
        self._report: Callable[[str], None] = lambda _: None
        self._key_field: str | None = None

    def run(self, report: Callable[[str], None] = lambda _: None) -> None:
        """Let everything happen that is scheduled, up to the horizon; `report` is called with how far it is."""
        self._report = report
        end = self._schedule_starts() + microseconds(self.model.horizon)
        self.agenda.run(end)
        for run in self._runs:
            self.tally.endings.append(_ending(run, end))

    def _schedule_starts(self) -> int:
        """Schedule the start of every instance; return when the last one starts."""
        arrivals, chance, at = self.model.arrivals, self._chances["arrivals"], 0.0
        for number in range(self.instances):
            self.agenda.schedule(microseconds(at), partial(self._begin, number))
            self.last_start = microseconds(at)
            at += chance.expovariate(arrivals.rate) if arrivals.process == "poisson" else 1 / arrivals.rate
        return self.last_start

    # --- what happens

    def _begin(self, number: int) -> None:
        self._report(f"{number:,} of {self.instances:,} instances have started")
        start = Start(self._at, self._start(number), f"start-{number}" if self.saga.is_child else None)
        try:
            decision = transition(self.saga, None, start)
        except Exception as error:  # noqa: BLE001  the saga's own function: the service dead-letters the record
            self.tally.raised[f"{type(error).__name__}: {error}"] += 1
            return
        run = Run(decision.instance, self.agenda.now)
        self._runs.append(run)
        self._carry_out(run, decision)
        for receive in self.saga.plan.receives:
            self._schedule_event(run, receive, after="start")
        cancel, chance = self.model.cancel, self._chances["cancels"]
        if cancel is not None and chance.random() < cancel.share:
            self.agenda.after(cancel.delay.draw(chance), partial(self._cancel, run))

    def _start(self, number: int) -> Any:  # noqa: ANN401  the event, or a child's command
        """Draw the message that starts an instance, with a key of its own if the key is a field."""
        message: Message = self.model.starts.draw(self._chances["starts"])
        if number == 0:
            self._key_field = key_field(message, self.saga.correlate)
        if self._key_field is None:
            return message
        return message.model_copy(update={self._key_field: f"{self.saga.name}-{number + 1}"})

    def _answer(self, run: Run, command_id: str, reply: Reply) -> None:
        self._signal(run, ReplyReceived(self._at, command_id, reply))

    def _cancel(self, run: Run) -> None:
        self._signal(run, Cancel(self._at, "cancelled in the simulation"))

    def _fire_timer(self, run: Run, at: int) -> None:
        """Fire a timer, or schedule the next one if nothing is due any more. One that was replaced does nothing."""
        if run.timer_at != at:
            return
        next_timer_at = run.instance.next_timer_at
        run.timer_at = None
        if next_timer_at is not None and as_moment(next_timer_at) <= self.agenda.now:
            self._signal(run, TimerFired(self._at))
        else:
            self._set_timer(run)

    def _deliver(self, run: Run, receive: Receive[Any]) -> None:
        """Deliver an event; one that arrives early is buffered as long as the receive says."""
        _, events = self.model.coming[receive.name]
        event = events.draw(self._chances["events"])
        self.tally.events[receive.name]["arrived"] += 1
        if self._apply_event(run, receive, event) is Ignored.EARLY:
            self.tally.events[receive.name]["buffered"] += 1
            run.buffered[receive.name] = event, self.agenda.now + microseconds(receive.buffer_for.total_seconds())

    # --- what follows

    def _signal(self, run: Run, signal: Signal) -> Ignored | None:
        """Apply a signal. If a function of the saga raises, the instance stays as it was; at a timer it stalls."""
        try:
            decision = transition(self.saga, run.instance, signal)
        except Exception as error:  # noqa: BLE001  the saga's own function: it concerns this instance alone
            reason = f"{type(error).__name__}: {error}"
            self.tally.raised[reason] += 1
            if not isinstance(signal, TimerFired):
                return None
            decision = transition(self.saga, run.instance, Block(signal.at, Cause(None, RAISED, reason)))
        self._carry_out(run, decision)
        return decision.ignored

    def _carry_out(self, run: Run, decision: Decision[Any]) -> None:
        self.tally.transitions += 1
        run.instance = decision.instance
        if decision.ignored is not None:
            return
        for send in decision.commands:
            conduct = self.model.conduct[send.command]
            self.tally.sent(send, is_repeated=send.command_id in run.jobs)
            self.participants[conduct.participant].take(
                send.command_id, conduct, run.jobs, partial(self._answer, run, send.command_id)
            )
        for withdrawal in decision.withdrawals:
            job = run.jobs[withdrawal.message.command_id]
            self.participants[job.conduct.participant].withdraw(job)
        if run.instance.status is Status.STALLED:
            run.stalled_at = self.agenda.now
        self._set_timer(run)
        if run.instance.waits:
            self._begin_receives(run)
        if run.instance.status.is_final:
            run.jobs.clear()

    def _set_timer(self, run: Run) -> None:
        """Schedule the next timer of an instance, unless an earlier one is scheduled."""
        next_timer_at = run.instance.next_timer_at
        if next_timer_at is None:
            return
        at = max(as_moment(next_timer_at), self.agenda.now)
        if run.timer_at is None or at < run.timer_at:
            run.timer_at = at
            self.agenda.schedule(at, partial(self._fire_timer, run, at))

    def _begin_receives(self, run: Run) -> None:
        """Schedule the events of the receives that wait now and did not before; deliver those that are buffered."""
        for receive in self.saga.plan.receives:
            if receive.name in run.reached or receive.name not in run.instance.waits:
                continue
            run.reached.add(receive.name)
            self._schedule_event(run, receive, after="reached")
            event, until = run.buffered.pop(receive.name, (None, 0))
            if event is not None and self.agenda.now <= until:
                self._apply_event(run, receive, event)
            elif event is not None:
                self.tally.events[receive.name]["unmatched"] += 1

    def _schedule_event(self, run: Run, receive: Receive[Any], *, after: str) -> None:
        coming, _ = self.model.coming[receive.name]
        chance = self._chances["events"]
        if coming.after == after and chance.random() < coming.share:
            self.agenda.after(coming.delay.draw(chance), partial(self._deliver, run, receive))

    def _apply_event(self, run: Run, receive: Receive[Any], event: Event) -> Ignored | None:
        wait = run.instance.waits.get(receive.name)
        address = (wait and wait.address) or run.instance.id
        return self._signal(run, EventReceived(self._at, event, address, f"{run.instance.id}/{receive.name}"))

    @property
    def _at(self) -> datetime:
        return as_datetime(self.agenda.now)


def _ending(run: Run, end: int) -> Ending:
    instance = run.instance
    if instance.status is Status.STALLED and instance.stall is not None:
        direction = Direction.FORWARD if instance.cause is None else Direction.COMPENSATION
        return Ending(instance.status, run.began, run.stalled_at, _why(instance.stall, direction))
    ended = end if instance.ended_at is None else as_moment(instance.ended_at)
    why = _why(instance.cause, Direction.FORWARD) if instance.cause else None
    return Ending(instance.status, run.began, ended, why)


def _why(cause: Cause, direction: Direction) -> Why:
    return Why(cause.step and leaf(cause.step), direction, cause.code)
