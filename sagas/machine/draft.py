"""The next state of an instance while one signal is applied to it, and what it sends: a draft of the decision."""

from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, Generic

from msgspec.structs import replace

from saga_coordinator.contracts import CancelCommand, Event, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.data import to_json
from saga_coordinator.sagas.language.nodes import (
    D,
    Delay,
    ForEach,
    Receive,
    Step,
    duration_of,
    leaf,
    timeout_of,
    with_zone,
)
from saga_coordinator.sagas.language.plan import Plan
from saga_coordinator.sagas.machine import ids
from saga_coordinator.sagas.machine.decision import Decision, Send, Withdrawal
from saga_coordinator.sagas.machine.instance import (
    BY_NAME,
    FIELDS,
    Attempt,
    CommandState,
    Direction,
    Instance,
    Progress,
    Status,
    StepRun,
    WaitState,
)
from saga_coordinator.sagas.machine.progress import is_abandoned
from saga_coordinator.sagas.machine.signal import EventReceived

FIXED: Final = ("id", "saga", "version", "key", "started_at")
"""The fields of an instance that never change; a draft has all the others."""
CHANGING: Final = tuple(name for name in FIELDS if name not in FIXED)


class Draft(Generic[D]):
    """A draft of the instance, with its fields, and what it sends. The instance that came in is never touched."""

    __slots__ = (*CHANGING, "at", "commands", "instance", "outcome", "plan", "withdrawals")

    status: Status
    data: D
    steps: dict[str, StepRun]
    waits: dict[str, WaitState]
    choices: dict[str, bool]
    attempts: dict[str, Attempt]
    lists: dict[str, dict[str, str]]
    deadline_at: datetime | None
    paused_at: datetime | None
    parked_at: datetime | None
    ended_at: datetime | None
    cause: Cause | None
    stall: Cause | None

    def __init__(self, plan: Plan[D], instance: Instance[D], at: datetime) -> None:
        """Copy an instance, at a time in UTC."""
        self.plan = plan
        self.instance = instance
        self.at = at
        self.commands: list[Send] = []
        self.withdrawals: list[Withdrawal] = []
        self.outcome: Event | Reply | None = None
        _fill(self, instance)

    def decision(self) -> Decision[D]:
        return Decision(_build(self), tuple(self.commands), self.outcome, tuple(self.withdrawals))

    @property
    def is_active(self) -> bool:
        """Return whether anything may be sent."""
        return self.paused_at is None and (self.status is Status.RUNNING or self.status is Status.COMPENSATING)

    def within(self, leaves: Collection[str] | None) -> Iterator[tuple[str, StepRun]]:
        """Yield the steps that belong to these leaves (None: all), as they are now."""
        for name, run in tuple(self.steps.items()):
            if leaves is None or leaf(name) in leaves:
                yield name, run

    def goes_forward(self, name: str) -> bool:
        """Return whether neither the instance nor an alternative around this step is being compensated."""
        return self.status is Status.RUNNING and not is_abandoned(self.plan, self, name, already=False)

    def is_due(self, command: CommandState) -> bool:
        """Return whether a command's timeout or retry is due; nothing is while the instance is parked."""
        return self.parked_at is None and command.due_at is not None and command.due_at <= self.at

    def spent(self, command: CommandState) -> timedelta:
        """Return how long ago a command was first sent, where that counts."""
        return timedelta(0) if command.since is None else self.at - command.since

    def set_progress(
        self, name: str, direction: Direction, progress: Progress, *, due_at: datetime | None = None
    ) -> None:
        self._write(name, direction, self._command(name, direction).with_progress(progress, due_at))

    def remember(self, name: str, reply: Reply) -> None:
        """Let the step's function put a reply into the data."""
        self._put(self.plan.step(name).step.remember, *self._item(name), reply)

    def remember_event(self, node: Receive[D], event: Event) -> None:
        """Let the function of a receive put its event into the data."""
        self._put(node.remember, event)

    def send(self, step: Step[D], direction: Direction, name: str) -> None:
        """Send a step's command: the first, a new attempt after a "not done", or the same once more."""
        step_plan, run = self.plan.steps[step.name], self.steps.get(name)
        command = run.command_state(direction) if run else None
        kind = step_plan.command if direction is Direction.FORWARD else step_plan.undo
        assert kind is not None, "only a step with a compensation is compensated"  # noqa: S101  for the type checker
        if command is None or command.progress is Progress.WAITING:
            command = self._new_command(step, direction, name, command)
        else:
            command = command.sent_again(self.at, self._reply_due_at(step))
        self._write(name, direction, command)
        if step.is_pivot:
            self.deadline_at = None
        undone = self.steps[name].forward.command_id if direction is Direction.COMPENSATION else None
        payload = command.payload
        assert payload is not None, "a command that is sent has its payload"  # noqa: S101  for the type checker
        self.commands.append(Send(command.command_id, name, direction, command.attempt, kind, payload, undone))

    def withdraw(self, name: str, command: CommandState, cause: Cause) -> None:
        """Cancel, once, a command that a child saga executes."""
        step_plan = self.plan.step(name)
        if command.withdrawn or not step_plan.command.cancellable:
            return
        self._write(name, Direction.FORWARD, replace(command, withdrawn=True))
        message = CancelCommand(command_id=command.command_id, reason=f"{cause.code}: {cause.message}")
        id_ = ids.cancel_id(command.command_id)
        self.withdrawals.append(Withdrawal(id_, name, command.attempt, step_plan.command, message))

    def make_due(self, name: str, undo: CommandState) -> None:
        """Make a compensation due now, or when the pause ends; the sending that was overtaken does not count."""
        due_at = self.paused_at or self.at
        self._write(name, Direction.COMPENSATION, replace(undo, sendings=max(0, undo.sendings - 1), due_at=due_at))

    def extend_timeouts(self, unsent: Collection[str]) -> None:
        """Restart the timeout of commands that are overdue and have not left the outbox; no sending counts."""
        for name, run in tuple(self.steps.items()):
            for direction in Direction:
                command = run.command_state(direction)
                if command is None or command.progress is not Progress.ASKED or command.command_id not in unsent:
                    continue
                if command.due_at is not None and command.due_at <= self.at:
                    by = self._reply_due_at(self.plan.step(name).step) - command.due_at
                    self._write(name, direction, command.shifted(by))

    def restart(self, name: str, direction: Direction) -> None:
        """Make a command due to be sent now."""
        self._write(name, direction, self._command(name, direction).restarted(self.at))

    def wait(self, node: Receive[D] | Delay[D]) -> None:
        """Begin to wait for an event or a time."""
        address, where = None, self.plan.saga
        if isinstance(node, Receive):
            due_at = self.at + timeout_of(node.timeout, self.data, f"saga {where}: receive {node.name}")
            address = self.instance.id
            if node.expects is not None:
                address = ids.address(where, node.name, node.expects(self.data))
        elif node.until is not None:
            due_at = with_zone(node.until(self.data), f"saga {where}: delay {node.name}")
        else:
            assert node.lasts is not None, "a delay has a length or a time"  # noqa: S101  for the type checker
            due_at = self.at + duration_of(node.lasts, self.data)
        self.waits[node.name] = WaitState(Progress.ASKED, self.at, due_at, address)

    def end_wait(self, name: str, progress: Progress, event: EventReceived | None = None) -> None:
        """End a wait: done, by an event or without one, or refused."""
        id_, source = (event.event_id, event.source) if event else (None, None)
        self.waits[name] = replace(self.waits[name], progress=progress, event_id=id_, event_source=source)

    def list_items(self, node: ForEach[D]) -> None:
        """Record the items of a for-each, by the names of their steps. Raises `ValueError` for a duplicate key."""
        listed: dict[str, str] = {}
        for item in node.items(self.data):
            name = f"{node.name}[{node.key(item)}]"
            if name in listed:
                raise ValueError(f"saga {self.plan.saga}: {name} stands twice: give each item a key of its own")
            listed[name] = self.plan.steps[node.name].item_codec.dump_json(item).decode()
        self.lists[node.name] = listed

    def restart_timers(self, since: datetime, still: datetime | None) -> None:
        """Move the timers that stood still since a time; if something `still` holds them, its end moves the rest."""
        self.shift_timers(self.at - since if still is None else max(timedelta(0), still - since))

    def shift_timers(self, by: timedelta) -> None:
        """Move every timeout and retry; the deadline and delays stay."""
        for name, run in self.steps.items():
            self.steps[name] = StepRun(run.forward.shifted(by), run.compensation and run.compensation.shifted(by))
        for node in self.plan.receives:
            if wait := self.waits.get(node.name):
                self.waits[node.name] = replace(wait, due_at=wait.due_at + by)

    def enter_stalled(self, cause: Cause) -> None:
        """Stop here: the machine cannot continue alone."""
        self.status, self.stall, self.paused_at = Status.STALLED, cause, None

    def end(self, status: Status, outcome: Event | Reply) -> None:
        self.status, self.outcome, self.ended_at, self.parked_at = status, outcome, self.at, None

    def _put(self, remember: Callable[..., D] | None, *brought: object) -> None:
        """Replace the data by what a function makes of them and of what was brought."""
        if remember is not None:
            self.data = self.plan.data.accept(remember(self.data, *brought), self.data, remember)

    def _command(self, name: str, direction: Direction) -> CommandState:
        command = self.steps[name].command_state(direction)
        assert command is not None, "only a command that was sent changes"  # noqa: S101  for the type checker
        return command

    def _new_command(self, step: Step[D], direction: Direction, name: str, before: CommandState | None) -> CommandState:
        """Make a new command from the data as they are now, under a new id."""
        make = step.send if direction is Direction.FORWARD else step.compensate
        assert make is not None, "only a step with a compensation is compensated"  # noqa: S101  for the type checker
        attempt = before.attempt + 1 if before else 1
        retry = self.plan.steps[step.name].retry if direction is Direction.FORWARD else step.compensate_retry
        return CommandState(
            progress=Progress.ASKED,
            attempt=attempt,
            sendings=before.sendings + 1 if before else 1,
            command_id=ids.command_id(self.instance.id, name, direction, attempt),
            asked_at=self.at,
            due_at=self._reply_due_at(step),
            payload=to_json(make(self.data, *self._item(name))),
            since=None if retry.total is None else before.since if before else self.at,
        )

    def _item(self, name: str) -> tuple[Any, ...]:
        """Return the item of a step of a for-each, as the further argument of its functions; none for any other."""
        if not self.lists or (node := leaf(name)) not in self.lists:
            return ()
        return (self.plan.steps[node].item_codec.validate_json(self.lists[node][name]),)

    def _reply_due_at(self, step: Step[D]) -> datetime:
        return self.at + timeout_of(step.timeout, self.data, f"saga {self.plan.saga}: step {step.name}")

    def _write(self, name: str, direction: Direction, command: CommandState) -> None:
        run = self.steps.get(name)
        if direction is Direction.FORWARD:
            self.steps[name] = StepRun(command, run.compensation if run else None)
        else:
            self.steps[name] = StepRun(self.steps[name].forward, command)


def _generated() -> tuple[Callable[[Draft[D], Instance[D]], None], Callable[[Draft[D]], Instance[D]]]:
    """Write from the fields of `Instance` what fills a draft and what makes an instance of it.

    A loop over the fields would cost four times as much, in every transition.
    """
    filled = (f"draft.{each} = {'dict' if each in BY_NAME else ''}(instance.{each})" for each in CHANGING)
    given = (f"{each}=draft.{'' if each in CHANGING else 'instance.'}{each}" for each in FIELDS)
    source = f"def fill(draft, instance):\n    {'; '.join(filled)}\n"
    source += f"def build(draft):\n    return Instance({', '.join(given)})\n"
    scope: dict[str, Any] = {"Instance": Instance}
    exec(source, scope)  # noqa: S102  as dataclasses does
    return scope["fill"], scope["build"]


_fill, _build = _generated()
