"""The linter on functions: each has to say what it takes and makes, and they have to fit together."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from saga_coordinator.contracts import Command, Done, Event, Reply
from saga_coordinator.sagas import branch, delay, pivot, receive, step
from tests.support.saga_kit import Begun, Data, Did, Stopped, command, makes, saga
from tests.unit.machine._support.unsound import (
    Elsewhere,
    Other,
    Settled,
    Unnamed,
    a,
    each,
    key_of,
    make,
    problems_of,
    problems_of_child,
    problems_with,
    settled,
    ship,
    takes,
    unmake,
)

# --- what begins


def test_begin_must_say_what_the_data_are() -> None:
    message = "begin must be annotated to return the data, a frozen pydantic model, not"

    assert problems_with(begin=takes(Begun, makes=None)) == (f"{message} NoneType",)
    assert problems_with(begin=takes(Begun, makes=Done | Data)) == (f"{message} {Done | Data}",)
    assert problems_with(begin=partial(takes, Begun)) == (
        "begin is partial, which carries no annotations: write a function with def",
    )


def test_begin_must_take_what_starts_the_saga() -> None:
    assert problems_with(begin=takes(Stopped, makes=Data)) == (
        "begin takes (Stopped), but the saga starts on Begun: let it take that",
    )
    assert problems_with(begin=takes(Begun, str, makes=Data)) == (
        "begin takes (Begun, str), but the saga starts on Begun: let it take that",
    )
    assert problems_of_child(a, begin=takes(Begun, makes=Data)) == (
        "begin takes (Begun), but the saga starts on Perform: let it take that",
    )


def test_the_correlation_key_is_text_of_what_starts_and_of_what_cancels() -> None:
    assert problems_with(correlate=takes(Begun | Stopped, makes=int)) == (
        "correlate func must be annotated to return a str, not int",
    )
    assert problems_with(correlate=takes(Begun, makes=str)) == ("correlate func must take (Stopped), and nothing else",)
    assert problems_with(correlate=takes(Stopped, makes=str)) == ("correlate func must take (Begun), and nothing else",)
    replace(saga(a), correlate=takes(Event, makes=str))


# --- what is sent


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (Command[Any], "Command[Any]"),
        (Done, "Done"),
        (Unnamed, "Unnamed"),
        (None, "NoneType"),
        (command("a") | None, str(command("a") | None)),
    ],
)
def test_a_send_must_say_which_one_command_it_makes(made: object, name: str) -> None:
    assert problems_of(step("a", takes(Data, makes=made), compensate=unmake)) == (
        f"step a: send func must be annotated to return one command, not {name}",
    )


def test_a_compensation_must_make_a_command_too() -> None:
    assert problems_of(step("a", make, compensate=takes(Data, makes=Done))) == (
        "step a: compensate func must be annotated to return one command, not Done",
    )


def test_a_send_must_take_the_data_and_nothing_else() -> None:
    message = ("step a: send func must take the data, Data, and nothing else",)

    assert problems_of(pivot("a", takes(Elsewhere, makes=command("a")))) == message
    assert problems_of(pivot("a", takes(Data, int, makes=command("a")))) == message


def test_a_function_of_an_item_must_take_it_behind_the_data() -> None:
    assert problems_of(each(send=makes(command("a")))) == (
        "step a: send made.do-a.v1 must take (Data, str), and nothing else",
    )
    assert problems_of(each(compensate=takes(Data, int, makes=command("a", undo=True)))) == (
        "step a: compensate func must take (Data, str), and nothing else",
    )


# --- what is remembered


def test_a_remember_must_take_what_is_heard() -> None:
    remember = takes(Data, Other, makes=Data)

    assert problems_of(step("a", make, remember=remember, compensate=unmake)) == (
        "step a: remember func takes (Data, Other), but Do a is answered with Did: let it take (Data, Did)",
    )
    assert problems_of(each(remember=remember)) == (
        "step a: remember func takes (Data, Other), but Do a is answered with Did: let it take (Data, str, Did)",
    )
    assert problems_of(receive("settled", Settled, key=key_of, remember=remember), a) == (
        "receive settled: remember func takes (Data, Other), but it receives Settled: let it take (Data, Settled)",
    )


def test_a_remember_may_take_more_than_it_hears() -> None:
    saga(step("a", make, remember=takes(BaseModel, Reply, makes=Data), compensate=unmake))
    saga(step("a", make, remember=takes(Data, Did | Other, makes=Data), compensate=unmake))
    saga(step("a", make, remember=takes(Any, Any, makes=Data), compensate=unmake))


def test_a_remember_must_return_the_data() -> None:
    message = "remember func must be annotated to return the data, Data, not"

    assert problems_of(step("a", make, remember=takes(Data, Did, makes=Elsewhere), compensate=unmake)) == (
        f"step a: {message} Elsewhere",
    )
    assert problems_of(each(remember=takes(Data, str, Did, makes=None))) == (f"step a: {message} NoneType",)
    assert problems_of(replace(settled, remember=takes(Data, Settled, makes=str)), a) == (
        f"receive settled: {message} str",
    )


# --- functions that cannot be read


def test_a_function_whose_annotation_cannot_be_read_is_refused() -> None:
    vanished = takes(Data, makes="Vanished")
    message = "func: name 'Vanished' is not defined; import it where the saga is declared, at run time"

    assert problems_of(step("a", make, remember=vanished, compensate=unmake)) == (f"step a: remember {message}",)
    assert problems_of(ship, pivot("a", vanished))[-1] == f"step a: send {message}"
    assert problems_with(on_completed=vanished) == (f"on_completed {message}",)


def test_a_function_without_annotations_is_refused() -> None:
    assert problems_of(a, delay("calm", partial(timedelta, 1))) == (
        "delay calm: lasts is partial, which carries no annotations: write a function with def",
    )


def test_a_function_that_waits_or_yields_is_refused() -> None:
    async def waits(data: Data) -> bool:
        raise NotImplementedError(data)

    def yields(data: Data) -> Iterator[bool]:
        yield data.coins > 0

    async def streams(data: Data) -> AsyncIterator[bool]:
        yield data.coins > 0

    for function in (waits, yields, streams):
        name = function.__name__
        assert problems_of(branch(function, a)) == (  # type: ignore[arg-type]  # that is the fault
            f"branch {name}: predicate {name} is no plain function: what is decided waits for nothing, so use def",
        )
