"""Sagas in one line: messages, data and functions for each step, so that a test declares only what it is about.

    saga(compensatable("a"), point_of_no_return("p"), retriable("z"))

starts on `Begun`, sends `asks("a")` to one topic, expects `Did` in reply and undoes with `undoes("a")`. `Data.seen`
lists what the steps have remembered, in the order of arrival. `choice` adds a branch on a bit of `Begun.coins`, `each`
a for-each over `Listed.items`, `awaits` a receive of `Paid`. `command` makes the command type of a name.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, cast

from pydantic import BaseModel, ConfigDict

from saga_coordinator.contracts import Command, Done, Event, Reply
from saga_coordinator.sagas import PATIENT, Cause, Retry, Saga, branch, for_each, pivot, receive, step
from saga_coordinator.sagas.language.nodes import Branch, ForEach, Node, Receive, Step

TIME = datetime(2026, 1, 1, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Begun(Event):
    message_type = "made.begun.v1"
    topic = "made.events.v1"

    key: str = "k-1"
    coins: int = 0


class Listed(Begun):
    """Begins with a list of items."""

    items: tuple[str, ...] = ()


class Paid(Event):
    """An event to wait for: `key` is the correlation key, `bill` a key that only the data hold."""

    message_type = "made.paid.v1"
    topic = "made.events.v1"

    key: str = "k-1"
    bill: str = "bill of k-1"
    word: str = ""


class Stopped(Event):
    message_type = "made.stopped.v1"
    topic = "made.events.v1"

    key: str


class Finished(Event):
    message_type = "made.finished.v1"

    key: str
    seen: tuple[str, ...] = ()


class Unwound(Event):
    message_type = "made.unwound.v1"

    key: str
    step: str | None
    code: str


class Did(Reply):
    message_type = "made.did.v1"

    word: str = ""


class Data(BaseModel):
    """`coins` decide the branches, bit by bit; `seen` lists the replies, in the order of arrival.

    `items` are what a for-each lists.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    coins: int
    items: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()


def begin(event: Begun) -> Data:
    items = event.items if isinstance(event, Listed) else ()
    return Data(key=event.key, coins=event.coins, items=items)


def key(event: Begun | Stopped) -> str:
    return event.key


def finished(data: Data) -> Finished:
    return Finished(key=data.key, seen=data.seen)


def unwound(data: Data, cause: Cause) -> Unwound:
    return Unwound(key=data.key, step=cause.step, code=cause.code)


@cache
def command(
    name: str, *, undo: bool = False, safe: bool = False, cancellable: bool = False, of_item: bool = False
) -> type[Command[Any]]:
    """A command type of its own for a step, answered with `Did`, or with `Done` when it undoes."""
    body = {
        "__module__": __name__,
        "__annotations__": {"key": str, "seen": tuple[str, ...]} | ({"item": str} if of_item else {}),
        "message_type": f"made.{'undo' if undo else 'do'}-{name}.v1",
        "topic": "made.commands.v1",
        "safe": safe,
        "cancellable": cancellable,
    }
    parent = Command[Done] if undo else Command[Did]
    return cast("type[Command[Any]]", type(f"{'Undo' if undo else 'Do'} {name}", (parent,), body))


def asks(name: str, *, key: str = "k-1", seen: tuple[str, ...] = (), item: str = "") -> Command[Any]:
    """The command of a step, or of an item's step, as a message."""
    made = command(name, of_item=True) if item else command(name)
    return made.model_validate({"key": key, "seen": seen, "item": item})


def undoes(name: str, *, key: str = "k-1", seen: tuple[str, ...] = (), item: str = "") -> Command[Any]:
    """The compensation of a step, or of an item's step, as a message."""
    made = command(name, undo=True, of_item=True) if item else command(name, undo=True)
    return made.model_validate({"key": key, "seen": seen, "item": item})


def makes(made: type[Command[Any]]) -> Callable[[Data], Command[Any]]:
    """A function that makes this command from the data, as its annotations say."""

    def make(data: Data) -> Command[Any]:
        return made.model_validate({"key": data.key, "seen": data.seen})

    make.__name__ = made.message_type
    make.__annotations__ = {"data": Data, "return": made}
    return make


def remembers(name: str) -> Callable[[Data, Did], Data]:
    """A function that adds the step's name, and its word if it has one, to what was seen."""

    def remember(data: Data, reply: Did) -> Data:
        entry = f"{name}:{reply.word}" if reply.word else name
        return data.model_copy(update={"seen": (*data.seen, entry)})

    return remember


def compensatable(
    name: str,
    *,
    timeout: timedelta = MINUTE,
    retry: Retry | None = None,
    compensate_retry: Retry = PATIENT,
    undo_when_unknown: bool = True,
) -> Step[Data]:
    """A step that can be undone."""
    return step(
        name,
        makes(command(name)),
        remember=remembers(name),
        compensate=makes(command(name, undo=True)),
        timeout=timeout,
        retry=retry,
        compensate_retry=compensate_retry,
        undo_when_unknown=undo_when_unknown,
    )


def child(name: str, *, timeout: timedelta = HOUR, retry: Retry | None = None) -> Step[Data]:
    """A step that a child saga carries out."""
    return step(
        name,
        makes(command(name, cancellable=True)),
        remember=remembers(name),
        compensate=makes(command(name, undo=True)),
        timeout=timeout,
        retry=retry,
    )


def safe(name: str, *, timeout: timedelta = MINUTE, retry: Retry | None = None) -> Step[Data]:
    """A step that changes nothing, so that it needs no compensation."""
    return step(name, makes(command(name, safe=True)), remember=remembers(name), timeout=timeout, retry=retry)


def retriable(name: str, *, timeout: timedelta = MINUTE, retry: Retry | None = None) -> Step[Data]:
    """A step for after the pivot."""
    return step(name, makes(command(name)), remember=remembers(name), timeout=timeout, retry=retry)


def point_of_no_return(name: str = "pivot", *, timeout: timedelta = MINUTE, retry: Retry | None = None) -> Step[Data]:
    """A pivot."""
    return pivot(name, makes(command(name)), remember=remembers(name), timeout=timeout, retry=retry)


def choice(name: str, bit: int, *nodes: Node[Data], otherwise: tuple[Node[Data], ...] = ()) -> Branch[Data]:
    """A branch on one bit of the coins, turned round by each thing seen: asked twice it may answer otherwise."""

    def predicate(data: Data) -> bool:
        return (data.coins >> bit) + len(data.seen) & 1 == 1

    return branch(predicate, *nodes, otherwise=otherwise, name=name)


def saga(*nodes: Node[Data], deadline: timedelta | None = None, name: str = "made") -> Saga[Begun, Data]:
    """A saga of these nodes."""
    return Saga(
        name=name,
        version=1,
        starts_on=Begun,
        correlate=key,
        begin=begin,
        steps=nodes,
        on_completed=finished,
        on_compensated=unwound,
        deadline=deadline,
        cancel_on=Stopped,
    )


def items(data: Data) -> tuple[str, ...]:
    return data.items


def itself(item: str) -> str:
    return item


def makes_each(made: type[Command[Any]]) -> Callable[[Data, str], Command[Any]]:
    """A function that makes this command from the data and an item."""

    def make(data: Data, item: str) -> Command[Any]:
        return made.model_validate({"key": data.key, "seen": data.seen, "item": item})

    make.__name__ = made.message_type
    make.__annotations__ = {"data": Data, "item": str, "return": made}
    return make


def remembers_each(name: str) -> Callable[[Data, str, Did], Data]:
    """A function that adds the step's name and its item to what was seen."""

    def remember(data: Data, item: str, reply: Did) -> Data:
        entry = f"{name} {item}:{reply.word}" if reply.word else f"{name} {item}"
        return data.model_copy(update={"seen": (*data.seen, entry)})

    return remember


def each(
    name: str,
    *,
    undone: bool = True,
    limit: int | None = None,
    timeout: timedelta = MINUTE,
    retry: Retry | None = None,
    compensate_retry: Retry = PATIENT,
) -> ForEach[Data]:
    """A step for each of the items; `undone`: it can be undone."""
    return for_each(
        name,
        items,
        makes_each(command(name, of_item=True)),
        key=itself,
        remember=remembers_each(name),
        compensate=makes_each(command(name, undo=True, of_item=True)) if undone else None,
        limit=limit,
        timeout=timeout,
        retry=retry,
        compensate_retry=compensate_retry,
    )


def payer(event: Paid) -> str:
    return event.key


def billed(event: Paid) -> str:
    return event.bill


def bill(data: Data) -> str:
    return f"bill of {data.key}"


def awaits(name: str, *, billed_to: bool = False, timeout: timedelta = MINUTE) -> Receive[Data]:
    """Waits for a payment with the correlation key, or (`billed_to`) with a key that the data hold."""

    def remember(data: Data, event: Paid) -> Data:
        entry = f"{name}:{event.word}" if event.word else name
        return data.model_copy(update={"seen": (*data.seen, entry)})

    if billed_to:
        return receive(name, Paid, key=billed, expects=bill, remember=remember, timeout=timeout)
    return receive(name, Paid, key=payer, remember=remember, timeout=timeout)
