"""One signal's work on an instance: a draft that `transition` writes on, and that becomes the decision."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from saga_coordinator.contracts import CancelCommand, Event, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import (
    Delay,
    ForEach,
    Receive,
    Step,
    StepPlan,
    duration_of,
    leaf,
    timeout_of,
    with_zone,
)
from saga_coordinator.sagas.language.plan import Plan
from saga_coordinator.sagas.machine import ids as identity
from saga_coordinator.sagas.machine.command_state import restarted, sent_again, shifted, with_progress
from saga_coordinator.sagas.machine.decision import Decision, Send, Withdrawal
from saga_coordinator.sagas.machine.instance import (
    CommandState,
    Direction,
    Instance,
    Progress,
    Status,
    StepRun,
    WaitState,
)

D = TypeVar("D", bound=BaseModel)


class Draft(Generic[D]):
    """The draft of an instance's next state and what it sends. The instance that came in is never touched."""

    __slots__ = (
        "at",
        "attempts",
        "cause",
        "choices",
        "commands",
        "data",
        "deadline_at",
        "ended_at",
        "instance",
        "lists",
        "outcome",
        "paused_at",
        "plan",
        "stalled_by",
        "status",
        "steps",
        "waits",
        "withdrawals",
    )  # fmt: skip

    def __init__(self, plan: Plan[D], instance: Instance[D], at: datetime) -> None:
        """Begin a turn at a time, in UTC."""
        self.plan = plan
        self.instance = instance
        self.at = at
        self.status = instance.status
        self.data = instance.data
        self.steps = dict(instance.steps)
        self.waits = dict(instance.waits)
        self.choices = dict(instance.choices)
        self.attempts = dict(instance.attempts)
        self.lists = dict(instance.lists)
        self.deadline_at = instance.deadline_at
        self.paused_at = instance.paused_at
        self.ended_at = instance.ended_at
        self.cause = instance.cause
        self.stalled_by = instance.stall
        self.commands: list[Send] = []
        self.withdrawals: list[Withdrawal] = []
        self.outcome: Event | Reply | None = None

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
        return any(name in self.steps for name in self.plan.pivots)

    @property
    def pivot_done(self) -> bool:
        """Say whether the pivot has succeeded: from then on there is no way back."""
        return any(run.forward.progress is Progress.DONE for name in self.plan.pivots if (run := self.steps.get(name)))

    def step_plan(self, name: str) -> StepPlan[D]:
        """Return what holds for a step."""
        return self.plan.step(name)

    def within(self, leaves: Collection[str] | None) -> Iterator[tuple[str, StepRun]]:
        """Yield the steps that belong to these leaves (None: all), as they are now."""
        for name, run in tuple(self.steps.items()):
            if leaves is None or leaf(name) in leaves:
                yield name, run

    def goes_forward(self, name: str) -> bool:
        """Say whether a step stands on the way forward: neither it all nor an alternative around it turns back."""
        return self.status is Status.RUNNING and not self.is_abandoned(name, already=False)

    def is_abandoned(self, name: str, *, already: bool = True) -> bool:
        """Say whether an alternative around a step was left for the next one, or (not already) is being left."""
        scopes = self.plan.scopes
        for scope in scopes.get(leaf(name), ()) if scopes else ():
            attempt = self.attempts[scope.name]
            if attempt.number != scope.number or (attempt.cause is not None and not already):
                return True
        return False

    def is_due(self, command_state: CommandState) -> bool:
        """Say whether a leg's timeout or retry has come."""
        return command_state.due_at is not None and command_state.due_at <= self.at

    # --- what happens to a step

    def set_progress(
        self, name: str, direction: Direction, progress: Progress, *, due_at: datetime | None = None
    ) -> None:
        """Note how far a leg has come."""
        command_state = self.steps[name].command_state(direction)
        assert command_state is not None, "only a leg that was asked comes any further"  # noqa: S101  for the type checker
        self._write(name, direction, with_progress(command_state, progress, due_at))

    def remember(self, name: str, reply: Reply) -> None:
        """Take what a reply told into the data."""
        remember = self.step_plan(name).step.remember
        if remember is not None:
            self.data = remember(self.data, *self._item(name), reply)

    def send(self, step: Step[D], direction: Direction, name: str) -> None:
        """Send a step's command: the first, a new attempt after a "not done", or the same once more."""
        step_plan, run = self.plan.steps[step.name], self.steps.get(name)
        command_state = run.command_state(direction) if run else None
        command = step_plan.command if direction is Direction.FORWARD else step_plan.undo
        assert command is not None, "only a step with a compensation is undone"  # noqa: S101  for the type checker
        if command_state is None or command_state.progress is Progress.WAITING:
            command_state = self._ask(step, direction, name, command_state)
        else:
            command_state = sent_again(command_state, self.at, self._reply_due_at(step))
        self._write(name, direction, command_state)
        if step.is_pivot:
            self.deadline_at = None
        undone = self.steps[name].forward.command_id if direction is Direction.COMPENSATION else None
        payload = command_state.payload
        assert payload is not None, "a leg that is sent has its payload"  # noqa: S101  for the type checker
        self.commands.append(
            Send(command_state.command_id, name, direction, command_state.attempt, command, payload, undone)
        )

    def withdraw(self, name: str, command_state: CommandState, cause: Cause) -> None:
        """Tell a child saga, once, that its command is not wanted any more."""
        if command_state.withdrawn or not self.step_plan(name).is_cancellable:
            return
        self._write(name, Direction.FORWARD, replace(command_state, withdrawn=True))
        message = CancelCommand(command_id=command_state.command_id, reason=f"{cause.code}: {cause.message}")
        id_ = identity.cancel_id(command_state.command_id)
        self.withdrawals.append(Withdrawal(id_, name, command_state.attempt, self.step_plan(name).command, message))

    def make_due(self, name: str, undo: CommandState) -> None:
        """Make an undo due now, or when the pause ends; the sending that was overtaken does not count."""
        due_at = self.paused_at or self.at
        self._write(name, Direction.COMPENSATION, replace(undo, sendings=max(0, undo.sendings - 1), due_at=due_at))

    def extend_timeouts(self, unsent: Collection[str]) -> None:
        """Let the time for an answer begin anew for commands that are overdue and have not left; no sending counts."""
        for name, run in tuple(self.steps.items()):
            for direction in Direction:
                command_state = run.command_state(direction)
                if (
                    command_state is None
                    or command_state.progress is not Progress.ASKED
                    or command_state.command_id not in unsent
                ):
                    continue
                if command_state.due_at is not None and command_state.due_at <= self.at:
                    by = self._reply_due_at(self.step_plan(name).step) - command_state.due_at
                    self._write(name, direction, shifted(command_state, by))

    def restart(self, name: str, direction: Direction) -> None:
        """Let a leg be asked again now."""
        command_state = self.steps[name].command_state(direction)
        assert command_state is not None, "only a leg that was asked is asked again"  # noqa: S101  for the type checker
        self._write(name, direction, restarted(command_state, self.at))

    def spent(self, command_state: CommandState) -> timedelta:
        """Return how long ago a leg was first asked, where that counts."""
        return timedelta(0) if command_state.since is None else self.at - command_state.since

    # --- what happens to a wait

    def wait(self, node: Receive[D] | Delay[D]) -> None:
        """Begin to wait for an event or a time."""
        address = None
        if isinstance(node, Receive):
            due_at = self.at + timeout_of(node.timeout, self.data, f"saga {self.plan.saga}: receive {node.name}")
            address = self.instance.id
            if node.expects is not None:
                address = identity.address(self.plan.saga, node.name, node.expects(self.data))
        elif node.until is not None:
            due_at = with_zone(node.until(self.data), f"saga {self.plan.saga}: delay {node.name}")
        else:
            assert node.lasts is not None, "a delay has a length or a time"  # noqa: S101  for the type checker
            due_at = self.at + duration_of(node.lasts, self.data)
        self.waits[node.name] = WaitState(Progress.ASKED, self.at, due_at, address)

    def end_wait(self, name: str, progress: Progress, event_id: str | None = None) -> None:
        """End a wait: done, or refused."""
        self.waits[name] = replace(self.waits[name], progress=progress, event_id=event_id)

    # --- what happens to the whole

    def list_items(self, node: ForEach[D]) -> None:
        """Record the items of a for-each, by the names of their steps. Raises `ValueError` for a key that is twice."""
        codec = self.plan.steps[node.name].item
        assert codec is not None, "a for-each has a rule that reads its items"  # noqa: S101  for the type checker
        listed: dict[str, str] = {}
        for item in node.items(self.data):
            name = f"{node.name}[{node.key(item)}]"
            if name in listed:
                raise ValueError(f"saga {self.plan.saga}: {name} stands twice: give each item a key of its own")
            listed[name] = codec.dump_json(item).decode()
        self.lists[node.name] = listed

    def shift_timers(self, by: timedelta) -> None:
        """Move every timeout and retry; the deadline and delays stay."""
        for name, run in self.steps.items():
            self.steps[name] = StepRun(shifted(run.forward, by), run.compensation and shifted(run.compensation, by))
        for node in self.plan.receives:
            if run_ := self.waits.get(node.name):
                self.waits[node.name] = replace(run_, due_at=run_.due_at + by)

    def stall(self, cause: Cause) -> None:
        """Stop here: the machine cannot go on alone."""
        self.status, self.stalled_by, self.paused_at = Status.STALLED, cause, None

    def end(self, status: Status, outcome: Event | Reply) -> None:
        """Enter a final status, and tell the outcome."""
        self.status, self.outcome, self.ended_at = status, outcome, self.at

    def decision(self) -> Decision[D]:
        """Draft the draft into the decision."""
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
            waits=self.waits,
            attempts=self.attempts,
            lists=self.lists,
        )
        return Decision(instance, tuple(self.commands), self.outcome, tuple(self.withdrawals))

    # --- how

    def _ask(self, step: Step[D], direction: Direction, name: str, before: CommandState | None) -> CommandState:
        """Make a new command from the data as they are now, under a new id."""
        make = step.send if direction is Direction.FORWARD else step.compensate
        assert make is not None, "only a step with a compensation is undone"  # noqa: S101  for the type checker
        attempt = before.attempt + 1 if before else 1
        retry = self.plan.steps[step.name].retry if direction is Direction.FORWARD else step.compensate_retry
        return CommandState(
            progress=Progress.ASKED,
            attempt=attempt,
            sendings=before.sendings + 1 if before else 1,
            command_id=identity.command_id(self.instance.id, name, direction, attempt),
            asked_at=self.at,
            due_at=self._reply_due_at(step),
            payload=make(self.data, *self._item(name)).model_dump_json(),
            since=None if retry.total is None else before.since if before else self.at,
        )

    def _item(self, name: str) -> tuple[Any, ...]:
        """Return the item behind a step of a for-each, as further argument of its functions; none for any other."""
        if not self.lists or (node := leaf(name)) not in self.lists:
            return ()
        codec = self.plan.steps[node].item
        assert codec is not None, "a for-each has a rule that reads its items"  # noqa: S101  for the type checker
        return (codec.validate_json(self.lists[node][name]),)

    def _reply_due_at(self, step: Step[D]) -> datetime:
        return self.at + timeout_of(step.timeout, self.data, f"saga {self.plan.saga}: step {step.name}")

    def _write(self, name: str, direction: Direction, command_state: CommandState) -> None:
        """Put a leg in its place."""
        run = self.steps.get(name)
        if direction is Direction.FORWARD:
            self.steps[name] = StepRun(command_state, run.compensation if run else None)
        else:
            self.steps[name] = StepRun(self.steps[name].forward, command_state)
