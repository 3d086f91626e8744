"""Which function of a saga raised: by its node, its argument, its name, its file and line."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import Any

import pytest

from saga_coordinator.contracts import Command
from saga_coordinator.sagas import delay
from saga_coordinator.sagas.language.functions import RaisedIn, author_functions, raised_in
from saga_coordinator.sagas.language.wording import format_count, format_duration
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import Begun, Data, Did, choice, command, compensatable, each, point_of_no_return, saga


def fails_to_send(data: Data) -> Command[Did]:
    raise LookupError(data.key)


def forgets(data: Data, reply: Did) -> Data:
    return data.model_copy(update={reply.word: 1 / 0})


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*arguments: Any) -> Any:  # noqa: ANN401  whatever the function takes and makes
        if function.__name__ == "remember_b":
            raise RuntimeError
        return function(*arguments)

    return wrapper


def remember_a(data: Data, reply: Did) -> Data:  # noqa: ARG001  what it takes
    return data


def remember_b(data: Data, reply: Did) -> Data:  # noqa: ARG001  what it takes
    return data


def never(data: Data) -> timedelta:
    raise ArithmeticError(data)


a, b = compensatable("a"), compensatable("b")
fails_to_send.__annotations__["return"] = command("a")


def where_it_raises(act: Callable[[], object], of: Any) -> RaisedIn | None:  # noqa: ANN401  a saga
    with pytest.raises(Exception) as caught:  # noqa: PT011  of any class
        act()
    return raised_in(of, caught.value)


def test_the_functions_of_a_saga_are_its_own_and_those_of_its_nodes() -> None:
    of = saga(choice("c", 0, a), each("each"), point_of_no_return("ship"), delay("calm", never))

    found = [(one.node, one.argument) for one in author_functions(of)]

    assert found[:4] == [(None, "correlate"), (None, "begin"), (None, "on_completed"), (None, "on_compensated")]
    assert {("a", "send"), ("a", "compensate"), ("ship", "send"), ("calm", "lasts")} <= set(found[4:])
    assert "predicate" in {argument for _, argument in found}
    assert {argument for node, argument in found if node == "each"} == {
        "items",
        "key",
        "send",
        "remember",
        "compensate",
    }
    [calm] = [one for one in author_functions(of) if one.node == "calm"]
    line = never.__code__.co_firstlineno
    assert str(calm) == f"step calm: lasts never, {__file__}:{line}"


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(), "0 ms"),
        (timedelta(milliseconds=88), "88 ms"),
        (timedelta(seconds=2.028), "2.03 s"),
        (timedelta(seconds=59.99), "1 min"),
        (timedelta(minutes=4, seconds=10), "4 min 10 s"),
        (timedelta(hours=2, minutes=5), "2 h 5 min"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=14, hours=3, minutes=59), "14 days 3 h"),
    ],
)
def test_a_duration_has_three_digits_or_two_units(length: timedelta, words: str) -> None:
    assert format_duration(length) == words


def test_a_count_has_its_noun_in_the_plural_but_for_one() -> None:
    assert [format_count(count, "instance") for count in (0, 1, 2_000)] == [
        "0 instances",
        "1 instance",
        "2,000 instances",
    ]


def test_a_step_that_cannot_send_is_named_with_its_function_file_and_line() -> None:
    broken = saga(replace(a, send=fails_to_send))

    raised = where_it_raises(lambda: given(broken, Begun()), broken)

    assert raised is not None
    assert (raised.node, raised.argument, raised.function) == ("a", "send", "fails_to_send")
    assert raised.place.rpartition(":")[0].endswith("test_functions.py")
    assert str(raised) == f"step a: send fails_to_send, {raised.place}"


def test_a_decorated_function_differs_from_another_with_the_same_decorator() -> None:
    both = saga(replace(a, remember=decorated(remember_a)), replace(b, remember=decorated(remember_b)))

    raised = where_it_raises(lambda: given(both, Begun()).replies("a", Did()).replies("b", Did()), both)

    assert raised is not None
    assert (raised.node, raised.function) == ("b", "remember_b")


def test_an_error_of_something_else_has_no_function() -> None:
    assert where_it_raises(lambda: given(saga(a), Begun()).replies("b", Did()), saga(a)) is None


def test_an_error_within_a_called_function_is_found_at_the_line_of_the_author() -> None:
    broken = saga(replace(a, remember=forgets))

    raised = where_it_raises(lambda: given(broken, Begun()).replies("a", Did(word="x")), broken)

    assert raised is not None
    assert raised.argument == "remember"
