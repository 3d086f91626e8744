"""Timeouts and the deadline may come from the data, as they are when the time begins to count."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from saga_coordinator.sagas import DEADLINE_PASSED, Retry, Saga, delay, receive
from saga_coordinator.sagas.language.nodes import MAX_DURATION, with_zone
from saga_coordinator.sagas.machine import Status, freeze, thaw
from saga_coordinator.sagas.testing.scenario import BEGINNING, given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    TIME,
    Begun,
    Data,
    Did,
    Paid,
    compensatable,
    payer,
    point_of_no_return,
    retriable,
    saga,
)


def coins(data: Data) -> timedelta:
    return data.coins * MINUTE


def seen(data: Data) -> timedelta:
    return (1 + len(data.seen)) * MINUTE


def by_coins(data: Data) -> datetime:
    return TIME + data.coins * MINUTE


def by_coins_anywhere(data: Data) -> datetime:
    return (TIME + data.coins * MINUTE).replace(tzinfo=None)


a = compensatable("a")


def until(deadline: Callable[[Data], datetime]) -> Saga[Begun, Data]:
    """A saga with this deadline."""
    return replace(saga(a, point_of_no_return()), deadline=deadline)


def test_a_timeout_is_taken_from_the_data_at_each_sending() -> None:
    twice = Retry(attempts=2, first=SECOND, jitter=0.0)
    varied = saga(replace(a, timeout=seen, retry=twice), replace(point_of_no_return(), timeout=seen))

    begun = given(varied, Begun())
    assert begun.instance.next_timer_at == BEGINNING + MINUTE
    assert begun.replies("a", Did()).instance.next_timer_at == BEGINNING + 2 * MINUTE


def test_the_undo_has_the_timeout_of_its_step() -> None:
    varied = saga(replace(a, timeout=seen), point_of_no_return())

    undoing = given(varied, Begun()).replies("a", Did()).fails("pivot", code="no").undoes("a")
    assert undoing.instance.next_timer_at == BEGINNING + 2 * MINUTE


def test_a_receive_takes_its_timeout_from_the_data_when_it_is_reached() -> None:
    wait = receive("payment", Paid, key=payer, timeout=coins)

    given(saga(wait, a), Begun(coins=7)).passes(7 * MINUTE - SECOND).ends(Status.RUNNING).passes(SECOND).ends(
        Status.COMPENSATED
    )


@pytest.mark.parametrize("number", [0, -1])
def test_a_timeout_of_nothing_is_an_error_of_the_definition(number: int) -> None:
    """It would be sent again at the same moment, without end."""
    varied = saga(point_of_no_return(), replace(retriable("z"), timeout=coins))

    with pytest.raises(ValueError, match=r"saga made: step z has a timeout of .*: it must be longer than nothing"):
        given(varied, Begun(coins=number)).replies("pivot", Did())
    wait = receive("payment", Paid, key=payer, timeout=coins)
    with pytest.raises(ValueError, match=r"saga made: receive payment has a timeout of .*: it must be longer"):
        given(saga(wait, a), Begun(coins=number))


def test_a_deadline_may_be_a_time_from_the_first_data() -> None:
    begun = given(until(by_coins), Begun(coins=30))

    assert begun.instance.deadline_at == BEGINNING + 30 * MINUTE
    late = given(until(by_coins), Begun(coins=1)).replies("a", Did())
    late.fails("pivot", code="no").undoes("a")


def test_a_deadline_that_has_passed_at_the_start_ends_it_at_once() -> None:
    over = given(until(by_coins), Begun(coins=0)).expects().ends(Status.COMPENSATED)

    assert over.instance.cause is not None
    assert over.instance.cause.code == DEADLINE_PASSED


def test_a_deadline_without_a_zone_is_an_error_of_the_definition() -> None:
    with pytest.raises(
        ValueError, match="saga made: its deadline waits until 2026-01-01 00:05:00, a time without a zone"
    ):
        given(until(by_coins_anywhere), Begun(coins=5))


def test_a_deadline_counts_until_the_end_where_there_is_no_pivot() -> None:
    late = given(saga(compensatable("a", timeout=HOUR), deadline=HOUR), Begun()).passes(HOUR)

    late.undoes("a")


@pytest.mark.parametrize(
    "at",
    [
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime(9000, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-5))),
        datetime(9001, 1, 1, tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=-14))),
    ],
    ids=str,
)
def test_a_time_from_the_data_at_the_end_of_all_times_is_brought_back_to_one_that_exists(at: datetime) -> None:
    """Also after a pause of years, and when it is stored and read."""

    def then(data: Data) -> datetime:  # noqa: ARG001  the form of `until`
        return at

    definition = replace(saga(delay("calm", until=then), a), deadline=then)
    later = given(definition, Begun()).pauses().passes(timedelta(days=3_650)).resumes()

    assert thaw(definition, later.instance.id, later.instance.key, freeze(later.instance)) == later.instance
    assert with_zone(at, "a test").tzinfo is UTC


def test_a_length_from_the_data_is_a_hundred_years_at_most() -> None:
    def without_end(data: Data) -> timedelta:  # noqa: ARG001  the form of a timeout
        return timedelta.max

    story = given(saga(replace(a, timeout=without_end), delay("calm", without_end)), Begun())
    assert story.instance.steps["a"].forward.due_at == BEGINNING + MAX_DURATION
    calm = story.replies("a", Did()).instance.waits["calm"]
    assert calm.due_at == BEGINNING + MAX_DURATION
