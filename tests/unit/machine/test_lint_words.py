"""The linter on the functions of lists, events, times, choices and outcomes: each has its kind."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from saga_coordinator.contracts import Done
from saga_coordinator.sagas import Cause, branch, delay
from tests.support.saga_kit import Data, Did, Finished, Stopped, finished, saga
from tests.unit.machine._support.unsound import (
    Elsewhere,
    Settled,
    a,
    each,
    key_in,
    problems_of,
    problems_of_child,
    problems_with,
    settled,
    takes,
)

# --- lists, events, times, choices


@pytest.mark.parametrize("listed", [str, tuple, tuple[str, int], set[str], int, None])
def test_the_items_of_a_for_each_are_a_list_of_one_type(listed: object) -> None:
    message = "for_each a: items func must be annotated to return a list or a tuple[..., ...], not"
    name = listed.__name__ if isinstance(listed, type) and not hasattr(listed, "__origin__") else listed

    assert (
        problems_of(each(items=takes(Data, makes=listed)))[0] == f"{message} {'NoneType' if listed is None else name}"
    )


@pytest.mark.parametrize("listed", [list[str], tuple[str, ...], Sequence[str]])
def test_any_list_of_one_type_will_do(listed: object) -> None:
    saga(each(items=takes(Data, makes=listed)))


def test_the_items_are_taken_from_the_data_and_have_a_key_of_text() -> None:
    assert problems_of(each(items=takes(Elsewhere, makes=tuple[str, ...]))) == (
        "for_each a: items func must take the data, Data, and nothing else",
    )
    assert problems_of(each(key=takes(str, makes=int))) == (
        "for_each a: key func must be annotated to return a str, not int",
    )
    assert problems_of(each(key=takes(int, makes=str))) == ("for_each a: key func must take (str), and nothing else",)


def test_the_keys_of_an_event_are_text() -> None:
    assert problems_of(a, replace(settled, key=takes(Settled, makes=int))) == (
        "receive settled: key func must be annotated to return a str, not int",
    )
    assert problems_of(a, replace(settled, key=takes(Stopped, makes=str))) == (
        "receive settled: key func must take (Settled), and nothing else",
    )
    assert problems_of(a, replace(settled, expects=takes(Data, makes=str | None))) == (
        f"receive settled: expects func must be annotated to return a str, not {str | None}",
    )
    assert problems_of(a, replace(settled, expects=takes(Elsewhere, makes=str))) == (
        "receive settled: expects func must take the data, Data, and nothing else",
    )
    saga(a, replace(settled, expects=key_in))


def test_times_from_the_data_are_lengths_or_moments() -> None:
    soon, later = takes(Data, makes=int), takes(Elsewhere, makes=timedelta)
    a_length, the_data = (
        "must be annotated to return a timedelta, not int",
        "must take the data, Data, and nothing else",
    )

    assert problems_of(replace(a, timeout=soon)) == (f"step a: timeout func {a_length}",)
    assert problems_of(replace(a, timeout=later)) == (f"step a: timeout func {the_data}",)
    assert problems_of(a, replace(settled, timeout=soon)) == (f"receive settled: timeout func {a_length}",)
    assert problems_of(a, delay("calm", soon)) == (f"delay calm: lasts func {a_length}",)
    assert problems_of(a, delay("calm", until=takes(Data, makes=timedelta))) == (
        "delay calm: until func must be annotated to return a datetime, not timedelta",
    )
    assert problems_with(deadline=takes(Data, makes=timedelta)) == (
        "deadline func must be annotated to return a datetime, not timedelta",
    )
    assert problems_with(deadline=takes(Elsewhere, makes=datetime)) == (f"deadline func {the_data}",)


def test_a_predicate_says_yes_or_no_of_the_data() -> None:
    assert problems_of(branch(takes(Data, makes=str), a)) == (
        "branch func: predicate func must be annotated to return a bool, not str",
    )
    assert problems_of(branch(takes(Elsewhere, makes=bool), a)) == (
        "branch func: predicate func must take the data, Data, and nothing else",
    )


# --- outcomes


def test_an_outcome_is_an_event_made_from_the_data() -> None:
    assert problems_with(on_completed=takes(Elsewhere, makes=Done)) == (
        "on_completed func must be annotated to return one event, not Done",
        "on_completed func must take the data, Data, and nothing else",
    )
    assert problems_with(on_compensated=takes(Data, makes=Done)) == (
        "on_compensated func must be annotated to return one event, not Done",
        "on_compensated func must take (Data, Cause), and nothing else",
    )
    replace(saga(a), on_compensated=takes(Data, Cause | None, makes=Finished))


def test_a_saga_must_have_an_outcome_for_its_compensation() -> None:
    assert problems_with(on_compensated=None) == (
        "it has no on_compensated: listeners have to learn that it was undone",
    )


def test_a_childs_outcome_answers_its_command() -> None:
    assert problems_of_child(a, on_completed=finished) == (
        (
            "on_completed finished must be annotated to return Did, which answers the command that it starts on, "
            "not Finished"
        ),
    )
    assert problems_of_child(a, on_compensated=takes(Data, Cause, makes=Did)) == (
        "on_compensated func must be annotated to return a Failure, not Did",
    )
