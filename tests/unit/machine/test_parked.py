"""While an instance is parked its timers stand still: what they wait for may be queued (rule 7)."""

import pytest

from saga_coordinator.sagas import Retry, delay, parallel
from saga_coordinator.sagas.machine import Ignored, Status
from saga_coordinator.sagas.testing.scenario import BEGINNING, Scenario, given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    Begun,
    Data,
    Did,
    awaits,
    compensatable,
    point_of_no_return,
    saga,
)
from tests.unit.machine._support.blocked import obstructed

PAIR = saga(
    parallel(compensatable("a", retry=Retry(attempts=2)), compensatable("b", timeout=2 * MINUTE), awaits("payment")),
    delay("pause", HOUR),
    point_of_no_return(),
    deadline=10 * HOUR,
)
BEGUN = given(PAIR, Begun()).passes(30 * SECOND)
PARKED = BEGUN.parks()


def due(story: Scenario[Data]) -> dict[str, float]:
    """When each timer of the story is due, in minutes since it began."""
    times = {name: run.forward.due_at for name, run in story.instance.steps.items()}
    times |= {name: wait.due_at for name, wait in story.instance.waits.items()}
    return {name: (at - BEGINNING) / MINUTE for name, at in times.items() if at is not None}


def test_a_parked_instance_has_no_timer_and_gives_nothing_up() -> None:
    assert PARKED.instance.next_timer_at is None
    later = PARKED.passes(HOUR).expects()
    assert later.status is Status.RUNNING


def test_after_parking_each_timer_has_what_was_left_of_it() -> None:
    unparked = PARKED.passes(HOUR).unparks().expects()

    assert due(unparked) == {"a": 61, "b": 62, "payment": 61}


def test_what_was_overdue_before_is_not_given_up_before_the_record_is_decided() -> None:
    """The coordinator was down, and the reply whose function raises came too late only for that reason."""
    one = saga(compensatable("a"), point_of_no_return())
    down = given(one, Begun()).sleeps(HOUR).parks().passes(HOUR).unparks().expects()

    assert down.replies("a", Did()).expects("pivot").status is Status.RUNNING


def test_an_overdue_step_is_given_up_when_nothing_was_queued() -> None:
    down = BEGUN.sleeps(HOUR).parks().passes(HOUR).unparks()

    assert down.instance.next_timer_at == BEGINNING + 61 * MINUTE
    assert down.passes(SECOND).status is Status.COMPENSATING


def test_a_deadline_and_a_delay_do_not_move() -> None:
    delayed = saga(delay("pause", HOUR), point_of_no_return(), deadline=2 * HOUR)
    late = given(delayed, Begun()).parks().passes(3 * HOUR).expects()
    assert late.status is Status.RUNNING
    assert late.unparks().passes(SECOND).status is Status.COMPENSATED
    assert due(given(delayed, Begun()).parks().passes(MINUTE).unparks()) == {"pause": 60}


@pytest.mark.parametrize(
    "words",
    [
        ("parks", "pauses", "resumes", "unparks"),
        ("parks", "pauses", "unparks", "resumes"),
        ("pauses", "parks", "resumes", "unparks"),
        ("pauses", "parks", "unparks", "resumes"),
    ],
    ids=["parked around a pause", "parked, then paused", "paused, then parked", "paused around it"],
)
def test_paused_and_parked_at_once_it_stands_still_until_both_have_ended(words: tuple[str, ...]) -> None:
    """A minute lies between each of them and the next."""
    story = getattr(BEGUN, words[0])()
    for word in words[1:]:
        story = getattr(story.passes(MINUTE), word)()

    assert due(story) == {"a": 4, "b": 5, "payment": 4}


def test_operator_actions_work_and_send() -> None:
    one = given(saga(compensatable("a"), compensatable("b"), point_of_no_return()), Begun()).replies("a", Did()).parks()

    undoing = one.skips("b", Did()).expects("pivot")
    assert undoing.instance.parked_at == BEGINNING
    one.cancels().unparks().fails("b", code="no").undoes("a")


def test_operator_actions_give_nothing_up_whose_reply_may_be_queued() -> None:
    """Also the deadline passes without effect, until the queued records are decided."""
    later = PARKED.passes(11 * HOUR).skips("b", Did()).expects()

    assert later.status is Status.RUNNING


def test_nothing_is_retried_whose_reply_may_be_queued() -> None:
    PARKED.retries("a").ignores(Ignored.OUT_OF_PLACE)


def test_what_has_ended_is_not_parked_and_what_ends_is_no_longer() -> None:
    ended = given(saga(compensatable("a")), Begun()).replies("a", Did())
    ended.parks().ignores(Ignored.LATE)

    stalled = obstructed(PARKED).ends(Status.STALLED)
    assert stalled.instance.parked_at is not None
    assert stalled.resolves(Status.COMPLETED).instance.parked_at is None


def test_parking_twice_or_unparking_what_is_not_parked_changes_nothing() -> None:
    PARKED.passes(MINUTE).parks().ignores(Ignored.DUPLICATE)
    BEGUN.unparks().ignores(Ignored.DUPLICATE)
