"""Invariants of the whole instance: why it compensates, how it ends, which outcome leaves (I2, I8, I18)."""

from collections.abc import Iterator

from saga_coordinator.contracts import Event, Failure, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.machine import Block, Cancel, Resolve, RetryStep, SkipStep, Status
from saga_coordinator.sagas.testing.invariants.ledger import COMPENSATION, FORWARD, CommandResult
from saga_coordinator.sagas.testing.invariants.observation import (
    Observation,
    being_compensated,
    is_in,
    may_give_up,
    stands_still,
)
from saga_coordinator.sagas.testing.invariants.order import path


def i2_a_final_status_is_absorbing(seen: Observation) -> Iterator[str]:
    """Completed and compensated are never left, and stalled by an operator only."""
    if seen.before is None:
        return
    was, now = seen.before.instance, seen.after.instance
    if was.status.is_final and not (seen.decision.ignored and now is was):
        yield f"it was {was.status}, and something changes"
    is_operator = isinstance(seen.signal, RetryStep | SkipStep | Resolve | Cancel)
    if was.status is Status.STALLED and now.status is not Status.STALLED and not is_operator:
        yield "it was stalled, and continues without an operator"


def i8_completed_means_each_step_of_the_path_and_no_undo(seen: Observation) -> Iterator[str]:
    """Every step of the path is done; no other has an effect left."""
    after = seen.after
    if after.instance.status is not Status.COMPLETED or seen.decision.ignored or after.is_resolved:
        return
    taken = set(path(after.saga.steps, after.instance))
    for name in taken:
        if not after.is_done(name):
            yield f"it is completed, and {name} is not done"
    for step in after.steps:
        stands = after.may_be_done(step) and not after.is_undone(step)
        if (step not in taken and stands) or (step in taken and after.last(step, COMPENSATION)):
            yield f"it is completed, and {step} is left over"


def i18_before_the_pivot_backward_after_it_forward(seen: Observation) -> Iterator[str]:
    """From the sending of the pivot only its own refusal undoes; from its success on nothing does."""
    pivot, after = seen.received.pivot, seen.after
    if after.is_resolved:
        return
    if pivot is not None and pivot.result is CommandResult.DONE:
        for send in seen.decision.commands:
            if send.direction is COMPENSATION:
                yield f"the pivot is done, and {send.step} is undone"
        if after.instance.status in {Status.COMPENSATING, Status.COMPENSATED}:
            yield f"the pivot is done, and it is {after.instance.status}"
    is_refused = pivot is not None and seen.key == (pivot.send.step, FORWARD) and pivot.result is not CommandResult.DONE
    if pivot is not None and after.instance.cause is not None and seen.given_up and not is_refused:
        yield "it compensates, though the pivot was sent"


def i18_what_is_given_up_only_goes_backward(seen: Observation) -> Iterator[str]:
    """The compensations of what is given up are sent, and the commands of all else."""
    undone = being_compensated(seen.after)
    for send in seen.decision.commands:
        if (send.direction is COMPENSATION) is not is_in(send.step, undone):
            yield f"{send.step} is sent in the wrong direction"


def i18_a_cancel_before_the_pivot_compensates(seen: Observation) -> Iterator[str]:
    """Nothing more is sent forward once it was cancelled; after the pivot it changes nothing."""
    was = seen.before.instance if seen.before else None
    if not isinstance(seen.signal, Cancel) or was is None:
        return
    may_compensate = was.status is Status.RUNNING and was.cause is None and seen.received.pivot is None
    if may_compensate and seen.after.instance.cause is None:
        yield "it was cancelled before the pivot, and continues"
    if not may_compensate and was.status is not Status.STALLED and not seen.decision.ignored:
        yield "it was cancelled too late, and something changes"


def it_compensates_for_a_reason(seen: Observation) -> Iterator[str]:
    """A refusal, a retry that is used up, an event that never came, a cancel, the deadline: none too early."""
    for cause in seen.causes:
        if not isinstance(seen.signal, Resolve | Block) and not _is_right(seen, cause):
            yield f"it compensates because of {cause.step or 'the whole'} ({cause.code}) without need"


def _is_right(seen: Observation, cause: Cause) -> bool:
    received = seen.received
    if cause.step is None:
        deadline = received.instance.deadline_at
        return isinstance(seen.signal, Cancel) or (deadline is not None and deadline <= received.now)
    if cause.step in received.waits:
        return received.waits[cause.step].due_at <= received.now
    return (cause.step, FORWARD) in received.sent and may_give_up(received, (cause.step, FORWARD))


def no_failure_is_ignored(seen: Observation) -> Iterator[str]:
    """While it runs no step of the path is refused, none is overdue, and no awaited event has failed to come."""
    after = seen.after
    if after.instance.status is not Status.RUNNING or not after.instance.is_active or seen.decision.ignored:
        return
    undone = being_compensated(after)
    for name in path(after.saga.steps, after.instance):
        newest = after.last(name)
        is_refused = newest is not None and newest.result is CommandResult.REFUSED
        is_overdue = newest is not None and newest.result is None and newest.due_at <= after.now
        if name in after.waits:
            is_overdue = after.is_awaited(name) and after.waits[name].due_at <= after.now
        is_overdue = is_overdue and not stands_still(seen)
        if (is_refused or is_overdue) and not is_in(name, undone):
            yield f"{name} is {'refused' if is_refused else 'overdue'}, and it continues"


def the_outcome_leaves_once_with_the_end(seen: Observation) -> Iterator[str]:
    """It is what the definition returns; the failure of a child that was compensated is not retryable."""
    one, outcome = seen.after.instance, seen.decision.outcome
    entered = one.status.is_final and not (seen.before and seen.before.instance.status.is_final)
    if (outcome is not None) is not entered:
        yield "an outcome leaves at the end, and only then"
    if seen.after.outcomes > 1:
        yield "its outcome leaves twice"
    if outcome is None:
        return
    if (expected := _outcome(seen)) is not None and outcome != expected:
        yield f"its outcome is {outcome!r}, not {expected!r}"
    if isinstance(outcome, Failure) and outcome.retryable:
        yield "a child that was compensated says that it may be asked again"


def _outcome(seen: Observation) -> Event | Reply | None:
    """Return what the definition makes of the end; None where it leaves that to the machine."""
    saga, one = seen.after.saga, seen.after.instance
    if one.status is Status.COMPLETED:
        completed: Event | Reply = saga.on_completed(one.data)
        return completed
    if saga.on_compensated is None or one.cause is None:
        return None
    outcome: Event | Reply = saga.on_compensated(one.data, one.cause)
    return outcome.model_copy(update={"retryable": False}) if isinstance(outcome, Failure) else outcome


def nothing_is_sent_while_paused_stalled_or_ignored(seen: Observation) -> Iterator[str]:
    """An ignored signal says why, and leaves the instance as it was."""
    ignored, one, decision = seen.decision.ignored, seen.after.instance, seen.decision
    is_sent = decision.commands or decision.withdrawals or decision.outcome
    if is_sent and (ignored or one.paused_at or one.status is Status.STALLED):
        yield f"something is sent, though it is {ignored or 'paused or stalled'}"
    if ignored and seen.before and not (decision.reason and one is seen.before.instance):
        yield "a signal is ignored without a reason, or changes something"
