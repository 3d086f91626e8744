"""How an instance turns back, and how it ends: what a failure means, and what is told at the end."""

from collections.abc import Collection
from typing import TypeVar

from pydantic import BaseModel

from saga_coordinator.contracts import Event, Failure, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.language.plan import Plan
from saga_coordinator.sagas.machine.draft import Draft
from saga_coordinator.sagas.machine.instance import Attempt, Direction, Progress, Status

D = TypeVar("D", bound=BaseModel)


def fail(draft: Draft[D], name: str | None, cause: Cause) -> None:
    """A step on the way forward is refused or given up (None: the whole instance): turn back, past the pivot stall.

    Within alternatives only the one that has failed turns back, as long as there is another to try.
    """
    for scope in reversed(draft.plan.scopes.get(leaf(name), ()) if name else ()):
        if not scope.is_last:
            draft.attempts[scope.name] = Attempt(scope.number, cause)
            _compensate(draft, draft.plan.leaves_in(scope.name, scope.number))
            return
    if draft.pivot_done:
        draft.stall(cause)
        return
    draft.status, draft.cause = Status.COMPENSATING, cause
    _compensate(draft, None)


def _compensate(draft: Draft[D], leaves: Collection[str] | None) -> None:
    """Wait for nothing that was not sent, and ask nothing again that an operator wanted asked."""
    for name, run in draft.within(leaves):
        if run.forward.progress is Progress.WAITING:
            draft.set_progress(name, Direction.FORWARD, Progress.REFUSED)
        elif run.forward.progress is Progress.UNKNOWN and run.forward.due_at is not None:
            draft.set_progress(name, Direction.FORWARD, Progress.UNKNOWN)
    for name, wait in tuple(draft.waits.items()):
        if wait.progress is Progress.ASKED and (leaves is None or name in leaves):
            draft.end_wait(name, Progress.REFUSED)


def end(draft: Draft[D], status: Status) -> None:
    """Enter a final status, and tell the outcome."""
    draft.end(status, outcome_of(draft.plan, status, draft.data, draft.cause))


def outcome_of(plan: Plan[D], status: Status, data: D, cause: Cause | None) -> Event | Reply:
    """Make the outcome of an instance that is over: an event, or a child's reply. A child that was undone fails.

    A child is asked for it again when its command comes once more.
    """
    if status is Status.COMPLETED:
        return plan.on_completed(data)
    assert cause is not None, "what is compensated has a cause"  # noqa: S101  for the type checker
    if plan.on_compensated is None:
        return Failure(code=cause.code, message=cause.message, retryable=False)
    outcome = plan.on_compensated(data, cause)
    return outcome.model_copy(update={"retryable": False}) if isinstance(outcome, Failure) else outcome
