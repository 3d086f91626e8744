"""The point of no return: before it only back, after it only forward (rule 6, I18)."""

from saga_coordinator.sagas import Retry
from saga_coordinator.sagas.machine import Ignored, Status
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    Begun,
    Did,
    Finished,
    Unwound,
    choice,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)

SHIP = saga(compensatable("a"), point_of_no_return("ship", timeout=MINUTE), retriable("notify"), deadline=HOUR)
AT_THE_PIVOT = given(SHIP, Begun()).replies("a", Did()).expects("ship")
PAST_THE_PIVOT = AT_THE_PIVOT.replies("ship", Did()).expects("notify")


def test_a_pivot_that_refuses_undoes_what_came_before_it() -> None:
    (
        AT_THE_PIVOT.fails("ship", code="no")
        .undoes("a")
        .undone("a")
        .ends(Status.COMPENSATED, Unwound(key="k-1", step="ship", code="no"))
    )


def test_a_pivot_that_cannot_now_and_may_not_be_asked_again_refuses() -> None:
    AT_THE_PIVOT.fails("ship", code="busy", retryable=True).undoes("a")


def test_a_pivot_with_a_retry_is_asked_again_under_a_new_id() -> None:
    patient = saga(point_of_no_return("ship", retry=Retry(attempts=2, jitter=0.0)))
    waiting = given(patient, Begun()).fails("ship", code="busy", retryable=True)

    waiting.passes(SECOND).expects("ship").replies("ship", Did()).ends(Status.COMPLETED)
    waiting.cancels().ignores(Ignored.PAST_THE_PIVOT)


def test_an_unknown_pivot_is_asked_under_the_same_id_until_it_answers() -> None:
    asked = AT_THE_PIVOT.passes(3 * MINUTE).expects("ship", "ship", "ship")

    assert {send.command_id for send in asked.sent[1:]} == {AT_THE_PIVOT.sent[-1].command_id}
    asked.replies("ship", Did()).expects("notify")
    asked.fails("ship", code="no").undoes("a")


def test_a_cancel_is_past_the_pivot_from_the_moment_it_was_sent() -> None:
    assert AT_THE_PIVOT.cancels().ignores(Ignored.PAST_THE_PIVOT).instance is AT_THE_PIVOT.instance
    assert PAST_THE_PIVOT.cancels().ignores(Ignored.PAST_THE_PIVOT).instance is PAST_THE_PIVOT.instance


def test_a_cancel_after_the_pivot_was_refused_finds_that_it_already_compensates() -> None:
    AT_THE_PIVOT.fails("ship", code="no").cancels().ignores(Ignored.DUPLICATE)


def test_the_deadline_ends_when_the_pivot_is_sent() -> None:
    assert AT_THE_PIVOT.instance.deadline_at is None
    assert AT_THE_PIVOT.passes(2 * HOUR).status is Status.RUNNING


def test_after_the_pivot_a_step_is_asked_until_it_is_answered() -> None:
    asked = PAST_THE_PIVOT.passes(3 * MINUTE).expects("notify", "notify", "notify")

    retried = asked.fails("notify", code="busy", retryable=True).passes(HOUR)
    assert {send.step for send in retried.unnamed} == {"notify"}
    retried.replies("notify", Did()).ends(Status.COMPLETED, Finished(key="k-1", seen=("a", "ship", "notify")))


def test_after_the_pivot_a_refusal_stalls_the_instance() -> None:
    stalled = PAST_THE_PIVOT.fails("notify", code="no", message="unknown address").expects().ends(Status.STALLED)

    assert stalled.outcome is None
    assert stalled.instance.stall is not None
    assert (stalled.instance.stall.step, stalled.instance.stall.code) == ("notify", "no")


def test_a_pivot_in_a_branch_that_was_not_taken_leaves_the_way_back_open() -> None:
    maybe = saga(compensatable("a"), choice("by-air", 0, point_of_no_return("fly")), compensatable("b"), deadline=HOUR)
    not_taken = given(maybe, Begun(coins=1)).replies("a", Did()).expects("b")
    taken = given(maybe, Begun(coins=0)).replies("a", Did()).expects("fly")

    not_taken.fails("b", code="no").undoes("a")
    taken.replies("fly", Did()).fails("b", code="no").expects().ends(Status.STALLED)
    assert not_taken.instance.deadline_at is not None
