"""How an instance turns back, and how it ends: what a failure means, and what is told at the end."""

from collections.abc import Collection
from typing import Any, TypeVar

from pydantic import BaseModel

from saga_coordinator.contracts import Event, Failure, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.machine.draft import Turn
from saga_coordinator.sagas.machine.instance import Direction, Progress, Status, Trial

D = TypeVar("D", bound=BaseModel)


def fail(turn: Turn[D], name: str | None, cause: Cause) -> None:
    """A step on the way forward is refused or given up (None: the whole instance): turn back, past the pivot stall.

    Within alternatives only the one that has failed turns back, as long as there is another to try.
    """
    for scope in reversed(turn.saga.scopes.get(leaf(name), ()) if name else ()):
        if not scope.is_last:
            turn.trials[scope.name] = Trial(scope.number, cause)
            _turn_back(turn, turn.saga.leaves_in(scope.name, scope.number))
            return
    if turn.pivot_done:
        turn.stall(cause)
        return
    turn.status, turn.cause = Status.COMPENSATING, cause
    _turn_back(turn, None)


def _turn_back(turn: Turn[D], leaves: Collection[str] | None) -> None:
    """Wait for nothing that was not sent, and ask nothing again that an operator wanted asked."""
    for name, run in turn.within(leaves):
        if run.forward.progress is Progress.WAITING:
            turn.put(name, Direction.FORWARD, Progress.REFUSED)
        elif run.forward.progress is Progress.UNKNOWN and run.forward.due_at is not None:
            turn.put(name, Direction.FORWARD, Progress.UNKNOWN)
    for name, wait in tuple(turn.waits.items()):
        if wait.progress is Progress.ASKED and (leaves is None or name in leaves):
            turn.settle(name, Progress.REFUSED)


def end(turn: Turn[D], status: Status) -> None:
    """Enter a final status, and tell the outcome."""
    turn.end(status, outcome_of(turn.saga, status, turn.data, turn.cause))


def outcome_of(saga: Saga[Any, D], status: Status, data: D, cause: Cause | None) -> Event | Reply:
    """Make the outcome of an instance that is over: an event, or a child's reply. A child that was undone fails.

    A child is asked for it again when its command comes once more.
    """
    if status is Status.COMPLETED:
        return saga.on_completed(data)
    assert cause is not None, "what is compensated has a cause"  # noqa: S101  for the type checker
    if saga.on_compensated is None:
        return Failure(code=cause.code, message=cause.message, retryable=False)
    outcome = saga.on_compensated(data, cause)
    return outcome.model_copy(update={"retryable": False}) if isinstance(outcome, Failure) else outcome
