"""Sagas that the matrix is tried on: one for each word of the language, as small as shows what the word means."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

from saga_coordinator.contracts import Command, Event, Failure
from saga_coordinator.sagas import (
    Cause,
    Retry,
    Saga,
    alternatives,
    branch,
    delay,
    for_each,
    parallel,
    receive,
    series,
    step,
)
from saga_coordinator.sagas.language.nodes import ForEach, Step
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    TIME,
    Begun,
    Data,
    Did,
    command,
    compensatable,
    makes,
    point_of_no_return,
    retriable,
    saga,
)

TWICE = Retry(attempts=2, jitter=0.5)


class Paid(Event):
    message_type = "made.paid.v1"
    topic = "made.events.v1"

    key: str
    amount: int = 1


class DoAll(Command[Did]):
    message_type = "made.do-all.v1"
    topic = "made.sagas.v1"
    cancellable = True

    key: str = "k-1"


def key_of_payment(event: Paid) -> str:
    return event.key


def expected_payment(data: Data) -> str:
    return f"payment-of-{data.key}"


def paid(data: Data, event: Paid) -> Data:
    return data.model_copy(update={"seen": (*data.seen, f"paid {event.amount}")})


def after_a_while(data: Data) -> timedelta:
    return MINUTE * (1 + len(data.seen))


def next_hour(data: Data) -> datetime:
    return TIME + HOUR * len(data.seen)


def regions(data: Data) -> tuple[str, ...]:
    """The list is another one as soon as anything more is seen."""
    return ("eu", "us") if len(data.seen) < 2 else ("eu", "us", "sa")


def region(item: str) -> str:
    return item


def provisioned(data: Data, item: str, reply: Did) -> Data:
    return data.model_copy(update={"seen": (*data.seen, f"{item}{reply.word}")})


def is_odd(data: Data) -> bool:
    """Asked twice it answers otherwise."""
    return (data.coins + len(data.seen)) % 2 == 1


def makes_each(made: type[Command[Any]]) -> Callable[[Data, str], Command[Any]]:
    """A function that makes this command from the data and an item, as its annotations say."""

    def make(data: Data, item: str) -> Command[Any]:
        return made.model_validate({"key": f"{data.key}-{item}", "seen": data.seen})

    make.__annotations__ = {"data": Data, "item": str, "return": made}
    return make


def ask_all(data: Data) -> DoAll:
    return DoAll(key=data.key)


def begin_all(asked: DoAll) -> Data:
    return Data(key=asked.key, coins=0)


def key_of_all(asked: DoAll) -> str:
    return asked.key


def did_all(data: Data) -> Did:
    return Did(word=data.key)


def did_not(data: Data, cause: Cause) -> Failure:
    return Failure(code=cause.code, message=data.key, retryable=True)


def provision(*, limit: int | None) -> ForEach[Data]:
    return for_each(
        "provision",
        regions,
        makes_each(command("provision")),
        key=region,
        remember=provisioned,
        compensate=makes_each(command("provision", undo=True)),
        limit=limit,
        retry=TWICE,
        compensate_retry=TWICE,
    )


def child(name: str = "child") -> Step[Data]:
    return step(name, ask_all, compensate=makes(command(name, undo=True)), compensate_retry=TWICE)


def sure(name: str) -> Step[Data]:
    """A step whose participant guarantees that no answer means not done."""
    return step(
        name, makes(command(name)), compensate=makes(command(name, undo=True)), undo_when_unknown=False, retry=TWICE
    )


def brief(name: str, *, timeout: timedelta = MINUTE, retry: Retry | None = None) -> Step[Data]:
    """A step whose undo is tried twice."""
    return compensatable(name, timeout=timeout, retry=retry, compensate_retry=TWICE)


two_steps = saga(brief("a", retry=TWICE), brief("b"), point_of_no_return(), retriable("c"), deadline=HOUR)
group = saga(parallel(brief("a"), brief("b", timeout=2 * MINUTE)), point_of_no_return())
choice = saga(brief("a"), branch(is_odd, brief("b"), brief("c"), otherwise=(brief("d"),)), point_of_no_return())
event = saga(
    brief("a"), receive("payment", Paid, key=key_of_payment, remember=paid, timeout=HOUR), point_of_no_return()
)
events = saga(
    brief("a"),
    receive("payment", Paid, key=key_of_payment, expects=expected_payment, remember=paid, timeout=after_a_while),
    point_of_no_return(),
    receive("receipt", Paid, key=key_of_payment, timeout=HOUR),
)
delays = saga(
    brief("a"),
    parallel(delay("rest", after_a_while), brief("b")),
    point_of_no_return(),
    delay("sleep", until=next_hour),
    retriable("c"),
)
listed = saga(brief("a"), provision(limit=1), point_of_no_return())
all_listed = saga(provision(limit=None), brief("b"))
tries = saga(
    brief("a"),
    alternatives(series(brief("x", retry=TWICE), brief("x-too")), brief("y"), name="x-or-y"),
    point_of_no_return(),
    deadline=10 * MINUTE,
)
parent = saga(parallel(child(), brief("b")), point_of_no_return(), deadline=HOUR)
child_of_alternatives = saga(alternatives(parallel(child(), brief("b")), brief("y"), name="child-or-y"))
retries = saga(brief("a", retry=Retry(attempts=None, first=MINUTE, factor=2, total=6 * MINUTE)), sure("b"), brief("c"))
is_child = Saga(
    name="made-child",
    version=1,
    starts_on=DoAll,
    correlate=key_of_all,
    begin=begin_all,
    steps=(brief("a"), point_of_no_return()),
    on_completed=did_all,
    on_compensated=did_not,
)

SAGAS: dict[str, Saga[Any, Data]] = {
    "two_steps": two_steps,
    "group": group,
    "choice": choice,
    "event": event,
    "events": events,
    "delays": delays,
    "listed": listed,
    "all_listed": all_listed,
    "tries": tries,
    "parent": parent,
    "child_of_alternatives": child_of_alternatives,
    "retries": retries,
    "is_child": cast("Saga[Any, Data]", is_child),
}
"""Each by its name in this module."""


def starts(name: str) -> tuple[Begun, ...]:
    """What starts one of them, where it is not made: a child starts on its command, and a choice needs both."""
    return {"is_child": (), "choice": (Begun(coins=0), Begun(coins=1))}.get(name, (Begun(),))


UNWANTED = Paid(key="k-1")
"""A message that order fulfilment has no use for."""
