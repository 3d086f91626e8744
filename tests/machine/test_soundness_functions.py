"""The linter on functions: each has to say what it takes and makes, and they have to fit together."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from contracts import Command, Done, Event, Reply
from sagas.machine import Cause, ForEach, Node, Step, branch, delay, pivot, receive, step
from tests.machine.made import Begun, Data, Did, Finished, Stopped, command, finished, makes, saga
from tests.machine.test_soundness import parcel, parcels
from tests.machine.unsound import (
    Settled,
    a,
    key_in,
    key_of,
    make,
    problems_of,
    problems_of_child,
    problems_with,
    settled,
    ship,
    unmake,
)


class Elsewhere(BaseModel):
    """Data of another saga."""

    model_config = ConfigDict(frozen=True)


class Other(Reply):
    message_type = "made.other.v1"


class Unnamed(Command[Any]):
    """A command that names no reply."""

    message_type = "made.unnamed.v1"
    topic = "made.commands.v1"


def takes(kind: object, *more: object, makes: object) -> Callable[..., Any]:
    """A function whose annotations say that it takes these and makes that."""

    def told(*said: object) -> Any:  # noqa: ANN401  what it makes is annotated below
        raise NotImplementedError(said)

    names = "abcdefg"
    told.__annotations__ = dict(zip(names, (kind, *more), strict=False)) | {"return": makes}
    return told


def each(**changes: Any) -> Node[Data]:  # noqa: ANN401  any part of a for-each
    """A for-each of which one part is replaced."""
    parts: dict[str, Any] = {
        "send": takes(Data, str, makes=command("a")),
        "compensate": takes(Data, str, makes=command("a", undo=True)),
    }
    parts.update({name: changes.pop(name) for name in ("send", "remember", "compensate") if name in changes})
    listed: dict[str, Any] = {"items": parcels, "key": parcel, "step": Step(name="a", **parts)}
    return ForEach(**{**listed, **changes})


# --- what begins


def test_begin_must_say_what_the_data_are() -> None:
    told = "begin must be annotated to return the data, a frozen pydantic model, not"

    assert problems_with(begin=takes(Begun, makes=None)) == (f"{told} NoneType",)
    assert problems_with(begin=takes(Begun, makes=Done | Data)) == (f"{told} {Done | Data}",)
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
        "correlate told must be annotated to return a str, not int",
    )
    assert problems_with(correlate=takes(Begun, makes=str)) == ("correlate told must take (Stopped), and nothing else",)
    assert problems_with(correlate=takes(Stopped, makes=str)) == ("correlate told must take (Begun), and nothing else",)
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
        f"step a: send told must be annotated to return one command, not {name}",
    )


def test_a_compensation_must_make_a_command_too() -> None:
    assert problems_of(step("a", make, compensate=takes(Data, makes=Done))) == (
        "step a: compensate told must be annotated to return one command, not Done",
    )


def test_a_send_must_take_the_data_and_nothing_else() -> None:
    told = ("step a: send told must take the data, Data, and nothing else",)

    assert problems_of(pivot("a", takes(Elsewhere, makes=command("a")))) == told
    assert problems_of(pivot("a", takes(Data, int, makes=command("a")))) == told


def test_a_function_of_an_item_must_take_it_behind_the_data() -> None:
    assert problems_of(each(send=makes(command("a")))) == (
        "step a: send made.do-a.v1 must take (Data, str), and nothing else",
    )
    assert problems_of(each(compensate=takes(Data, int, makes=command("a", undo=True)))) == (
        "step a: compensate told must take (Data, str), and nothing else",
    )


# --- what is remembered


def test_a_remember_must_take_what_is_heard() -> None:
    told = takes(Data, Other, makes=Data)

    assert problems_of(step("a", make, remember=told, compensate=unmake)) == (
        "step a: remember told takes (Data, Other), but Do a is answered with Did: let it take (Data, Did)",
    )
    assert problems_of(each(remember=told)) == (
        "step a: remember told takes (Data, Other), but Do a is answered with Did: let it take (Data, str, Did)",
    )
    assert problems_of(receive("settled", Settled, key=key_of, remember=told), a) == (
        "receive settled: remember told takes (Data, Other), but it receives Settled: let it take (Data, Settled)",
    )


def test_a_remember_may_take_more_than_it_hears() -> None:
    saga(step("a", make, remember=takes(BaseModel, Reply, makes=Data), compensate=unmake))
    saga(step("a", make, remember=takes(Data, Did | Other, makes=Data), compensate=unmake))
    saga(step("a", make, remember=takes(Any, Any, makes=Data), compensate=unmake))


def test_a_remember_must_return_the_data() -> None:
    told = "remember told must be annotated to return the data, Data, not"

    assert problems_of(step("a", make, remember=takes(Data, Did, makes=Elsewhere), compensate=unmake)) == (
        f"step a: {told} Elsewhere",
    )
    assert problems_of(each(remember=takes(Data, str, Did, makes=None))) == (f"step a: {told} NoneType",)
    assert problems_of(replace(settled, remember=takes(Data, Settled, makes=str)), a) == (
        f"receive settled: {told} str",
    )


# --- lists, events, times, choices


@pytest.mark.parametrize("listed", [str, tuple, tuple[str, int], set[str], int, None])
def test_the_items_of_a_for_each_are_a_list_of_one_type(listed: object) -> None:
    told = "for_each a: items told must be annotated to return a list or a tuple[..., ...], not"
    name = listed.__name__ if isinstance(listed, type) and not hasattr(listed, "__origin__") else listed

    assert problems_of(each(items=takes(Data, makes=listed)))[0] == f"{told} {'NoneType' if listed is None else name}"


@pytest.mark.parametrize("listed", [list[str], tuple[str, ...], Sequence[str]])
def test_any_list_of_one_type_will_do(listed: object) -> None:
    saga(each(items=takes(Data, makes=listed)))


def test_the_items_are_taken_from_the_data_and_have_a_key_of_text() -> None:
    assert problems_of(each(items=takes(Elsewhere, makes=tuple[str, ...]))) == (
        "for_each a: items told must take the data, Data, and nothing else",
    )
    assert problems_of(each(key=takes(str, makes=int))) == (
        "for_each a: key told must be annotated to return a str, not int",
    )
    assert problems_of(each(key=takes(int, makes=str))) == ("for_each a: key told must take (str), and nothing else",)


def test_the_keys_of_an_event_are_text() -> None:
    assert problems_of(a, replace(settled, key=takes(Settled, makes=int))) == (
        "receive settled: key told must be annotated to return a str, not int",
    )
    assert problems_of(a, replace(settled, key=takes(Stopped, makes=str))) == (
        "receive settled: key told must take (Settled), and nothing else",
    )
    assert problems_of(a, replace(settled, expects=takes(Data, makes=str | None))) == (
        f"receive settled: expects told must be annotated to return a str, not {str | None}",
    )
    assert problems_of(a, replace(settled, expects=takes(Elsewhere, makes=str))) == (
        "receive settled: expects told must take the data, Data, and nothing else",
    )
    saga(a, replace(settled, expects=key_in))


def test_times_from_the_data_are_lengths_or_moments() -> None:
    soon, later = takes(Data, makes=int), takes(Elsewhere, makes=timedelta)
    a_length, the_data = (
        "must be annotated to return a timedelta, not int",
        "must take the data, Data, and nothing else",
    )

    assert problems_of(replace(a, timeout=soon)) == (f"step a: timeout told {a_length}",)
    assert problems_of(replace(a, timeout=later)) == (f"step a: timeout told {the_data}",)
    assert problems_of(a, replace(settled, timeout=soon)) == (f"receive settled: timeout told {a_length}",)
    assert problems_of(a, delay("calm", soon)) == (f"delay calm: lasts told {a_length}",)
    assert problems_of(a, delay("calm", until=takes(Data, makes=timedelta))) == (
        "delay calm: until told must be annotated to return a datetime, not timedelta",
    )
    assert problems_with(deadline=takes(Data, makes=timedelta)) == (
        "deadline told must be annotated to return a datetime, not timedelta",
    )
    assert problems_with(deadline=takes(Elsewhere, makes=datetime)) == (f"deadline told {the_data}",)


def test_a_predicate_says_yes_or_no_of_the_data() -> None:
    assert problems_of(branch(takes(Data, makes=str), a)) == (
        "branch told: predicate told must be annotated to return a bool, not str",
    )
    assert problems_of(branch(takes(Elsewhere, makes=bool), a)) == (
        "branch told: predicate told must take the data, Data, and nothing else",
    )


# --- what is told at the end


def test_an_outcome_is_an_event_made_from_the_data() -> None:
    assert problems_with(on_completed=takes(Elsewhere, makes=Done)) == (
        "on_completed told must be annotated to return one event, not Done",
        "on_completed told must take the data, Data, and nothing else",
    )
    assert problems_with(on_compensated=takes(Data, makes=Done)) == (
        "on_compensated told must be annotated to return one event, not Done",
        "on_compensated told must take (Data, Cause), and nothing else",
    )
    replace(saga(a), on_compensated=takes(Data, Cause | None, makes=Finished))


def test_a_saga_must_tell_that_it_was_undone() -> None:
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
        "on_compensated told must be annotated to return a Failure, not Did",
    )


# --- functions that cannot be read


def test_a_function_whose_annotation_cannot_be_read_is_refused() -> None:
    vanished = takes(Data, makes="Vanished")
    told = "told: name 'Vanished' is not defined; import it where the saga is declared, at run time"

    assert problems_of(step("a", make, remember=vanished, compensate=unmake)) == (f"step a: remember {told}",)
    assert problems_of(ship, pivot("a", vanished))[-1] == f"step a: send {told}"
    assert problems_with(on_completed=vanished) == (f"on_completed {told}",)


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
