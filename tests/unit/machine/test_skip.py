"""An operator's skip takes a step, its undo or a wait for done, with the reply that would have come."""

import pytest

from saga_coordinator.contracts import Done, Event, Failure, Reply
from saga_coordinator.sagas import Retry, alternatives, delay, parallel, pivot
from saga_coordinator.sagas.machine import Ignored, SkipStep, Status, transition
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    Begun,
    Data,
    Did,
    Finished,
    Listed,
    Paid,
    Stopped,
    awaits,
    command,
    compensatable,
    each,
    makes,
    point_of_no_return,
    retriable,
    saga,
)
from tests.unit.machine._support.blocked import obstructed

PAIR = saga(
    parallel(compensatable("a"), compensatable("b", compensate_retry=Retry())),
    point_of_no_return(),
    parallel(retriable("y"), retriable("z")),
)
BEGUN = given(PAIR, Begun())
PAST = BEGUN.replies("a", Did()).replies("b", Did()).replies("pivot", Did())
UNDOING = BEGUN.replies("a", Did()).replies("b", Did()).fails("pivot", code="no")
AWAITS = saga(point_of_no_return(), awaits("payment"), delay("cool-off", HOUR), retriable("z"))
AWAITING = given(AWAITS, Begun()).replies("pivot", Did())
LOCAL = given(saga(alternatives(parallel(compensatable("a"), compensatable("b")), compensatable("c"))), Begun())


def refused(scenario: Scenario[Data], name: str, reply: Reply | Event | None, because: str) -> None:
    """The action is out of place, for this reason."""
    decision = transition(scenario.saga, scenario.instance, SkipStep(scenario.at, "olga", "try", name, reply))
    assert decision.ignored is Ignored.OUT_OF_PLACE
    assert decision.instance is scenario.instance
    assert decision.reason is not None
    assert because in decision.reason


def test_a_step_in_flight_is_done_with_the_supplied_reply() -> None:
    skipped = BEGUN.replies("a", Did()).skips("b", Did(word="by hand")).expects("pivot")

    assert skipped.data.seen == ("a", "b:by hand")
    skipped.replies("b", Did()).ignores(Ignored.DUPLICATE)


def test_a_step_that_was_skipped_is_undone_like_any_other() -> None:
    skipped = BEGUN.replies("a", Did()).skips("b", Did()).fails("pivot", code="no")

    skipped.undoes("a", "b")


def test_a_step_of_a_for_each_is_done_with_its_item() -> None:
    listed = given(saga(each("pack"), point_of_no_return()), Listed(items=("x", "y"))).skips("pack[x]", Did())

    assert listed.data.seen == ("pack x",)


def test_a_step_that_waits_to_be_asked_again_is_done() -> None:
    waiting = PAST.replies("y", Did()).fails("z", code="busy", retryable=True)

    waiting.skips("z", Did()).ends(Status.COMPLETED)


def test_a_pivot_that_is_skipped_was_passed() -> None:
    passed = BEGUN.replies("a", Did()).replies("b", Did()).skips("pivot", Did()).expects("y", "z")

    passed.cancels().ignores(Ignored.PAST_THE_PIVOT)


def test_a_refused_step_past_the_pivot_is_done_and_the_saga_goes_on() -> None:
    stalled = PAST.replies("y", Did()).fails("z", code="no").ends(Status.STALLED)

    done = stalled.skips("z", Did(word="by hand"))
    done.ends(Status.COMPLETED, Finished(key="k-1", seen=("a", "b", "pivot", "y", "z:by hand")))
    assert done.instance.stall is None


def test_skipping_one_of_two_that_were_given_up_leaves_it_stalled_for_the_other() -> None:
    stalled = PAST.fails("z", code="no").fails("y", code="never")

    other = stalled.skips("z", Did()).expects().ends(Status.STALLED)
    assert other.instance.stall is not None
    assert other.instance.stall.step == "y"
    other.skips("y", Did()).ends(Status.COMPLETED)


def test_an_undo_is_done_without_a_reply() -> None:
    stalled = UNDOING.undone("a").undo_fails("b", code="gone").ends(Status.STALLED)

    stalled.skips("b").ends(Status.COMPENSATED)
    stalled.skips("b", Done()).ends(Status.COMPENSATED)
    silent = UNDOING.undone("a").passes(MINUTE).ends(Status.STALLED)
    silent.skips("b").ends(Status.COMPENSATED)


def test_an_undo_in_flight_is_done_and_what_came_before_is_undone() -> None:
    rows = saga(compensatable("a"), compensatable("b"), point_of_no_return())
    undoing = given(rows, Begun()).replies("a", Did()).replies("b", Did()).fails("pivot", code="no").undoes("b")

    undoing.skips("b").undoes("a")


def test_a_step_that_is_answered_with_done_needs_no_reply() -> None:
    plain = saga(pivot("plain", makes(command("plain", undo=True))))

    given(plain, Begun()).skips("plain").ends(Status.COMPLETED)


def test_a_receive_takes_the_supplied_event() -> None:
    skipped = AWAITING.skips("payment", Paid(word="cash"))

    assert skipped.data.seen == ("pivot", "payment:cash")
    skipped.happens(Paid()).ignores(Ignored.LATE)


def test_a_receive_that_was_given_up_takes_the_supplied_event_and_goes_on() -> None:
    stalled = AWAITING.passes(MINUTE).ends(Status.STALLED)

    skipped = stalled.skips("payment", Paid()).expects()
    assert skipped.status is Status.RUNNING
    skipped.passes(HOUR).expects("z")


def test_a_skipped_delay_has_ended() -> None:
    AWAITING.happens(Paid()).expects().skips("cool-off").expects("z")


def test_while_paused_it_is_recorded_and_acted_upon_afterwards() -> None:
    skipped = BEGUN.pauses().replies("a", Did()).skips("b", Did()).expects()

    skipped.resumes().expects("pivot")


def test_the_local_undo_of_an_alternative_is_done() -> None:
    LOCAL.replies("a", Did()).fails("b", code="no").undoes("a").skips("a").expects("c")


def test_an_instance_that_is_obstructed_stays_stalled_when_another_step_is_skipped() -> None:
    obstructed(BEGUN, "a").skips("b", Did()).expects().ends(Status.STALLED)


@pytest.mark.parametrize(
    ("scenario", "name", "reply", "because"),
    [
        (BEGUN, "a", None, "Do a is answered with Did, not with nothing"),
        (BEGUN, "a", Done(), "Do a is answered with Did, not with Done"),
        (BEGUN, "a", Paid(), "Do a is answered with Did, not with Paid"),
        (BEGUN, "a", Failure(code="no", message="", retryable=False), "answered with Did, not with Failure"),
        (UNDOING, "a", Did(), "Undo a is answered with Done, not with Did"),
        (BEGUN, "pivot", Did(), "pivot is not a step of this instance that is open: it was not reached, or is settled"),
        (BEGUN, "nobody", Did(), "nobody is not a step of this instance that is open"),
        (BEGUN.replies("a", Did()), "a", Did(), "or is settled"),
        (BEGUN.cancels(), "a", Did(), "a is still awaited, to be compensated then: wait for its reply or its timeout"),
        (UNDOING.undone("a"), "a", None, "or is settled"),
        (LOCAL.fails("b", code="no"), "a", Did(), "a is still awaited, to be compensated then"),
        (AWAITING, "payment", None, "payment receives Paid, not nothing"),
        (AWAITING, "payment", Stopped(key="k-1"), "payment receives Paid, not Stopped"),
        (AWAITING.happens(Paid()), "payment", Paid(), "payment is not waited for any more"),
        (AWAITING.happens(Paid()), "cool-off", Did(), "cool-off is a delay: it takes nothing, not Did"),
        (given(saga(awaits("payment")), Begun()).pauses().cancels(), "payment", Paid(), "not waited for any more"),
        (UNDOING.undone("a").undone("b"), "a", None, "the instance is compensated: nothing is left to do"),
        (PAST.replies("y", Did()).replies("z", Did()), "z", Did(), "the instance is completed: nothing is left to do"),
    ],
)
def test_it_is_refused_where_it_makes_no_sense(
    scenario: Scenario[Data], name: str, reply: Reply | Event | None, because: str
) -> None:
    refused(scenario, name, reply, because)


def test_a_receive_of_an_alternative_that_was_left_is_not_waited_for() -> None:
    tried = saga(alternatives(parallel(awaits("payment"), compensatable("a")), compensatable("c")))

    refused(given(tried, Begun()).fails("a", code="no"), "payment", Paid(), "not waited for any more")
