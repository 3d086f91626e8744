"""The words of a picture: lengths of time, moments, rules, and what somebody else has written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from saga_coordinator.sagas import Retry, alternatives, parallel
from saga_coordinator.sagas.diagrams.text import (
    MAX_LETTERS,
    Calendar,
    describe_duration,
    describe_list,
    in_a_line,
    limit,
    ordinal,
    sendings,
)
from saga_coordinator.sagas.language.nodes import ForEach
from saga_coordinator.sagas.machine.progress import is_settled
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import Begun, Data, Did, choice, compensatable, saga
from tests.unit.diagrams._support.any_saga import each, some_time


def as_long_as_it_takes(_: Data) -> timedelta:
    return timedelta(hours=1)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0 ms"),
        (timedelta(milliseconds=1500), "1.5 s"),
        (timedelta(minutes=90), "1 h 30 min"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=14, seconds=1), "14 days"),
        (as_long_as_it_takes, "as_long_as_it_takes"),
    ],
)
def test_a_duration_is_written_in_its_units_or_by_the_name_of_its_function(length: timedelta, words: str) -> None:
    assert describe_duration(length) == words


def test_a_moment_is_written_in_utc_whatever_its_zone() -> None:
    calendar = Calendar(datetime(2026, 1, 1, 23, tzinfo=UTC))
    east = timezone(timedelta(hours=9))
    assert calendar.format(datetime(2026, 1, 2, 8, 30, tzinfo=east)) == "23:30:00"
    assert calendar.format(datetime(2026, 1, 2, 9, 30, tzinfo=east)) == "2026-01-02 00:30:00"


@pytest.mark.parametrize(
    ("most", "rule"),
    [
        (None, "for each of words, all at once"),
        (1, "for each of words, one at a time"),
        (5, "for each of words, at most 5 at once"),
    ],
)
def test_the_rule_of_a_list_is_written_in_words(most: int | None, rule: str) -> None:
    node = each("each", can_be_undone=True, limit=most)
    assert isinstance(node, ForEach)
    assert describe_list(node) == rule


@pytest.mark.parametrize(
    ("retry", "words"),
    [
        (Retry(), ""),
        (Retry(attempts=4), ", 4 sendings"),
        (Retry(attempts=None), ", until answered"),
        (Retry(attempts=None, total=timedelta(minutes=15)), ", for 15 min"),
        (Retry(attempts=9, total=timedelta(minutes=15)), ", 9 sendings, for 15 min"),
    ],
)
def test_a_retry_is_written_where_there_is_one(retry: Retry, words: str) -> None:
    assert sendings(retry) == words


def test_a_deadline_is_written_as_a_length_or_by_the_name_of_its_function() -> None:
    assert limit(timedelta(days=2)) == "2 days after the start"
    assert limit(some_time) == "some_time"


def test_people_count_from_one() -> None:
    assert [ordinal(number) for number in (0, 1, 2, 3, 10, 11, 20, 21, 110)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "22nd", "111th"),
    ]


def test_what_somebody_else_has_written_is_one_line_that_ends() -> None:
    assert in_a_line("two\n lines\tand more ") == "two lines and more"
    assert in_a_line("x" * MAX_LETTERS) == "x" * MAX_LETTERS
    assert in_a_line("x" * (MAX_LETTERS + 1)) == "x" * (MAX_LETTERS - 1) + "…"


@pytest.mark.parametrize("coins", [0, 2])
def test_a_group_is_settled_when_all_is_done_that_the_instance_goes_through(coins: int) -> None:
    inner = alternatives(compensatable("x"), compensatable("y"), name="inner")
    group = parallel(compensatable("a"), choice("heads", 1, compensatable("b"), otherwise=(inner,)))
    story = given(saga(group), Begun(coins=coins))
    last = "b" if coins else "x"
    assert not is_settled(story.instance, group)
    assert not is_settled(story.replies("a", Did()).instance, group)
    assert is_settled(story.replies(last, Did()).replies("a", Did()).instance, group)
