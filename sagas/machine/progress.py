"""What an instance has settled, abandoned or passed, and what it has to compensate: each question answered once.

An `Instance` and the `Draft` of its next state are asked in the same way.
"""

from collections.abc import Mapping
from typing import Any, Protocol, assert_never

from saga_coordinator.sagas.language.nodes import (
    Alternatives,
    Branch,
    Delay,
    ForEach,
    Node,
    Parallel,
    Receive,
    Series,
    Step,
    leaf,
)
from saga_coordinator.sagas.language.plan import Plan
from saga_coordinator.sagas.machine.instance import (
    Attempt,
    CommandState,
    Direction,
    Progress,
    Status,
    StepRun,
    WaitState,
)


class State(Protocol):
    """What `Instance` and `Draft` have in common."""

    @property
    def status(self) -> Status: ...
    @property
    def steps(self) -> Mapping[str, StepRun]: ...
    @property
    def waits(self) -> Mapping[str, WaitState]: ...
    @property
    def choices(self) -> Mapping[str, bool]: ...
    @property
    def attempts(self) -> Mapping[str, Attempt]: ...
    @property
    def lists(self) -> Mapping[str, Mapping[str, str]]: ...


def find_command(state: State, command_id: str | None) -> tuple[str, Direction, CommandState] | None:
    """Return the command that has this id: its step, its direction and how far it has come; or None."""
    for name, run in state.steps.items():
        if run.forward.command_id == command_id:
            return name, Direction.FORWARD, run.forward
        if run.compensation is not None and run.compensation.command_id == command_id:
            return name, Direction.COMPENSATION, run.compensation
    return None


def is_done(state: State, step: str) -> bool:
    run = state.steps.get(step)
    return run is not None and run.forward.progress is Progress.DONE


def may_have_effect(command: CommandState, step: Step[Any]) -> bool:
    """Return whether a command of a step has or may have taken effect, so that it has to be compensated."""
    return not (
        command.progress is Progress.REFUSED or (command.progress is Progress.UNKNOWN and not step.undo_when_unknown)
    )


def to_compensate(plan: Plan[Any], state: State) -> list[str]:
    """Return the steps that would have to be compensated if the instance failed now, in the order of their start."""
    return [
        name
        for name, run in state.steps.items()
        if (step := plan.step(name).step).compensate is not None
        and may_have_effect(run.forward, step)
        and not (run.compensation is not None and run.compensation.progress is Progress.DONE)
    ]


def pivots_sent(plan: Plan[Any], state: State) -> tuple[str, ...]:
    """Return the pivots that were sent: from then on only their own refusal makes the instance compensate."""
    return tuple(name for name in plan.pivots if name in state.steps)


def is_past_pivot(plan: Plan[Any], state: State) -> bool:
    """Return whether a pivot has succeeded: from then on the instance only goes forward."""
    return any(is_done(state, name) for name in plan.pivots)


def is_abandoned(plan: Plan[Any], state: State, name: str, *, already: bool = True) -> bool:
    """Return whether an alternative around a node was left for the next one, or (not already) is being left."""
    for scope in plan.scopes.get(leaf(name), ()) if plan.scopes else ():
        attempt = state.attempts.get(scope.name)
        if attempt is None:
            continue
        if attempt.number > scope.number or (attempt.number == scope.number and attempt.cause and not already):
            return True
    return False


def begun(state: State) -> dict[str, None]:
    """Return all that was begun, in order: steps, waits, branches, alternatives, lists."""
    return dict.fromkeys((*state.steps, *state.waits, *state.choices, *state.attempts, *state.lists))


def is_settled(state: State, node: Node[Any]) -> bool:
    """Return whether nothing is left to do in a node on the way forward."""
    match node:
        case Step():
            return is_done(state, node.name)
        case ForEach():
            names = state.lists.get(node.name)
            return names is not None and all(is_done(state, name) for name in names)
        case Receive() | Delay():
            wait = state.waits.get(node.name)
            return wait is not None and wait.progress is Progress.DONE
        case Series() | Parallel():
            return all(is_settled(state, each) for each in node.nodes)
        case Branch():
            taken = node.taken(state.choices)
            return taken is not None and all(is_settled(state, each) for each in taken)
        case Alternatives():
            attempt = state.attempts.get(node.name)
            return attempt is not None and attempt.cause is None and is_settled(state, node.nodes[attempt.number])
        case _:
            assert_never(node)
