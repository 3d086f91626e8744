"""What the linter says of a saga that is declared against the rules."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from saga_coordinator.contracts import Command, Event, Reply
from saga_coordinator.sagas import Saga, UnsoundSaga, receive
from saga_coordinator.sagas.language.nodes import ForEach, Node, Receive, Step
from tests.support.saga_kit import Data, Did, compensatable, makes, point_of_no_return, saga
from tests.support.saga_kit import command as made

a, b, c = compensatable("a"), compensatable("b"), compensatable("c")
ship = point_of_no_return("ship")
make, unmake = makes(made("a")), makes(made("a", undo=True))


class Settled(Event):
    """An event to wait for."""

    message_type = "made.settled.v1"
    topic = "made.events.v1"

    key: str = "k-1"


class Perform(Command[Did]):
    """A command that a child saga carries out."""

    message_type = "made.perform.v1"
    topic = "made.commands.v1"
    cancellable = True

    key: str = "k-1"


def parcels(data: Data) -> tuple[str, ...]:
    return data.seen


def parcel(item: str) -> str:
    return item


def key_of(event: Settled) -> str:
    return event.key


def key_in(data: Data) -> str:
    return data.key


def name_of(command: Perform) -> str:
    return command.key


def performed(data: Data) -> Did:
    return Did(word=data.key)


def begin_performing(command: Perform) -> Data:
    return Data(key=command.key, coins=0)


settled: Receive[Data] = receive("settled", Settled, key=key_of)


def child(*nodes: Node[Data], **changes: Any) -> Saga[Any, Data]:  # noqa: ANN401  any part of a saga
    """A saga that starts on a command."""
    parts = {
        "name": "made",
        "version": 1,
        "starts_on": Perform,
        "correlate": name_of,
        "begin": begin_performing,
        "steps": nodes,
        "on_completed": performed,
    }
    return Saga(**{**parts, **changes})


def problems_of(*nodes: Any, deadline: timedelta | None = None, name: str = "made") -> tuple[str, ...]:  # noqa: ANN401  some are no nodes
    """What the linter says of a saga of these nodes."""
    with pytest.raises(UnsoundSaga) as caught:
        saga(*nodes, deadline=deadline, name=name)
    place = r"\S+/saga_kit\.py:\d+"
    lines = [rf"{place}: saga {re.escape(f'{name}: {problem}')}" for problem in caught.value.problems]
    assert re.fullmatch("\n".join(lines), str(caught.value))
    return caught.value.problems


def problems_with(*nodes: Node[Data], **changes: Any) -> tuple[str, ...]:  # noqa: ANN401  any part of a saga
    """What the linter says when one part of a sound saga is replaced."""
    with pytest.raises(UnsoundSaga) as caught:
        replace(saga(*(nodes or (a, ship))), **changes)
    return caught.value.problems


def problems_of_child(*nodes: Node[Data], **changes: Any) -> tuple[str, ...]:  # noqa: ANN401  any part of a saga
    """What the linter says of a child saga."""
    with pytest.raises(UnsoundSaga) as caught:
        child(*nodes, **changes)
    return caught.value.problems


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

    def func(*said: object) -> Any:  # noqa: ANN401  what it makes is annotated below
        raise NotImplementedError(said)

    names = "abcdefg"
    func.__annotations__ = dict(zip(names, (kind, *more), strict=False)) | {"return": makes}
    return func


def each(**changes: Any) -> Node[Data]:  # noqa: ANN401  any part of a for-each
    """A for-each of which one part is replaced."""
    parts: dict[str, Any] = {
        "send": takes(Data, str, makes=made("a")),
        "compensate": takes(Data, str, makes=made("a", undo=True)),
    }
    parts.update({name: changes.pop(name) for name in ("send", "remember", "compensate") if name in changes})
    listed: dict[str, Any] = {"items": parcels, "key": parcel, "step": Step(name="a", **parts)}
    return ForEach(**{**listed, **changes})
