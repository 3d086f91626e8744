"""Who watches a world beside the machine: what was heard and sent up to each turn, and the order of the definition."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas.machine import (
    Block,
    Direction,
    Instance,
    Receive,
    ReplyReceived,
    RetryStep,
    Send,
    SkipStep,
    Status,
    leaf,
    walk,
)
from tests.unit.properties.order import left, limits, precedences
from tests.unit.properties.world import Turned, World

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION


class Witness:
    """What was heard and sent up to a turn, gathered turn by turn beside the machine."""

    def __init__(self, world: World, checks: Sequence[Callable[["Witness", Turned], None]]) -> None:
        self.world = world
        self.checks = checks
        self.saga = world.saga
        self.precedes = frozenset(precedences(world.saga.steps))
        self.limits = limits(world.saga)
        self.receives = {each.name: each for each in walk(world.saga.steps) if isinstance(each, Receive)}
        self.contents: dict[str, Send] = {}
        self.copies: Counter[str] = Counter()
        self.last: dict[tuple[str, Direction], Send] = {}
        self.sendings: Counter[tuple[str, Direction]] = Counter()
        self.overtaken: Counter[str] = Counter()
        self.renewed: set[str] = set()
        self.remembered: set[str] = set()
        self.failures: dict[str, Failure] = {}
        self.successes: set[str] = set()
        self.withdrawn: set[str] = set()
        self.outcomes = 0

    def see(self, turned: Turned) -> None:
        """Check one turn, then take it in."""
        self._hear(turned)
        for check in self.checks:
            check(self, turned)
        for send in turned.decision.commands:
            self.contents[send.command_id] = send
            self.copies[send.command_id] += 1
            self.last[send.step, send.direction] = send
            self.sendings[send.step, send.direction] += 1
        self.withdrawn |= {each.message.command_id for each in turned.decision.withdrawals}
        self.outcomes += turned.decision.outcome is not None

    # --- what it has heard

    def is_undone(self, forward_id: str) -> bool:
        """Say whether an undo of this command was sent."""
        return any(send.compensates == forward_id for send in self.last.values())

    def forward_step_of(self, command_id: str) -> str | None:
        """The step whose last command forward has this id."""
        asked = [step for (step, way), send in self.last.items() if (way, send.command_id) == (FORWARD, command_id)]
        return asked[0] if asked else None

    def is_answered(self, undo: Send) -> bool:
        return undo.command_id in self.successes or undo.command_id in self.failures

    def allows(self, step: str, direction: Direction, sendings: int) -> bool:
        """Say whether a step may be sent so many times: an undo that was overtaken once more for each time."""
        retry = self.retry(step, direction)
        beside = self.overtaken[step] if direction is COMPENSATION else 0
        return retry.attempts is None or sendings <= retry.attempts + beside

    def is_timed(self, step: str, direction: Direction) -> bool:
        """Say whether a step may be given up though it was not sent as often as it may be: its time was over."""
        return step in self.renewed or self.retry(step, direction).total is not None

    def retry(self, step: str, direction: Direction) -> Any:  # noqa: ANN401  a Retry
        step_plan = self.saga.step_plan(step)
        return step_plan.retry if direction is FORWARD else step_plan.step.compensate_retry

    def is_acknowledged(self, step: str) -> bool:
        """Say whether the undo of a step was sent and carried out, as far as was heard."""
        undo = self.last.get((step, COMPENSATION))
        return undo is not None and undo.command_id in self.successes

    def may_be_done(self) -> list[str]:
        """The steps with a compensation whose last command was sent and not definitely refused.

        A step that is not undone when unknown counts once it is known.
        """
        return [
            step
            for (step, direction), send in self.last.items()
            if direction is FORWARD
            and self.saga.step_plan(step).undo is not None
            and send.command_id not in self.failures
            and (self.saga.step_plan(step).step.undo_when_unknown or send.command_id in self.successes)
        ]

    def comes_before(self, first: str, second: str) -> bool:
        """Say whether one step must be over before the other begins."""
        return (leaf(first), leaf(second)) in self.precedes

    def remembers(self, instance: Instance[Any], step: str, reply: object) -> Any:  # noqa: ANN401  the saga's data
        """What the data are once a step has told its reply."""
        remember = self.saga.step_plan(step).step.remember
        if remember is None:
            return instance.data
        listed = instance.lists.get(leaf(step))
        return remember(instance.data, *([json.loads(listed[step])] if listed else []), reply)

    @property
    def pivots_sent(self) -> list[Send]:
        return [s for (name, way), s in self.last.items() if way is FORWARD and self.saga.step_plan(name).step.is_pivot]

    @property
    def is_past_pivot(self) -> bool:
        return any(send.command_id in self.successes for send in self.pivots_sent)

    # --- how it hears

    def _hear(self, turned: Turned) -> None:
        signal = turned.signal
        match signal:
            case ReplyReceived():
                self._hear_answer(turned, signal)
            case Block() if turned.decision.ignored is None and signal.command_id:
                if self.copies[signal.command_id] == 1:
                    self.failures[signal.command_id] = Failure(code="never-sent", message="", retryable=True)
            case SkipStep() if turned.decision.ignored is None:
                self._hear_of_skip(signal.step, turned)
            case RetryStep() if turned.decision.ignored is None:
                self.renewed |= {signal.step} if signal.step else {step for step, _ in self.last}
            case _:
                pass

    def _hear_answer(self, turned: Turned, signal: ReplyReceived) -> None:
        """Take in what was answered. What comes after its undo was sent changes no mind any more."""
        if not isinstance(signal.reply, Failure):
            undo = next((send for send in self.last.values() if send.compensates == signal.command_id), None)
            is_under_way = turned.before is not None and turned.before.status in {Status.RUNNING, Status.COMPENSATING}
            if undo and is_under_way and not self.is_answered(undo) and signal.command_id not in self.successes:
                self.overtaken[undo.step] += 1
            self.successes.add(signal.command_id)
        elif not self.is_undone(signal.command_id) and signal.command_id not in self.successes:
            self.failures.setdefault(signal.command_id, signal.reply)

    def _hear_of_skip(self, step: str, turned: Turned) -> None:
        """What was done by hand is done, whatever was answered."""
        run = turned.before.steps.get(step) if turned.before else None
        if run is None:
            return
        command_state = run.compensation or run.forward
        self.failures.pop(command_state.command_id, None)
        self.successes.add(command_state.command_id)
        if run.compensation is None:
            self.remembered.add(command_state.command_id)

    def is_abandoned(self, instance: Instance[Any], step: str) -> bool:
        """Say whether an alternative around a step was left for the next one."""
        return left(self.saga, instance, step)
