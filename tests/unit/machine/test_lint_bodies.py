"""The linter on the bodies of functions: a path without a return, and values from a clock or by chance."""

import random
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal, localcontext
from functools import wraps
from os import urandom
from typing import Any, Never, assert_never

import pytest

from saga_coordinator.sagas import UnsoundSaga
from tests.support.saga_kit import Begun, Data, Did, Finished, saga
from tests.unit.machine._support.unsound import a, problems_of, problems_with

EACH_PATH = "returns nothing on a path: end each path with a return"
NEXT_TIME = "take times and new ids from the event that starts the saga"

CHANCE = random.Random(7)
WORDS = {"a": "b"}

# --- paths


def forgets(data: Data, reply: Did) -> Data:  # type: ignore[return]  # what this is about
    data.model_copy(update={"seen": (*data.seen, reply.word)})


def forgets_the_outcome(data: Data) -> Finished:  # type: ignore[return]  # what this is about
    Finished(key=data.key)


def forgets_otherwise(data: Data, reply: Did) -> Data:  # type: ignore[return]  # noqa: RET503  what this is about
    if reply.word == "good":
        return data
    if reply.word:
        data.model_copy(update={"seen": (reply.word,)})


def forgets_one_case(data: Data, reply: Did) -> Data:  # type: ignore[return]  # noqa: RET503  what this is about
    match reply.word:
        case "good":
            return data
        case _:
            data.model_copy()


def forgets_after_an_error(data: Data, reply: Did) -> Data:  # type: ignore[return]  # what this is about
    try:
        return data.model_copy(update={"seen": (reply.word,)})
    except ValueError:
        data.model_copy()


def forgets_when_nothing_is_found(data: Data, reply: Did) -> Data:  # type: ignore[return]  # noqa: RET503  what this is about
    for each in data.seen:
        if each == reply.word:
            return data


@pytest.mark.parametrize(
    "function",
    [forgets, forgets_otherwise, forgets_one_case, forgets_after_an_error, forgets_when_nothing_is_found],
)
def test_a_function_that_forgets_a_return_is_refused(function: Callable[..., Data]) -> None:
    assert problems_of(replace(a, remember=function)) == (f"step a: remember {function.__name__} {EACH_PATH}",)


def test_each_function_is_looked_at() -> None:
    assert problems_with(on_completed=forgets_the_outcome) == (f"on_completed forgets_the_outcome {EACH_PATH}",)


def never(problem: str) -> Never:
    raise ValueError(problem)


def gives_up(data: Data, reply: Did) -> Data:
    raise NotImplementedError(data, reply)


def may_raise(data: Data, reply: Did) -> Data:
    if reply.word:
        return data
    raise ValueError


def chooses(data: Data, reply: Did) -> Data:
    return data if reply.word else None  # type: ignore[return-value]  # a type checker finds it


def names_each_case(data: Data, reply: Did | Finished) -> Data:
    match reply:
        case Did():
            return data
        case Finished():
            never(reply.key)
        case _:
            assert_never(reply)


def names_each_case_without_a_rest(data: Data, reply: Did) -> Data:
    match bool(reply.word):
        case True:
            return data
        case False:
            return data.model_copy()


def searches(data: Data, reply: Did) -> Data:
    while True:
        for each in data.seen:
            if each == reply.word:
                return data
        return data


def tries(data: Data, reply: Did) -> Data:
    try:
        WORDS[reply.word]
    except LookupError:
        return data
    else:
        return data.model_copy()


def computes(data: Data, reply: Did) -> Data:
    with localcontext():
        return data.model_copy(update={"seen": (str(Decimal(reply.word)),)})


@pytest.mark.parametrize(
    "function",
    [gives_up, may_raise, chooses, names_each_case, names_each_case_without_a_rest, searches, tries, computes],
)
def test_a_function_that_returns_or_raises_on_each_path_is_accepted(function: Callable[..., Data]) -> None:
    saga(replace(a, remember=function))


# --- purity


def today(event: Begun) -> Data:
    return Data(coins=0, key=f"{event.key} {date.today()}")  # noqa: DTZ011  what this is about


def now(event: Begun) -> Data:
    return Data(coins=0, key=f"{event.key} {datetime.now().astimezone()}")


def local(event: Begun) -> Data:
    return Data(coins=0, key=f"{event.key} {time.localtime()}")


def numbered(event: Begun) -> Data:
    return Data(coins=0, key=f"{event.key} {uuid.uuid1()}")


def chosen(event: Begun) -> Data:
    return Data(coins=0, key=random.choice([event.key, "k"]))


def seeded(event: Begun) -> Data:
    return Data(coins=0, key=f"{event.key} {CHANCE.random()}")


def secret(event: Begun) -> Data:
    return Data(coins=0, key=event.key + secrets.token_hex())


def unguessable(event: Begun) -> Data:
    return Data(coins=0, key=f"{event.key} {[urandom(4) for _ in event.key]}")


@pytest.mark.parametrize(
    ("function", "used"),
    [
        (today, "date.today"),
        (now, "datetime.now"),
        (local, "time.localtime"),
        (numbered, "uuid.uuid1"),
        (chosen, "random.choice"),
        (seeded, "CHANCE.random"),
        (secret, "secrets.token_hex"),
        (unguessable, "urandom"),
    ],
)
def test_a_value_from_a_clock_or_by_chance_is_refused(function: Callable[[Begun], Data], used: str) -> None:
    assert problems_begun_by(function) == (
        f"begin {function.__name__} uses {used}, which gives another value the next time: {NEXT_TIME}",
    )


def helped(event: Begun) -> Data:
    return today(event)


def decorated(function: Callable[[Begun], Data]) -> Callable[[Begun], Data]:
    @wraps(function)
    def run(event: Begun) -> Data:
        return function(event)

    return run


def test_functions_that_are_called_or_decorated_are_looked_at_too() -> None:
    [problem] = problems_begun_by(helped)
    assert problem.startswith("begin helped uses date.today (in today), ")
    [problem] = problems_begun_by(decorated(today))
    assert problem.startswith("begin today uses date.today, ")


def pure(event: Begun) -> Data:
    date = uuid.uuid5(uuid.NAMESPACE_URL, event.key)
    fixed = datetime.fromisoformat("2026-01-01T00:00:00Z")
    return Data(coins=0, key=f"{date} {fixed} {random.Random(7).random()}")


def test_what_depends_on_the_arguments_alone_is_accepted() -> None:
    replace(saga(a), begin=pure)


WITHOUT_SOURCE: dict[str, Any] = {"__name__": __name__, "Begun": Begun, "Data": Data, "date": date}
exec("def unseen(event: Begun) -> Data: return Data(coins=0, key=f'{date.today()}')", WITHOUT_SOURCE)  # noqa: S102  the only way to have no source
unseen = WITHOUT_SOURCE["unseen"]


def calls_unseen(event: Begun) -> Data:
    unseen(event)
    return Data(coins=0, key=event.key)


@pytest.mark.parametrize("function", [unseen, calls_unseen])
def test_a_function_without_a_source_is_not_checked(function: Callable[[Begun], Data]) -> None:
    replace(saga(a), begin=function)


def problems_begun_by(function: Any) -> tuple[str, ...]:  # noqa: ANN401  a function that is refused
    with pytest.raises(UnsoundSaga) as found:
        replace(saga(a), begin=function)
    return found.value.problems
