"""One signal's work on an instance: a draft that `transition` writes on, and that becomes the decision."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from contracts import Event, Reply
from sagas.machine import identity
from sagas.machine.decision import Decision, Send
from sagas.machine.definition import Rule, Saga, Step
from sagas.machine.failure import Cause
from sagas.machine.instance import Direction, Instance, Leg, Progress, Status, StepRun

D = TypeVar("D", bound=BaseModel)


class Turn(Generic[D]):
    """The draft of an instance's next state and what it sends. The instance that came in is never touched."""

    __slots__ = (
        "at", "cause", "choices", "commands", "data", "deadline_at", "ended_at", "instance", "outcome", "paused_at",
        "saga", "stalled_by", "status", "steps",
    )  # fmt: skip

    def __init__(self, saga: Saga[Any, D], instance: Instance[D], at: datetime) -> None:
        """Begin a turn at a time, in UTC."""
        self.saga = saga
        self.instance = instance
        self.at = at
        self.status = instance.status
        self.data = instance.data
        self.steps = dict(instance.steps)
        self.choices = dict(instance.choices)
        self.deadline_at = instance.deadline_at
        self.paused_at = instance.paused_at
        self.ended_at = instance.ended_at
        self.cause = instance.cause
        self.stalled_by = instance.stall
        self.commands: list[Send] = []
        self.outcome: Event | None = None

    # --- what the draft says

    @property
    def is_active(self) -> bool:
        """Say whether anything may be sent."""
        return self.paused_at is None and (self.status is Status.RUNNING or self.status is Status.COMPENSATING)

    @property
    def deadline_passed(self) -> bool:
        """Say whether the deadline still counts and is over."""
        return self.deadline_at is not None and self.deadline_at <= self.at

    @property
    def pivot_sent(self) -> bool:
        """Say whether the pivot was ever sent: from then on nothing but its own refusal turns the instance back."""
        return any(self.saga.table[name].step.is_pivot for name in self.steps)

    @property
    def pivot_done(self) -> bool:
        """Say whether the pivot has succeeded: from then on there is no way back."""
        return any(
            run.forward.progress is Progress.DONE and self.saga.table[name].step.is_pivot
            for name, run in self.steps.items()
        )

    @property
    def in_flight(self) -> bool:
        """Say whether a step's command is still awaited."""
        return any(run.forward.progress is Progress.ASKED for run in self.steps.values())

    def rule(self, name: str) -> Rule[D]:
        """Return what holds for a step."""
        return self.saga.table[name]

    def is_due(self, leg: Leg) -> bool:
        """Say whether a leg's timeout or retry has come."""
        return leg.due_at is not None and leg.due_at <= self.at

    # --- what happens to it

    def put(self, name: str, direction: Direction, progress: Progress, *, due_at: datetime | None = None) -> None:
        """Note how far a leg has come. A leg that is not asked under this id again forgets its payload."""
        leg = self.steps[name].leg(direction)
        assert leg is not None, "only a leg that was asked comes any further"  # noqa: S101  for the type checker
        keeps = progress is Progress.UNKNOWN
        self._write(
            name,
            direction,
            Leg(
                progress=progress,
                attempt=leg.attempt,
                sendings=leg.sendings,
                command_id=leg.command_id,
                asked_at=leg.asked_at,
                due_at=due_at,
                payload=leg.payload if keeps else None,
            ),
        )

    def remember(self, name: str, reply: Reply) -> None:
        """Take what a reply told into the data."""
        remember = self.rule(name).step.remember
        if remember is not None:
            self.data = remember(self.data, reply)

    def send(self, step: Step[D], direction: Direction, leg: Leg | None) -> None:
        """Send a step's command: the first, a new attempt after a "not done", or the same once more."""
        rule = self.rule(step.name)
        command = rule.command if direction is Direction.FORWARD else rule.undo
        assert command is not None, "only a step with a compensation is undone"  # noqa: S101  for the type checker
        if leg is None or leg.progress is Progress.WAITING:
            leg = self._ask(step, direction, leg)
        else:
            leg = replace(leg, sendings=leg.sendings + 1, asked_at=self.at, due_at=self.at + step.timeout)
        self._write(step.name, direction, leg)
        if step.is_pivot:
            self.deadline_at = None
        undone = self.steps[step.name].forward.command_id if direction is Direction.COMPENSATION else None
        payload = leg.payload
        assert payload is not None, "a leg that is sent has its payload"  # noqa: S101  for the type checker
        self.commands.append(Send(leg.command_id, step.name, direction, leg.attempt, command, payload, undone))

    def hasten(self, name: str, undo: Leg) -> None:
        """Make an undo due now, or when the pause ends; the sending that was overtaken does not count."""
        due_at = self.paused_at or self.at
        self._write(name, Direction.COMPENSATION, replace(undo, sendings=undo.sendings - 1, due_at=due_at))

    def postpone(self, by: timedelta) -> None:
        """Move every timeout and retry; the deadline stays."""
        for name, run in self.steps.items():
            self.steps[name] = StepRun(_moved(run.forward, by), run.compensation and _moved(run.compensation, by))

    def stall(self, cause: Cause) -> None:
        """Stop here: the machine cannot go on alone."""
        self.status, self.stalled_by, self.paused_at = Status.STALLED, cause, None

    def end(self, status: Status, outcome: Event) -> None:
        """Enter a final status, and tell the outcome."""
        self.status, self.outcome, self.ended_at = status, outcome, self.at

    def decision(self) -> Decision[D]:
        """Turn the draft into the decision."""
        was = self.instance
        instance = Instance(
            id=was.id,
            saga=was.saga,
            version=was.version,
            key=was.key,
            status=self.status,
            data=self.data,
            steps=self.steps,
            choices=self.choices,
            started_at=was.started_at,
            deadline_at=self.deadline_at,
            paused_at=self.paused_at,
            ended_at=self.ended_at,
            cause=self.cause,
            stall=self.stalled_by,
        )
        return Decision(instance, tuple(self.commands), self.outcome)

    # --- how

    def _ask(self, step: Step[D], direction: Direction, before: Leg | None) -> Leg:
        """Make a new command from the data as they are now, under a new id."""
        make = step.send if direction is Direction.FORWARD else step.compensate
        assert make is not None, "only a step with a compensation is undone"  # noqa: S101  for the type checker
        attempt = before.attempt + 1 if before else 1
        return Leg(
            progress=Progress.ASKED,
            attempt=attempt,
            sendings=before.sendings + 1 if before else 1,
            command_id=identity.command_id(self.instance.id, step.name, direction, attempt),
            asked_at=self.at,
            due_at=self.at + step.timeout,
            payload=make(self.data).model_dump_json(),
        )

    def _write(self, name: str, direction: Direction, leg: Leg) -> None:
        """Put a leg in its place."""
        run = self.steps.get(name)
        if direction is Direction.FORWARD:
            self.steps[name] = StepRun(leg, run.compensation if run else None)
        else:
            self.steps[name] = StepRun(self.steps[name].forward, leg)


def _moved(leg: Leg, by: timedelta) -> Leg:
    """Return a leg whose due time, if it has one, lies later."""
    return leg if leg.due_at is None else replace(leg, due_at=leg.due_at + by)
