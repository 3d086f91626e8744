"""An operator's retry asks again now: under its id what may have been done, under a new one what was not (I9)."""

import pytest

from saga_coordinator.sagas import Cause, Retry, alternatives, parallel
from saga_coordinator.sagas.machine import Block, Cancel, Direction, Ignored, Progress, RetryStep, Status, transition
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    Begun,
    Data,
    Did,
    Paid,
    awaits,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)
from tests.unit.machine._support.blocked import obstructed

FORWARD, COMPENSATION = Direction.FORWARD, Direction.COMPENSATION
TWICE = Retry(attempts=2, first=SECOND, jitter=0.0)
PAIR = saga(
    parallel(compensatable("a", retry=TWICE, compensate_retry=TWICE), compensatable("b", compensate_retry=TWICE)),
    point_of_no_return(),
    parallel(retriable("y"), retriable("z")),
)
BEGUN = given(PAIR, Begun())
PAST = BEGUN.replies("a", Did()).replies("b", Did()).replies("pivot", Did())
UNDOING = BEGUN.replies("a", Did()).replies("b", Did()).fails("pivot", code="no")
WAITING = given(saga(point_of_no_return(), awaits("payment"), retriable("z")), Begun()).replies("pivot", Did())


def refused(scenario: Scenario[Data], step: str | None, because: str) -> None:
    """The action is out of place, for this reason."""
    decision = transition(scenario.saga, scenario.instance, RetryStep(scenario.at, "olga", "try", step))
    assert decision.ignored is Ignored.OUT_OF_PLACE
    assert decision.instance is scenario.instance
    assert decision.reason is not None
    assert because in decision.reason


def test_a_refused_step_past_the_pivot_is_asked_again_under_a_new_id() -> None:
    stalled = PAST.fails("y", code="no").ends(Status.STALLED)

    again = stalled.passes(HOUR).retries("y").expects("y", "z")
    assert [(send.step, send.attempt) for send in again.sent[-2:]] == [("y", 2), ("z", 1)]
    assert again.instance.stall is None
    again.replies("y", Did()).replies("z", Did()).ends(Status.COMPLETED)


def test_an_undo_that_was_refused_is_asked_again_under_a_new_id() -> None:
    stalled = UNDOING.undo_fails("a", code="gone").undone("b").ends(Status.STALLED)

    again = stalled.retries().undoes("a")
    assert again.sent[-1].attempt == 2
    assert again.status is Status.COMPENSATING
    again.undone("a").ends(Status.COMPENSATED)


def test_an_undo_that_never_answered_is_asked_again_under_its_id() -> None:
    stalled = UNDOING.undone("b").passes(2 * MINUTE).ends(Status.STALLED)

    again = stalled.retries("a").undoes("a")
    assert again.sent[-1] == stalled.sent[-1]
    again.passes(MINUTE).undoes("a").passes(MINUTE).ends(Status.STALLED)


def test_without_a_name_all_that_was_given_up_is_asked_again() -> None:
    stalled = PAST.fails("y", code="no").fails("z", code="no").ends(Status.STALLED)

    stalled.retries().expects("y", "z")


def test_it_stays_stalled_until_the_last_that_was_given_up_is_retried_or_skipped() -> None:
    stalled = PAST.fails("z", code="never").fails("y", code="no")

    one = stalled.retries("z").expects().ends(Status.STALLED)
    assert one.instance.stall is not None
    assert (one.instance.stall.step, one.instance.stall.code) == ("y", "given-up-before")
    one.retries("y").expects("y", "z")
    one.skips("y", Did()).expects("z")
    other = stalled.retries("y").expects()
    assert other.instance.stall == stalled.instance.stall


def test_an_unknown_undo_that_is_retried_while_another_is_stuck_keeps_its_id() -> None:
    silent = UNDOING.passes(2 * MINUTE).ends(Status.STALLED)

    one = silent.retries("a").expects().ends(Status.STALLED)
    both = one.retries("b").undoes("a", "b")
    assert [send.attempt for send in both.sent[-2:]] == [1, 1]
    one.undone("a").undone("b").retries().ends(Status.COMPENSATED)


def test_a_receive_that_was_given_up_begins_to_wait_again() -> None:
    stalled = WAITING.passes(MINUTE).ends(Status.STALLED)

    again = stalled.passes(HOUR).retries("payment").expects()
    assert again.status is Status.RUNNING
    assert again.instance.next_timer_at == again.at + MINUTE
    again.happens(Paid()).expects("z")
    stalled.retries().happens(Paid()).expects("z")


def test_a_command_that_could_not_be_published_is_asked_again_under_a_new_id() -> None:
    stalled = obstructed(BEGUN, "a")

    again = stalled.retries("a").expects("a")
    assert again.sent[-1].attempt == 2
    assert again.instance.steps["b"].forward.progress is Progress.ASKED


def test_an_undo_that_could_not_be_published_is_asked_again_under_a_new_id() -> None:
    stalled = obstructed(UNDOING, "b", COMPENSATION).ends(Status.STALLED)

    again = stalled.retries().undoes("b")
    assert again.sent[-1].attempt == 2


def test_one_that_was_sent_before_may_have_been_done_and_keeps_its_id() -> None:
    stalled = obstructed(BEGUN.replies("b", Did()).passes(MINUTE).expects("a"), "a")

    assert stalled.instance.steps["a"].forward.progress is Progress.UNKNOWN
    again = stalled.retries("a").expects("a")
    assert again.sent[-1] == BEGUN.sent[0]
    stalled.replies("a", Did()).retries().expects("pivot")
    undo = obstructed(UNDOING.undone("b").passes(MINUTE).undoes("a"), "a", COMPENSATION).retries().undoes("a")
    assert undo.sent[-1].attempt == 1


def test_what_was_in_the_way_of_no_single_command_is_tried_again() -> None:
    stalled = obstructed(BEGUN)

    stalled.replies("a", Did()).replies("b", Did()).expects().retries().expects("pivot")


def test_a_step_that_was_refused_while_stalled_is_asked_again_too() -> None:
    stalled = obstructed(BEGUN).fails("b", code="no").ends(Status.STALLED)

    stalled.retries().expects("b")


def test_a_step_in_flight_is_asked_again_at_once_under_its_id() -> None:
    again = BEGUN.passes(10 * SECOND).retries("b").expects("b")

    assert again.sent[-1] == BEGUN.sent[-1]
    assert again.instance.steps["b"].forward.due_at == again.at + MINUTE
    again.replies("a", Did()).passes(MINUTE).undoes("a", "b")


def test_a_step_that_waits_to_be_asked_again_is_asked_at_once() -> None:
    again = BEGUN.fails("a", code="busy", retryable=True).retries("a").expects("a")

    assert again.sent[-1].attempt == 2
    again.fails("a", code="busy", retryable=True).expects().passes(SECOND).expects("a")


def test_an_undo_in_flight_is_asked_again_at_once_under_its_id() -> None:
    again = UNDOING.passes(10 * SECOND).retries("a").undoes("a")

    assert again.sent[-1].attempt == 1


def test_a_pivot_in_flight_is_asked_again_at_once_under_its_id() -> None:
    again = BEGUN.replies("a", Did()).replies("b", Did()).passes(SECOND).retries("pivot").expects("pivot")

    assert again.sent[-1].attempt == 1


def test_inside_alternatives_what_is_being_left_is_not_asked_again_but_its_undo_is() -> None:
    tried = saga(alternatives(parallel(compensatable("a"), compensatable("b")), compensatable("c")))
    left = given(tried, Begun()).fails("a", code="no")

    refused(left, "b", "b is not a step of this instance that could be asked again")
    undoing = left.replies("b", Did()).undoes("b")
    undoing.retries("b").undoes("b")
    refused(undoing.undone("b"), "b", "not reached, or is settled")


@pytest.mark.parametrize(
    ("scenario", "step", "because"),
    [
        (BEGUN, None, "the instance is running: name the step to ask again"),
        (UNDOING, None, "the instance is compensating: name the step to ask again"),
        (BEGUN, "pivot", "pivot is not a step of this instance that could be asked again"),
        (BEGUN, "nobody", "nobody is not a step of this instance"),
        (BEGUN.replies("a", Did()), "a", "it was not reached, or is settled"),
        (BEGUN.cancels(), "a", "it was not reached, or is settled"),
        (UNDOING.undone("a"), "a", "it was not reached, or is settled"),
        (WAITING, "payment", "it was not reached, or is settled"),
        (BEGUN.pauses(), "a", "the instance is paused: resume it first"),
        (UNDOING.pauses(), None, "the instance is paused: resume it first"),
        (UNDOING.undone("a").undone("b"), None, "the instance is compensated: nothing is left to do"),
        (PAST.replies("y", Did()).replies("z", Did()), "z", "the instance is completed: nothing is left to do"),
    ],
)
def test_it_is_refused_where_it_makes_no_sense(scenario: Scenario[Data], step: str | None, because: str) -> None:
    refused(scenario, step, because)


def test_a_step_that_an_operator_retries_has_no_timer_once_the_instance_compensates() -> None:
    """Two commands are obstructed after a sending; one is to be asked again, and then all is cancelled."""
    thrice = Retry(attempts=3)
    pair = saga(parallel(compensatable("a", retry=thrice), compensatable("b", retry=thrice)), point_of_no_return())
    asked = given(pair, Begun()).passes(MINUTE)
    instance, at = asked.instance, asked.at
    for command in asked.sent[-2:]:
        obstruct = Block(at, Cause(command.step, "unsendable", "too large"), command.command_id)
        instance = transition(pair, instance, obstruct).instance
    instance = transition(pair, instance, RetryStep(at + MINUTE, "olga", "it fits now", "a")).instance
    back = transition(pair, instance, Cancel(at + 2 * MINUTE, "not wanted", "olga")).instance

    assert back.status is Status.COMPENSATING
    assert back.next_timer_at is not None
    assert back.next_timer_at > at + 2 * MINUTE
