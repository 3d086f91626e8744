"""A step that does not answer may have been done: it is asked again under the same id, or undone (rules 4 and 5)."""

from datetime import timedelta

from saga_coordinator.sagas import Retry, parallel
from saga_coordinator.sagas.machine import Direction, Ignored, ReplyReceived, Status, TimerFired, transition
from saga_coordinator.sagas.testing.scenario import BEGINNING, given
from tests.support.saga_kit import (
    MINUTE,
    SECOND,
    Begun,
    Did,
    Unwound,
    command,
    compensatable,
    point_of_no_return,
    saga,
)

THRICE = Retry(attempts=3, first=10 * SECOND, factor=2, jitter=0.0)
ONE = saga(compensatable("a", retry=THRICE), point_of_no_return())
PAIR = saga(parallel(compensatable("a"), compensatable("b", timeout=2 * MINUTE)), point_of_no_return())


def test_i9_a_step_that_times_out_is_asked_again_under_the_same_id_with_the_same_content() -> None:
    asked = given(ONE, Begun()).passes(MINUTE)

    first, second = asked.sent
    assert first == second


def test_i9_a_step_that_was_definitely_not_done_is_asked_again_under_a_new_id() -> None:
    asked = given(ONE, Begun()).fails("a", code="busy", retryable=True).expects().passes(10 * SECOND).expects("a")

    first, second = asked.sent
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.command_id != second.command_id


def test_a_new_attempt_is_made_from_the_data_as_they_are_then() -> None:
    both = saga(parallel(compensatable("a", retry=THRICE), compensatable("b")), point_of_no_return())
    asked = given(both, Begun()).fails("a", code="busy", retryable=True).replies("b", Did()).passes(10 * SECOND)

    assert '"seen":["b"]' in asked.sent[-1].payload


def test_the_same_command_keeps_its_content_though_the_data_have_changed() -> None:
    both = saga(parallel(compensatable("a", retry=THRICE), compensatable("b")), point_of_no_return())
    asked = given(both, Begun()).replies("b", Did()).passes(MINUTE).expects("a")

    assert asked.sent[-1] == asked.sent[0]


def test_attempts_count_every_sending_whether_it_timed_out_or_was_refused() -> None:
    (
        given(ONE, Begun())
        .passes(MINUTE)
        .expects("a")
        .fails("a", code="busy", retryable=True)
        .passes(20 * SECOND)
        .expects("a")
        .fails("a", code="busy", message="still", retryable=True)
        .expects()
        .ends(Status.COMPENSATED, Unwound(key="k-1", step="a", code="busy"))
    )


def test_i13_a_step_that_never_answered_is_undone() -> None:
    (
        given(ONE, Begun())
        .passes(2 * MINUTE)
        .expects("a", "a")
        .passes(MINUTE)
        .undoes("a")
        .undone("a")
        .ends(Status.COMPENSATED, Unwound(key="k-1", step="a", code="timed-out"))
    )


def test_i13_a_step_that_was_definitely_refused_is_not_undone() -> None:
    given(ONE, Begun()).fails("a", code="no").expects().ends(Status.COMPENSATED)


def test_i13_a_step_that_waits_for_a_retry_is_not_undone_when_the_instance_compensates() -> None:
    given(ONE, Begun()).fails("a", code="busy", retryable=True).cancels().expects().ends(Status.COMPENSATED)


def test_a_sibling_in_flight_is_awaited_before_anything_is_undone() -> None:
    turned = given(PAIR, Begun()).fails("a", code="no").expects()

    turned.replies("b", Did()).undoes("b").undone("b").ends(Status.COMPENSATED)
    turned.fails("b", code="no").expects().ends(Status.COMPENSATED)
    turned.fails("b", code="busy", retryable=True).expects().ends(Status.COMPENSATED)


def test_a_sibling_in_flight_is_not_asked_again_but_undone_when_it_times_out() -> None:
    patient = saga(parallel(compensatable("a"), compensatable("b", retry=THRICE)), point_of_no_return())
    given(patient, Begun()).fails("a", code="no").passes(MINUTE).undoes("b")


def test_a_late_success_is_remembered_while_its_undo_has_not_been_sent() -> None:
    late = given(PAIR, Begun()).passes(MINUTE).expects().replies("a", Did(word="late"))

    assert late.data.seen == ("a:late",)
    undone = late.replies("b", Did()).undoes("a", "b")
    assert undone.command(command("a", undo=True)).model_dump()["seen"] == ("a:late", "b")


def test_a_late_refusal_spares_the_undo_while_it_has_not_been_sent() -> None:
    given(PAIR, Begun()).passes(MINUTE).fails("a", code="no").replies("b", Did()).undoes("b")


def test_i17_a_late_success_after_its_undo_was_sent_sends_the_same_undo_again_and_is_not_remembered() -> None:
    late = given(PAIR, Begun()).cancels().passes(2 * MINUTE).undoes("a", "b").replies("a", Did(word="late"))

    assert late.undoes("a").sent[-1] == late.sent[-3]
    assert late.data.seen == ()


def test_i17_a_late_success_after_its_undo_was_acknowledged_changes_nothing() -> None:
    undone = given(PAIR, Begun()).cancels().passes(2 * MINUTE).undone("a")

    assert undone.replies("a", Did()).ignores(Ignored.LATE).instance is undone.instance


def test_i17_a_late_success_while_its_undo_waits_to_be_asked_again_sends_nothing_yet() -> None:
    waiting = given(PAIR, Begun()).cancels().passes(2 * MINUTE).undo_fails("a", code="busy", retryable=True)

    waiting.replies("a", Did()).expects().passes(timedelta(seconds=1)).undoes("a")


def test_i17_a_late_success_while_paused_sends_its_undo_again_when_it_is_resumed() -> None:
    paused = given(PAIR, Begun()).cancels().passes(2 * MINUTE).pauses().passes(SECOND)

    late = paused.replies("a", Did()).expects().passes(MINUTE)
    late.resumes().undoes("a")
    late.undone("a").resumes().expects()


def test_i17_a_late_success_sends_its_undo_again_even_when_its_retry_is_used_up() -> None:
    """The sending that was overtaken does not count; the next silence stalls."""
    once = saga(compensatable("a", compensate_retry=Retry(attempts=1)), point_of_no_return())
    late = given(once, Begun()).passes(MINUTE).undoes("a").replies("a", Did()).undoes("a")

    late.passes(MINUTE).ends(Status.STALLED)


def test_i17_an_instance_that_stalls_at_the_very_moment_of_a_late_success_sends_nothing() -> None:
    """`b` has used up its retry and is found overdue by the signal about `a`."""
    pair = saga(
        parallel(compensatable("a"), compensatable("b", compensate_retry=Retry(attempts=1))), point_of_no_return()
    )
    undoing = given(pair, Begun()).cancels().passes(MINUTE).undoes("a", "b")
    late = ReplyReceived(BEGINNING + 2 * MINUTE, undoing.sent[0].command_id, Did())

    decision = transition(pair, undoing.instance, late)

    assert (decision.instance.status, decision.commands) == (Status.STALLED, ())


def test_a_late_refusal_after_its_undo_was_sent_changes_nothing() -> None:
    undoing = given(PAIR, Begun()).cancels().passes(2 * MINUTE)

    undoing.fails("a", code="no").ignores(Ignored.LATE)


def test_i10_a_reply_is_taken_once() -> None:
    once = given(PAIR, Begun()).replies("a", Did(word="1"))

    twice = once.replies("a", Did(word="2")).ignores(Ignored.DUPLICATE)
    assert twice.instance is once.instance


def test_i10_a_reply_to_an_attempt_that_was_given_up_is_superseded() -> None:
    again = given(ONE, Begun()).fails("a", code="busy", retryable=True).passes(10 * SECOND)

    again.fails("a", code="busy", retryable=True, attempt=1).ignores(Ignored.SUPERSEDED)
    again.replies("a", Did(), attempt=2).expects("pivot")


def test_i19_of_a_reply_and_a_timeout_at_the_same_instant_the_first_wins_and_the_other_changes_nothing() -> None:
    once = saga(compensatable("a"), point_of_no_return())
    asked = given(once, Begun())
    due = BEGINNING + MINUTE
    reply, timer = ReplyReceived(due, asked.sent[0].command_id, Did()), TimerFired(due)

    answered = transition(once, asked.instance, reply)
    assert [send.step for send in answered.commands] == ["pivot"]
    assert transition(once, answered.instance, timer).ignored is Ignored.NOT_DUE

    timed_out = transition(once, asked.instance, timer)
    assert [send.direction for send in timed_out.commands] == [Direction.COMPENSATION]
    assert transition(once, timed_out.instance, timer).ignored is Ignored.NOT_DUE
    overtaken = transition(once, timed_out.instance, reply)
    assert (overtaken.commands, overtaken.instance.status) == (timed_out.commands, Status.COMPENSATING)
