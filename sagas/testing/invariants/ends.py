"""Laws of the whole: what turns an instance back, how it ends, what it tells (I1, I2, I8, I18)."""

from collections.abc import Iterator

from saga_coordinator.contracts import Event, Failure, Reply
from saga_coordinator.sagas.machine import Cancel, Cause, Status
from saga_coordinator.sagas.testing.explorer.moves import is_awaited
from saga_coordinator.sagas.testing.explorer.order import way
from saga_coordinator.sagas.testing.explorer.turn import (
    Turned,
    Violation,
    being_compensated,
    denies_sending,
    is_in,
    may_give_up,
)
from saga_coordinator.sagas.testing.explorer.world import COMPENSATION, FORWARD, Heard


def i2_a_final_status_is_absorbing(turned: Turned) -> Iterator[Violation]:
    """Completed and compensated are never left, and stalled by an operator only."""
    if turned.before is None:
        return
    was, now = turned.before.instance, turned.after.instance
    if was.status.is_final and not (turned.decision.ignored and now is was):
        yield Violation(f"it was {was.status}, and something changes", "assert story.ignored")
    if was.status is Status.STALLED and now.status is not Status.STALLED:
        yield Violation("it was stalled, and goes on by itself", "assert story.status is Status.STALLED")


def i8_completed_means_each_step_of_the_way_and_no_undo(turned: Turned) -> Iterator[Violation]:
    """Whatever stands on the way is done; what does not has no effect left."""
    after = turned.after
    if after.instance.status is not Status.COMPLETED or turned.decision.ignored:
        return
    taken = set(way(after.saga.steps, after.instance))
    for name in taken:
        if not after.is_done(name):
            yield Violation(f"it is completed, and {name} is not done", "assert story.status is not Status.COMPLETED")
    for step in after.steps:
        stands = after.may_be_done(step) and not after.is_undone(step)
        if (step not in taken and stands) or (step in taken and after.last(step, COMPENSATION)):
            yield Violation(f"it is completed, and {step} is left over", "assert story.status is not Status.COMPLETED")


def i18_before_the_pivot_backward_after_it_forward(turned: Turned) -> Iterator[Violation]:
    """From the sending of the pivot only its own refusal undoes; from its success on nothing does."""
    pivot, after = turned.heard.pivot, turned.after
    if pivot is not None and pivot.heard is Heard.DONE:
        for send in turned.decision.commands:
            if send.direction is COMPENSATION:
                yield Violation(f"the pivot is done, and {send.step} is undone", denies_sending(send))
    if pivot is not None and after.instance.cause is not None and turned.given_up_leaves:
        is_by_pivot = (turned.move.step, turned.move.direction) == (pivot.send.step, FORWARD)
        if not is_by_pivot or pivot.heard is Heard.DONE:
            yield Violation("it turns back, though the pivot was sent", "assert story.instance.cause is None")
    back = being_compensated(after)
    for send in turned.decision.commands:
        if (send.direction is COMPENSATION) is not is_in(send.step, back):
            yield Violation(f"{send.step} is sent in the wrong direction", denies_sending(send))


def i18_a_cancel_before_the_pivot_compensates(turned: Turned) -> Iterator[Violation]:
    """Nothing more is sent forward once it was cancelled; after the pivot it changes nothing."""
    was = turned.before.instance if turned.before else None
    if not isinstance(turned.move.signal, Cancel) or was is None:
        return
    may_turn = was.status is Status.RUNNING and was.cause is None and turned.heard.pivot is None
    if may_turn and turned.after.instance.cause is None:
        yield Violation("it was cancelled before the pivot, and goes on", "assert story.instance.cause is not None")
    if not may_turn and not turned.decision.ignored:
        yield Violation("it was cancelled too late, and something changes", "assert story.ignored")


def it_compensates_for_a_reason(turned: Turned) -> Iterator[Violation]:
    """A refusal, a retry that is used up, an event that never came, a cancel, the deadline: none too early."""
    for cause, claim in turned.causes:
        if not _is_right(turned, cause):
            yield Violation(f"it turns back by {cause.step or 'the whole'} ({cause.code}) without need", claim)


def _is_right(turned: Turned, cause: Cause) -> bool:
    heard = turned.heard
    if cause.step is None:
        deadline = heard.instance.deadline_at
        return isinstance(turned.move.signal, Cancel) or (deadline is not None and deadline <= heard.now)
    if cause.step in heard.waits:
        return heard.waits[cause.step].due_at <= heard.now
    return (cause.step, FORWARD) in heard.calls and may_give_up(heard, (cause.step, FORWARD))


def no_failure_is_ignored(turned: Turned) -> Iterator[Violation]:
    """Going forward, no step of the way is refused, none is overdue, and no awaited event has failed to come."""
    after = turned.after
    if after.instance.status is not Status.RUNNING or not after.instance.is_active or turned.decision.ignored:
        return
    back = being_compensated(after)
    for name in way(after.saga.steps, after.instance):
        call = after.last(name)
        is_refused = call is not None and call.heard is Heard.REFUSED
        is_overdue = call is not None and call.heard is None and call.due_at <= after.now
        if name in after.waits:
            is_overdue = is_awaited(after, name) and after.waits[name].due_at <= after.now
        if (is_refused or is_overdue) and not is_in(name, back):
            what = "refused" if is_refused else "overdue"
            yield Violation(
                f"{name} is {what}, and it goes on as if nothing were", "assert story.status is not Status.RUNNING"
            )


def the_outcome_leaves_once_with_the_end(turned: Turned) -> Iterator[Violation]:
    """It is what the definition makes of the end; a child that was undone fails for good."""
    one, outcome = turned.after.instance, turned.decision.outcome
    entered = one.status.is_final and not (turned.before and turned.before.instance.status.is_final)
    if (outcome is not None) is not entered:
        yield Violation(
            "an outcome is told at the end, and only then",
            "assert (story.outcome is not None) is story.status.is_final",
        )
    if turned.after.outcomes > 1:
        yield Violation("its outcome is told twice", "assert story.ignored")
    if outcome is None:
        return
    if (expected := _outcome(turned)) is not None and outcome not in expected:
        yield Violation(f"it tells {outcome!r}, not {expected[0]!r}", f"assert story.outcome != {outcome!r}")
    if isinstance(outcome, Failure) and outcome.retryable:
        yield Violation("a child that was undone says that it may be asked again", "assert not story.outcome.retryable")


def _outcome(turned: Turned) -> tuple[Event | Reply, ...] | None:
    """Return what the definition makes of the end; None where it leaves that to the machine."""
    saga, one = turned.after.saga, turned.after.instance
    if one.status is Status.COMPLETED:
        return (saga.on_completed(one.data),)
    if saga.on_compensated is None or one.cause is None:
        return None
    told = saga.on_compensated(one.data, one.cause)
    return (told.model_copy(update={"retryable": False}),) if isinstance(told, Failure) else (told,)


def nothing_is_sent_where_nothing_may_be(turned: Turned) -> Iterator[Violation]:
    """What is stalled or ignored sends nothing; an ignored signal says why, and leaves the instance as it was."""
    ignored = turned.decision.ignored
    if ignored or turned.after.instance.status is Status.STALLED:
        for send in turned.decision.commands:
            yield Violation(f"{send.step} is sent, though it is {ignored or 'stalled'}", denies_sending(send))
    if ignored and turned.before and not (turned.decision.reason and turned.after.instance is turned.before.instance):
        yield Violation("a signal is ignored without a reason, or changes something", "assert not story.ignored")
