"""Alternatives are tried in turn; what was or may have been done in one is undone before the next is tried."""

from saga_coordinator.sagas import alternatives, parallel, series
from saga_coordinator.sagas.machine import Attempt, Status
from saga_coordinator.sagas.testing.scenario import BEGINNING, given
from tests.support.saga_kit import (
    MINUTE,
    SECOND,
    Begun,
    Did,
    Finished,
    Listed,
    compensatable,
    each,
    point_of_no_return,
    safe,
    saga,
)

a, b, c, d, e = (compensatable(name) for name in "abcde")
TWO = saga(a, alternatives(b, c), point_of_no_return())
BEGUN = given(TWO, Begun()).replies("a", Did())


def test_the_first_that_succeeds_is_enough() -> None:
    done = BEGUN.expects("b").replies("b", Did()).expects("pivot").replies("pivot", Did())

    done.ends(Status.COMPLETED, Finished(key="k-1", seen=("a", "b", "pivot")))
    assert done.instance.attempts == {"b-or-c": Attempt(0)}


def test_a_refused_one_needs_no_undo_and_the_next_is_tried() -> None:
    second = BEGUN.fails("b", code="no").expects("c")

    assert second.status is Status.RUNNING
    assert second.instance.cause is None
    assert second.instance.attempts == {"b-or-c": Attempt(1)}
    second.replies("c", Did()).expects("pivot")


def test_an_unknown_one_is_undone_before_the_next_is_tried() -> None:
    unknown = BEGUN.passes(MINUTE).undoes("b")

    cause = unknown.instance.attempts["b-or-c"].cause
    assert cause is not None
    assert (cause.step, cause.code) == ("b", "timed-out")
    unknown.undone("b").expects("c")


def test_when_the_last_one_fails_the_saga_fails_with_its_cause() -> None:
    failed = BEGUN.fails("b", code="no").fails("c", code="never").undoes("a")

    assert failed.instance.cause is not None
    assert (failed.instance.cause.step, failed.instance.cause.code) == ("c", "never")
    failed.undone("a").ends(Status.COMPENSATED)


def test_a_successful_alternative_is_compensated_when_the_saga_compensates_later() -> None:
    first = BEGUN.replies("b", Did()).fails("pivot", code="no").undoes("b").undone("b").undoes("a")
    second = BEGUN.fails("b", code="no").replies("c", Did()).fails("pivot", code="no").undoes("c")

    first.undone("a").ends(Status.COMPENSATED)
    second.undone("c").undoes("a")


def test_what_was_undone_within_is_not_undone_again() -> None:
    second = BEGUN.passes(MINUTE).undone("b").replies("c", Did()).fails("pivot", code="no")

    second.undoes("c").undone("c").undoes("a").undone("a").ends(Status.COMPENSATED)


def test_the_siblings_in_a_group_inside_one_are_awaited_and_undone_with_it() -> None:
    grouped = saga(alternatives(parallel(a, b, c), d), point_of_no_return())

    refused = given(grouped, Begun()).replies("a", Did()).fails("b", code="no").expects()
    refused.replies("c", Did()).undoes("a", "c").undone("c").expects().undone("a").expects("d")
    refused.fails("c", code="no").undoes("a")
    refused.passes(MINUTE).undoes("a", "c")


def test_a_sibling_that_may_be_asked_again_is_not_once_the_alternative_has_failed() -> None:
    grouped = saga(alternatives(parallel(a, b), d), point_of_no_return())

    refused = given(grouped, Begun()).fails("b", code="no").expects()
    refused.fails("a", code="busy", retryable=True).expects("d")


def test_a_series_inside_one_is_undone_in_reverse() -> None:
    rows = saga(alternatives(series(a, b, c), d), point_of_no_return())

    refused = given(rows, Begun()).replies("a", Did()).replies("b", Did()).fails("c", code="no")
    refused.undoes("b").undone("b").undoes("a").undone("a").expects("d")


def test_a_for_each_inside_one_is_undone_with_it() -> None:
    listed = saga(alternatives(each("pack"), d), point_of_no_return())

    refused = given(listed, Listed(items=("x", "y"))).replies("pack[x]", Did()).fails("pack[y]", code="no")
    refused.undoes("pack[x]").undone("pack[x]").expects("d")


def test_nested_the_inner_ones_are_tried_before_the_outer_next() -> None:
    nested = saga(alternatives(series(a, alternatives(b, c)), d), point_of_no_return())

    begun = given(nested, Begun()).replies("a", Did()).expects("b").passes(MINUTE).undoes("b").undone("b").expects("c")
    failed = begun.fails("c", code="no").undoes("a").undone("a").expects("d")
    assert {name: attempt.number for name, attempt in failed.instance.attempts.items()} == {"a-or-d": 1, "b-or-c": 1}


def test_nested_the_outer_compensates_while_the_inner_one_is_being_compensated() -> None:
    slow = compensatable("a", timeout=10 * MINUTE)
    nested = saga(alternatives(parallel(slow, alternatives(b, c)), d), point_of_no_return())
    inner = given(nested, Begun()).passes(MINUTE).undoes("b")

    outer = inner.fails("a", code="no").expects()
    assert outer.instance.attempts["a-or-d"].cause is not None
    outer.undone("b").expects("d").replies("d", Did()).expects("pivot")


def test_inside_a_group_the_other_members_go_on() -> None:
    group = saga(parallel(alternatives(series(a, b), c), d), point_of_no_return())

    undoing = given(group, Begun()).replies("a", Did()).fails("b", code="no").undoes("a")
    undoing.replies("d", Did()).expects().undone("a").expects("c").replies("c", Did()).expects("pivot")


def test_a_cancel_amid_a_local_undo_awaits_what_is_in_flight_outside() -> None:
    """The undo that is under way is asked again at its time, though the sibling outside is still in flight."""
    slow = compensatable("d", timeout=10 * MINUTE)
    group = saga(parallel(alternatives(series(a, b), c), slow), point_of_no_return())
    cancelled = given(group, Begun()).replies("a", Did()).fails("b", code="no").undoes("a").cancels().expects()

    assert cancelled.instance.next_timer_at == BEGINNING + MINUTE
    again = cancelled.passes(MINUTE).undoes("a")
    assert again.instance.next_timer_at == BEGINNING + 2 * MINUTE
    busy = again.undo_fails("a", code="busy", retryable=True).passes(3 * SECOND).undoes("a")
    busy.undone("a").expects().replies("d", Did()).undoes("d").undone("d").ends(Status.COMPENSATED)


def test_a_deadline_amid_a_local_undo_turns_everything_back() -> None:
    slow = series(e, compensatable("d", timeout=3 * MINUTE))
    group = saga(parallel(alternatives(series(a, b), c), slow), point_of_no_return(), deadline=3 * MINUTE)
    begun = given(group, Begun()).replies("a", Did()).passes(MINUTE - SECOND).replies("e", Did())
    undoing = begun.passes(SECOND).undoes("b").undone("b").passes(MINUTE + 30 * SECOND)

    late = undoing.passes(30 * SECOND)
    assert late.instance.cause is not None
    assert late.instance.cause.code == "deadline-passed"
    assert late.instance.next_timer_at is not None
    assert late.instance.next_timer_at > late.at
    late.undone("a").expects().replies("d", Did()).undoes("d").undone("d").undoes("e")


def test_a_local_undo_that_stalls_goes_on_from_there_when_it_is_retried() -> None:
    rows = saga(alternatives(series(a, b), c), point_of_no_return())
    stalled = given(rows, Begun()).replies("a", Did()).fails("b", code="no").undo_fails("a", code="gone")

    stalled.ends(Status.STALLED)
    assert stalled.instance.cause is None
    stalled.retries().undoes("a").undone("a").expects("c").replies("c", Did()).expects("pivot")
    stalled.skips("a").expects("c")


def test_a_late_success_amid_the_local_undo_sends_the_undo_again() -> None:
    unknown = BEGUN.passes(MINUTE).undoes("b")

    overtaken = unknown.replies("b", Did()).undoes("b")
    assert overtaken.data.seen == ("a",)
    overtaken.undone("b").expects("c")


def test_a_late_success_of_one_that_was_left_changes_nothing() -> None:
    left = BEGUN.passes(MINUTE).undone("b").expects("c")

    late = left.replies("b", Did())
    assert late.instance is left.instance


def test_a_late_success_of_one_that_needs_no_undo_is_not_remembered() -> None:
    looks = saga(alternatives(safe("look"), c), point_of_no_return())
    left = given(looks, Begun()).passes(MINUTE).expects("c")

    assert left.replies("look", Did()).data.seen == ()


def test_a_pause_holds_back_the_next_alternative() -> None:
    refused = BEGUN.pauses().fails("b", code="no").expects()

    refused.resumes().expects("c")


def test_a_cancel_after_one_was_left_undoes_only_what_stands() -> None:
    left = BEGUN.passes(MINUTE).undone("b").cancels()

    left.replies("c", Did()).undoes("c").undone("c").undoes("a").undone("a").ends(Status.COMPENSATED)


def test_a_success_that_comes_amid_the_local_undo_holds_up_no_timer() -> None:
    """The last step is not undone when unknown and succeeds late, when the undo of a was asked already."""
    sure = compensatable("b", undo_when_unknown=False)
    rows = saga(alternatives(series(a, sure), c), point_of_no_return())
    crossed = given(rows, Begun()).replies("a", Did()).passes(MINUTE).undoes("a").replies("b", Did()).undoes("b")

    again = crossed.passes(MINUTE)
    assert again.instance.next_timer_at is not None
    assert again.instance.next_timer_at > again.at
    crossed.undone("a").expects().undone("b").expects("c")
