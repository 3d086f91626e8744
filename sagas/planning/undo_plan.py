"""What the machine would await and compensate from here on, in waves: simulated with the machine itself."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from msgspec import structs

from saga_coordinator.contracts import Command, Done, Failure
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import Alternatives, D, Node, Step, leaf, map_nodes, walk
from saga_coordinator.sagas.language.plan import Plan
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.machine import Direction, Instance, Progress, Resume, Status, StepRun
from saga_coordinator.sagas.machine.transition import transition_by

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION
ASKED, WAITING, DONE = Progress.ASKED, Progress.WAITING, Progress.DONE
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What is awaited before anything more is compensated, and what is: in waves, the members of one together."""

    awaits: tuple[str, ...] = ()
    waves: tuple[tuple[str, ...], ...] = ()


def undo_plan(saga: Saga[Any, D], instance: Instance[D], at: datetime) -> UndoPlan:
    """Return the compensations still to come, if from this time on every participant succeeds."""
    awaits: list[str] = []
    waves: list[tuple[str, ...]] = []
    for nodes, turned in _compensating(saga, instance):
        plan = _without_data(saga.plan, nodes)
        awaited = _names(turned, FORWARD, {ASKED})
        awaits += awaited
        now = _continued(plan, _done(turned, awaited, FORWARD), at)
        while wave := _names(now, COMPENSATION, {ASKED, WAITING}):
            waves.append(wave)
            now = _continued(plan, _done(now, wave, COMPENSATION), at)
    return UndoPlan(tuple(awaits), tuple(waves))


def _compensating(saga: Saga[Any, D], instance: Instance[D]) -> Iterator[tuple[tuple[Node[D], ...], Instance[D]]]:
    """Yield what compensates: the whole instance, or each failed alternative as an instance of its own."""
    if instance.status is Status.COMPENSATING:
        yield saga.steps, instance
    elif instance.status is Status.RUNNING:
        for node in walk(saga.steps):
            if isinstance(node, Alternatives) and (cause := _abandoned_for(saga, instance, node)):
                number = instance.attempts[node.name].number
                leaves = saga.plan.leaves_in(node.name, number)
                steps = {name: run for name, run in instance.steps.items() if leaf(name) in leaves}
                turned = structs.replace(instance, status=Status.COMPENSATING, cause=cause, steps=steps, waits={})
                yield (node.nodes[number],), turned


def _abandoned_for(saga: Saga[Any, D], instance: Instance[D], node: Alternatives[D]) -> Cause | None:
    """Return why the tried alternative is being left; None if it is not, or is compensated with one around it."""
    attempt = instance.attempts.get(node.name)
    if attempt is None or attempt.cause is None:
        return None
    around = saga.plan.scopes[next(iter(saga.plan.leaves_in(node.name, attempt.number)))]
    for scope in around[: [each.name for each in around].index(node.name)]:
        outer = instance.attempts[scope.name]
        if outer.number != scope.number or outer.cause is not None:
            return None
    return attempt.cause


def _continued(plan: Plan[D], instance: Instance[D], at: datetime) -> Instance[D]:
    """Let the machine continue from here: a pause that ends as soon as it begins does nothing else."""
    if instance.status.is_final:
        return instance
    paused = structs.replace(instance, paused_at=at, parked_at=None)
    return transition_by(plan, paused, Resume(at, "nobody", "to see what comes next")).instance


def _names(instance: Instance[Any], direction: Direction, progress: Collection[Progress]) -> tuple[str, ...]:
    """Return the steps whose command in a direction has one of these progresses."""
    commands = ((name, run.command_state(direction)) for name, run in instance.steps.items())
    return tuple(name for name, command in commands if command is not None and command.progress in progress)


def _done(instance: Instance[D], names: Sequence[str], direction: Direction) -> Instance[D]:
    """Return the instance after a success of these steps that brings no data."""
    steps = dict(instance.steps)
    for name in names:
        run = steps[name]
        if direction is FORWARD:
            steps[name] = StepRun(run.forward.with_progress(DONE, None), run.compensation)
        else:
            steps[name] = StepRun(run.forward, run.compensation and run.compensation.with_progress(DONE, None))
    return structs.replace(instance, steps=steps)


# --- a plan whose compensations are empty: they must not depend on data that only a reply would bring


def _without_data(plan: Plan[D], nodes: tuple[Node[D], ...]) -> Plan[D]:
    """Return a plan of these nodes, of the same shape, whose functions need no data."""
    steps = {name: replace(each, step=_emptied(each.step)) for name, each in plan.steps.items()}
    nodes = map_nodes(nodes, lambda node: _emptied(node) if isinstance(node, Step) else node)
    return replace(plan, nodes=nodes, steps=steps, on_compensated=_fail_with_cause)


def _emptied(step: Step[D]) -> Step[D]:
    return replace(step, compensate=_empty_command if step.compensate else None, timeout=A_DAY)


def _empty_command(*_: object) -> Command[Done]:
    return Command[Done]()


def _fail_with_cause(_: object, cause: Cause) -> Failure:
    return Failure(code=cause.code, message=cause.message, retryable=False)
