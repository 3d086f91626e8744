"""What the matrix finds in the functions themselves: one that raises, also at the start, and one that is not pure."""

import re
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from saga_coordinator.contracts import Command
from saga_coordinator.sagas.testing.explorer.explore import explore
from saga_coordinator.sagas.testing.explorer.script import place_of, script
from saga_coordinator.sagas.testing.scenario import given
from saga_coordinator.sagas.testing.variants import evaluate_twice
from tests.support import saga_kit
from tests.support.saga_kit import Begun, Data, Did, command, compensatable, saga

NUMBERS = count()

a = compensatable("a")


def fails(data: Data) -> Command[Did]:
    raise LookupError(data.key)


def begins_wrongly(event: Begun) -> Data:
    raise LookupError(event.key)


def numbers(data: Data, reply: Did) -> Data:
    return data.model_copy(update={"seen": (*data.seen, f"{reply.word}{next(NUMBERS)}")})


def writes(data: Data, reply: Did) -> Data:
    data.__dict__["seen"] = (reply.word,)
    return data


fails.__annotations__["return"] = command("a")
cannot_send, cannot_begin = saga(replace(a, send=fails)), replace(saga(a), begin=begins_wrongly)
impure, writing = saga(replace(a, remember=numbers)), saga(replace(a, remember=writes))


@pytest.mark.parametrize(
    ("of", "function"), [(cannot_send, "step a: send fails, "), (cannot_begin, "begin begins_wrongly, ")]
)
def test_a_function_that_raises_at_the_start_is_a_finding(of: Any, function: str) -> None:  # noqa: ANN401  a saga
    [found, *_] = explore(of).counterexamples

    assert (found.invariant, found.moves) == ("the_definition_never_raises", ())
    assert found.problem.startswith(f"{function}{__file__}:")
    assert " raises LookupError: " in found.problem
    assert "given(" in script(found, of, place_of(of))


def test_a_function_with_two_values_for_the_same_arguments_is_one_finding_with_both() -> None:
    found = explore(impure).counterexamples

    assert [each.invariant for each in found] == ["the_functions_are_pure"]
    assert found[0].problem.startswith(f"step a: remember numbers, {__file__}:")
    assert found[0].problem.count("Data(") >= 1
    assert "given(evaluate_twice(" in script(found[0], impure, place_of(impure))


def test_a_function_that_changes_its_arguments_is_one_finding() -> None:
    found = explore(writing).counterexamples

    assert [each.invariant for each in found] == ["the_functions_are_pure"]
    assert re.match(r"step a: remember writes, .* changes its arguments: it was given .*seen=\(\)", found[0].problem)


def test_every_function_is_evaluated_twice_and_a_pure_saga_behaves_as_before() -> None:
    whole = saga(a, saga_kit.choice("c", 1, compensatable("b")), saga_kit.point_of_no_return("ship"))

    twice = given(evaluate_twice(whole), Begun(coins=1)).expects("a").replies("a", Did()).expects("b")

    assert twice.data == given(whole, Begun(coins=1)).replies("a", Did()).data
    with pytest.raises(AssertionError, match=r"step a: remember numbers, .* for the same arguments"):
        given(evaluate_twice(impure), Begun()).replies("a", Did())
