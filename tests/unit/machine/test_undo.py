"""What was or may have been done is undone in the strict reverse of the definition, a group together (rule 5, I14)."""

from saga_coordinator.sagas import DEADLINE_PASSED, Retry, parallel
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    Begun,
    Did,
    Unwound,
    choice,
    compensatable,
    point_of_no_return,
    safe,
    saga,
)

LINE = saga(compensatable("a"), compensatable("b"), compensatable("c"), point_of_no_return())


def test_i14_steps_are_undone_one_after_the_other_in_reverse() -> None:
    (
        given(LINE, Begun())
        .replies("a", Did())
        .replies("b", Did())
        .fails("c", code="no")
        .undoes("b")
        .undone("b")
        .undoes("a")
        .undone("a")
        .ends(Status.COMPENSATED, Unwound(key="k-1", step="c", code="no"))
    )


def test_i14_the_members_of_a_group_are_undone_together() -> None:
    group = saga(
        compensatable("a"), parallel(compensatable("b"), compensatable("c")), compensatable("d"), point_of_no_return()
    )
    (
        given(group, Begun())
        .replies("a", Did())
        .replies("c", Did())
        .replies("b", Did())
        .fails("d", code="no")
        .undoes("b", "c")
        .undone("c")
        .expects()
        .undone("b")
        .undoes("a")
    )


def test_i14_a_sequence_within_a_group_is_undone_in_reverse_beside_its_neighbours() -> None:
    nested = saga(
        parallel(choice("c", 0, compensatable("a"), compensatable("b")), compensatable("x")), point_of_no_return()
    )
    (
        given(nested, Begun(coins=1))
        .expects("a", "x")
        .replies("a", Did())
        .expects("b")
        .replies("x", Did())
        .fails("b", code="no")
        .undoes("a", "x")
    )


def test_a_safe_step_is_not_undone() -> None:
    lookup = saga(compensatable("a"), safe("look"), compensatable("b"), point_of_no_return())
    given(lookup, Begun()).replies("a", Did()).replies("look", Did()).fails("b", code="no").undoes("a")


def test_a_compensation_names_the_command_that_it_undoes() -> None:
    undoing = given(LINE, Begun()).replies("a", Did()).fails("b", code="no")

    assert undoing.sent[-1].compensates == undoing.sent[0].command_id


def test_a_compensation_names_the_last_attempt() -> None:
    twice = saga(compensatable("a", retry=Retry(attempts=2, jitter=0.0)), point_of_no_return())
    undoing = given(twice, Begun()).fails("a", code="busy", retryable=True).passes(SECOND).cancels().passes(MINUTE)

    assert undoing.sent[-1].compensates == undoing.sent[1].command_id


def test_a_compensation_sees_the_data_as_they_are_when_it_is_made() -> None:
    undoing = given(LINE, Begun()).replies("a", Did(word="1")).replies("b", Did(word="2")).fails("c", code="no")

    assert '"seen":["a:1","b:2"]' in undoing.sent[-1].payload


def test_an_undo_that_was_not_done_yet_is_asked_again_under_a_new_id() -> None:
    retried = (
        given(LINE, Begun())
        .replies("a", Did())
        .fails("b", code="no")
        .undo_fails("a", code="busy", retryable=True)
        .expects()
        .passes(SECOND)
        .undoes("a")
    )
    first, second = retried.sent[-2:]
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.compensates == second.compensates


def test_an_undo_that_does_not_answer_is_asked_again_under_the_same_id() -> None:
    undoing = given(LINE, Begun()).replies("a", Did()).fails("b", code="no").passes(MINUTE).undoes("a")

    assert undoing.sent[-1] == undoing.sent[-2]


def test_nothing_is_undone_when_nothing_was_done() -> None:
    given(LINE, Begun()).fails("a", code="no").expects().ends(Status.COMPENSATED)


def test_the_first_of_two_refusals_is_the_cause() -> None:
    pair = saga(parallel(compensatable("a"), compensatable("b")), point_of_no_return())
    (
        given(pair, Begun())
        .fails("b", code="first")
        .fails("a", code="second")
        .ends(Status.COMPENSATED, Unwound(key="k-1", step="b", code="first"))
    )


def test_a_cancel_undoes_what_was_done_and_awaits_what_is_in_flight() -> None:
    (
        given(LINE, Begun())
        .replies("a", Did())
        .cancels()
        .expects()
        .replies("b", Did())
        .undoes("b")
        .undone("b")
        .undone("a")
        .ends(Status.COMPENSATED, Unwound(key="k-1", step=None, code="cancelled"))
    )


def test_the_deadline_undoes_as_a_cancel_does() -> None:
    hasty = saga(compensatable("a", timeout=HOUR), point_of_no_return(), deadline=HOUR)
    (
        given(hasty, Begun())
        .passes(HOUR)
        .undoes("a")
        .undone("a")
        .ends(Status.COMPENSATED, Unwound(key="k-1", step=None, code=DEADLINE_PASSED))
    )


def test_the_deadline_is_part_of_the_one_timer() -> None:
    hasty = saga(compensatable("a", retry=Retry(attempts=None)), point_of_no_return(), deadline=90 * SECOND)
    asked = given(hasty, Begun()).passes(MINUTE).expects("a")

    assert asked.instance.next_timer_at == asked.instance.deadline_at
