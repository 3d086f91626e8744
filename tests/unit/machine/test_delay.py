"""A delay waits durably, for a length of time or until a time; a pause moves neither."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from saga_coordinator.sagas import alternatives, delay, parallel
from saga_coordinator.sagas.machine import EventReceived, Ignored, Progress, Status, transition
from saga_coordinator.sagas.testing.scenario import BEGINNING, given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    Begun,
    Data,
    Did,
    Paid,
    compensatable,
    point_of_no_return,
    saga,
)

a, b = compensatable("a"), compensatable("b")
WAITS = saga(a, delay("cool-off", HOUR), b, point_of_no_return())


def minutes(data: Data) -> timedelta:
    return data.coins * MINUTE


def at_two(data: Data) -> datetime:
    return datetime(2026, 1, 1, data.coins, tzinfo=timezone(2 * HOUR))


def at_noon(_: Data) -> datetime:
    return datetime(2026, 1, 1, 12)  # noqa: DTZ001  the mistake that is refused


def test_it_lasts_from_when_it_is_reached() -> None:
    waiting = given(WAITS, Begun()).passes(30 * SECOND).replies("a", Did()).expects()

    assert waiting.instance.next_timer_at == BEGINNING + HOUR + 30 * SECOND
    waiting.passes(HOUR - SECOND).expects().passes(SECOND).expects("b")


def test_its_length_may_come_from_the_data() -> None:
    by_data = saga(delay("cool-off", minutes), b)

    given(by_data, Begun(coins=3)).passes(3 * MINUTE - SECOND).expects().passes(SECOND).expects("b")
    given(by_data, Begun(coins=0)).expects("b")


def test_it_may_last_until_a_time_that_the_data_say() -> None:
    until = saga(delay("until-two", until=at_two), b)

    waiting = given(until, Begun(coins=4)).expects()
    assert waiting.instance.waits["until-two"].due_at == datetime(2026, 1, 1, 2, tzinfo=UTC)
    assert waiting.instance.next_timer_at is not None
    assert waiting.instance.next_timer_at.tzinfo is UTC
    waiting.passes(2 * HOUR).expects("b")


def test_a_time_in_the_past_ends_the_delay_at_once() -> None:
    over = given(saga(delay("until-two", until=at_two), b), Begun(coins=1)).expects("b")

    assert over.instance.waits["until-two"].progress is Progress.DONE


def test_a_time_without_a_zone_is_an_error_of_the_definition() -> None:
    with pytest.raises(
        ValueError, match=r"saga made: delay noon waits until 2026-01-01 12:00:00, a time without a zone"
    ):
        given(saga(delay("noon", until=at_noon), b), Begun())


def test_a_pause_does_not_move_it() -> None:
    paused = given(WAITS, Begun()).replies("a", Did()).passes(30 * MINUTE).pauses()

    paused.passes(10 * MINUTE).resumes().expects().passes(20 * MINUTE).expects("b")
    paused.passes(HOUR).expects().resumes().expects("b")


def test_a_compensation_ends_it_and_undoes_what_came_before() -> None:
    cancelled = given(WAITS, Begun()).replies("a", Did()).cancels().undoes("a")

    assert cancelled.instance.waits["cool-off"].progress is Progress.REFUSED
    cancelled.undone("a").ends(Status.COMPENSATED)


def test_what_comes_after_it_is_undone_without_waiting_again() -> None:
    refused = given(WAITS, Begun()).replies("a", Did()).passes(HOUR).replies("b", Did()).fails("pivot", code="no")

    refused.undoes("b").undone("b").undoes("a")


def test_inside_a_group_the_others_go_on() -> None:
    group = saga(parallel(delay("cool-off", HOUR), a), b)

    given(group, Begun()).expects("a").replies("a", Did()).expects().passes(HOUR).expects("b")


def test_one_inside_alternatives_ends_with_the_alternative_that_failed() -> None:
    tried = saga(alternatives(parallel(delay("cool-off", HOUR), a), b), point_of_no_return())

    refused = given(tried, Begun()).fails("a", code="no").expects("b")
    assert refused.instance.waits["cool-off"].progress is Progress.REFUSED
    refused.passes(MINUTE).undoes("b")


def test_no_event_ends_it() -> None:
    waiting = given(WAITS, Begun()).replies("a", Did())
    paid = EventReceived(waiting.at, Paid(), waiting.instance.id, "e-1")
    assert transition(WAITS, waiting.instance, paid).ignored is Ignored.LATE
