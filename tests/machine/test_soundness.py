"""An unsound saga is refused when it is declared, and told in words what is wrong, where, and what to do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from contracts import Command, Done, Event, Reply
from sagas.machine import Cause, Node, Retry, UnsoundSaga, branch, parallel, pivot, step
from tests.machine.made import (
    HOUR,
    Begun,
    Data,
    Did,
    choice,
    command,
    compensatable,
    makes,
    point_of_no_return,
    retriable,
    safe,
    saga,
)

a, b = compensatable("a"), compensatable("b")
ship = point_of_no_return("ship")
make, unmake = makes(command("a")), makes(command("a", undo=True))


class Mutable(BaseModel):
    key: str


class Unstorable(BaseModel):
    model_config = ConfigDict(frozen=True)

    callback: Callable[[], None]


class Unnamed(Command[Any]):
    """A command that names no reply."""

    message_type = "made.unnamed.v1"
    topic = "made.commands.v1"


class Other(Reply):
    message_type = "made.other.v1"


def problems_of(*nodes: Node[Any], deadline: timedelta | None = None, name: str = "made") -> tuple[str, ...]:
    """What the linter says of a saga of these nodes."""
    with pytest.raises(UnsoundSaga) as caught:
        saga(*nodes, deadline=deadline, name=name)
    assert str(caught.value) == "\n".join(f"saga {name}: {problem}" for problem in caught.value.problems)
    return caught.value.problems


def problems_with(**changes: Any) -> tuple[str, ...]:  # noqa: ANN401  any part of a saga
    """What the linter says when one part of a sound saga is replaced."""
    with pytest.raises(UnsoundSaga) as caught:
        replace(saga(a, ship), **changes)
    return caught.value.problems


def test_a_sound_saga_is_accepted() -> None:
    sound = saga(
        parallel(a, choice("heads", 0, b)),
        safe("look"),
        ship,
        retriable("z", retry=Retry(attempts=None)),
        deadline=HOUR,
    )
    assert list(sound.table) == ["a", "b", "look", "ship", "z"]
    assert sound.data_type is Data
    assert sound.outcome_topic == "saga.made.outcomes.v1"


def test_all_problems_are_told_at_once() -> None:
    assert len(problems_of(retriable("A"), a, a)) == 3


# --- names


@pytest.mark.parametrize("name", ["Reserve", "reserve_stock", "-a", "a-", "1st", "", "a--b", "réserve"])
def test_a_name_that_is_not_kebab_case_is_refused(name: str) -> None:
    told = f"{name!r} is no name: write it in kebab-case, such as reserve-stock"

    assert problems_of(compensatable(name)) == (told,)
    assert problems_of(a, name=name) == (told,)


def test_a_step_name_that_stands_twice_is_refused() -> None:
    assert problems_of(a, choice("heads", 0, b, otherwise=(a,))) == (
        "a stands 2 times: give each step and each branch a name of its own",
    )


def test_a_branch_name_that_stands_twice_is_refused() -> None:
    assert problems_of(choice("heads", 0, a), choice("heads", 1, b)) == (
        "heads stands 2 times: give each step and each branch a name of its own",
    )


def test_a_saga_without_a_step_is_refused() -> None:
    assert problems_of() == ("it has no step: a saga is a sequence of at least one",)


def test_a_group_of_fewer_than_two_is_refused() -> None:
    assert problems_of(parallel(a)) == ("a parallel group has fewer than two nodes: write its node alone",)


def test_a_branch_with_nothing_to_do_is_refused() -> None:
    assert problems_of(choice("heads", 0, otherwise=(a,))) == (
        "branch heads has nothing to do when it holds: turn the predicate round, or remove the branch",
    )


# --- phases


def test_a_step_before_the_pivot_that_cannot_be_undone_is_refused() -> None:
    told = "step z changes something before the pivot and cannot be undone: give it a compensate, make it the pivot"

    assert problems_of(retriable("z"), ship) == (f"{told}, or declare Do z safe",)


def test_a_saga_without_a_pivot_is_compensatable_to_its_end() -> None:
    assert problems_of(a, retriable("z"))[0].startswith("step z changes something before the pivot")


def test_a_compensation_after_the_pivot_is_refused() -> None:
    assert problems_of(ship, a) == ("step a stands after the pivot, where nothing is undone: remove its compensate",)


def test_a_finite_retry_after_the_pivot_is_refused() -> None:
    told = "step z may stand after the pivot and has a finite retry: leave attempts and total at None"
    finite = retriable("z", retry=Retry(attempts=9))

    assert problems_of(ship, finite) == (told,)
    assert problems_of(choice("heads", 0, ship), compensatable("z", retry=Retry(attempts=9))) == (told,)


def test_a_pivot_in_a_parallel_group_is_refused() -> None:
    told = "pivot ship stands in a parallel group: put it into the main sequence"

    assert problems_of(parallel(a, ship)) == (told,)
    assert problems_of(parallel(a, choice("heads", 0, ship))) == (told,)


def test_two_pivots_on_one_path_are_refused() -> None:
    told = "pivot fly may follow another pivot: make one of them a step"
    fly = point_of_no_return("fly")

    assert problems_of(ship, fly) == (told,)
    assert problems_of(choice("heads", 0, ship), fly) == (told,)


def test_a_pivot_on_either_side_of_a_branch_is_sound() -> None:
    either = saga(choice("heads", 0, ship, otherwise=(point_of_no_return("fly"),)), retriable("z"))

    assert either.table["z"].retry.attempts is None


def test_a_step_that_may_stand_on_either_side_of_the_pivot_needs_a_compensation_and_patience() -> None:
    either = saga(choice("heads", 0, ship), a)

    assert either.table["a"].retry.attempts is None
    assert problems_of(choice("heads", 0, ship), retriable("z"))[0].startswith("step z changes something before")


def test_a_timeout_beyond_the_deadline_is_refused() -> None:
    assert problems_of(compensatable("a", timeout=2 * HOUR), deadline=HOUR) == (
        "step a has a timeout of 2:00:00, beyond the deadline of 1:00:00: shorten it",
    )


def test_a_timeout_after_the_pivot_may_be_longer_than_the_deadline() -> None:
    saga(ship, retriable("z", timeout=2 * HOUR), deadline=HOUR)


@pytest.mark.parametrize("timeout", [timedelta(0), timedelta(seconds=-1)])
def test_a_timeout_of_nothing_is_refused(timeout: timedelta) -> None:
    assert problems_of(compensatable("a", timeout=timeout)) == (
        f"step a has a timeout of {timeout}: it must be longer than nothing",
    )


# --- types


def test_begin_must_say_what_the_data_are() -> None:
    def begin(event: Begun):  # type: ignore[no-untyped-def]  # noqa: ANN202  that is the fault
        return Data(key=event.key, coins=0)

    assert problems_with(begin=begin) == (
        "begin must be annotated to return the data, a frozen pydantic model, not None",
    )


def test_begin_must_take_the_event_that_starts_the_saga() -> None:
    class Elsewhere(Event):
        message_type = "made.elsewhere.v1"
        topic = "made.events.v1"

    assert problems_with(starts_on=Elsewhere) == ("begin takes Begun, but the saga starts on Elsewhere",)


def test_data_that_can_be_changed_in_place_are_refused() -> None:
    def begin(event: Begun) -> Mutable:
        return Mutable(key=event.key)

    assert problems_with(begin=begin)[0] == "the data Mutable can be changed in place: declare its model frozen"


def test_data_that_do_not_survive_json_are_refused() -> None:
    def begin(event: Begun) -> Unstorable:
        raise NotImplementedError(event)

    assert problems_with(begin=begin)[0].startswith("the data Unstorable does not survive JSON: ")


def test_a_send_must_say_which_command_it_makes() -> None:
    def send(data: Data) -> Command[Any]:
        raise NotImplementedError(data)

    told = "step a: send send must be annotated to return one command, not <class 'contracts.message.Command[Any]'>"
    assert problems_of(step("a", send, compensate=unmake)) == (told,)


def test_a_command_that_names_no_reply_is_refused() -> None:
    def send(data: Data) -> Unnamed:
        raise NotImplementedError(data)

    assert "must be annotated to return one command, not <class" in problems_of(pivot("a", send))[0]


def test_a_compensation_must_make_a_command_too() -> None:
    def undo(data: Data) -> Done:
        raise NotImplementedError(data)

    assert problems_of(step("a", make, compensate=undo)) == (  # type: ignore[arg-type]  # that is the fault
        "step a: compensate undo must be annotated to return one command, not <class 'contracts.message.Done'>",
    )


def test_a_send_must_take_the_data() -> None:
    def send(data: Mutable) -> Any:  # noqa: ANN401  its annotation is set below
        raise NotImplementedError(data)

    send.__annotations__["return"] = command("a")
    assert problems_of(pivot("a", send)) == ("step a: send send must take the data, Data",)


def test_a_remember_must_take_the_reply_of_its_command() -> None:
    def keep(data: Data, reply: Other) -> Data:
        raise NotImplementedError(data, reply)

    assert problems_of(step("a", make, remember=keep, compensate=unmake)) == (
        "step a: remember keep takes (Data, Other), but Do a is answered with Did: let it take (Data, Did)",
    )


def test_an_annotation_that_cannot_be_read_is_refused() -> None:
    def keep(data: Data, reply: Did) -> Data:
        raise NotImplementedError(data, reply)

    keep.__annotations__["reply"] = "Vanished"
    assert problems_of(step("a", make, remember=keep, compensate=unmake)) == (
        "step a: remember keep: name 'Vanished' is not defined; import it where the saga is declared, at run time",
    )


@pytest.mark.parametrize("what", ["on_completed", "on_compensated"])
def test_an_outcome_must_be_an_event_made_from_the_data(what: str) -> None:
    def tell(data: Mutable, cause: Cause | None = None) -> Done:
        raise NotImplementedError(data, cause)

    assert problems_with(**{what: tell}) == (
        f"{what} tell must be annotated to return one event, not <class 'contracts.message.Done'>",
        f"{what} tell must take the data, Data",
    )


def test_a_branch_is_named_after_its_predicate() -> None:
    def is_large(data: Data) -> bool:
        return data.coins > 0

    assert branch(is_large, a).name == "is_large"
    assert branch(is_large, a, name="large").name == "large"
