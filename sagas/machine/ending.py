"""How an instance starts to compensate and how it ends: what a failure means, and what the outcome is."""

from collections.abc import Collection

from saga_coordinator.contracts import Event, Failure, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import D, leaf
from saga_coordinator.sagas.language.plan import Plan
from saga_coordinator.sagas.machine.draft import Draft
from saga_coordinator.sagas.machine.instance import Attempt, Direction, Progress, Status
from saga_coordinator.sagas.machine.progress import is_past_pivot


def fail(draft: Draft[D], name: str | None, cause: Cause) -> None:
    """Fail a step that goes forward, or the whole instance (None): it compensates, past the pivot it stalls.

    Within alternatives only the one that has failed compensates, as long as there is another to try.
    """
    for scope in reversed(draft.plan.scopes.get(leaf(name), ()) if name else ()):
        if not scope.is_last:
            draft.attempts[scope.name] = Attempt(scope.number, cause)
            _stop_forward(draft, draft.plan.leaves_in(scope.name, scope.number))
            return
    if is_past_pivot(draft.plan, draft):
        draft.enter_stalled(cause)
        return
    draft.status, draft.cause = Status.COMPENSATING, cause
    _stop_forward(draft, None)


def _stop_forward(draft: Draft[D], leaves: Collection[str] | None) -> None:
    """Wait for nothing that was not sent, and send nothing again that an operator wanted sent."""
    for name, run in draft.within(leaves):
        if run.forward.progress is Progress.WAITING:
            draft.set_progress(name, Direction.FORWARD, Progress.REFUSED)
        elif run.forward.progress is Progress.UNKNOWN and run.forward.due_at is not None:
            draft.set_progress(name, Direction.FORWARD, Progress.UNKNOWN)
    for name, wait in tuple(draft.waits.items()):
        if wait.progress is Progress.ASKED and (leaves is None or name in leaves):
            draft.end_wait(name, Progress.REFUSED)


def end(draft: Draft[D], status: Status) -> None:
    """Enter a final status, with the outcome."""
    draft.end(status, outcome_of(draft.plan, status, draft.data, draft.cause))


def outcome_of(plan: Plan[D], status: Status, data: D, cause: Cause | None) -> Event | Reply:
    """Make the outcome of an instance that has ended: an event, or a child's reply. A compensated child fails.

    A child makes it again when its command arrives again.
    """
    if status is Status.COMPLETED:
        return plan.on_completed(data)
    assert cause is not None, "what is compensated has a cause"  # noqa: S101  for the type checker
    if plan.on_compensated is None:
        return Failure(code=cause.code, message=cause.message, retryable=False)
    outcome = plan.on_compensated(data, cause)
    return outcome.model_copy(update={"retryable": False}) if isinstance(outcome, Failure) else outcome
