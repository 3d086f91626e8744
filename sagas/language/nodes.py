"""The nodes of a definition: frozen values that form a tree. `saga.py` has the functions that make them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Generic, TypeAlias, TypeVar, Union, assert_never, cast

from pydantic import BaseModel, TypeAdapter

from saga_coordinator.contracts import Command, Event
from saga_coordinator.sagas.language.retry import PATIENT, Retry

D = TypeVar("D", bound=BaseModel)
"""The data of a saga: what its instances remember."""

Duration: TypeAlias = Union[timedelta, Callable[[D], timedelta]]  # noqa: UP007  a generic alias
"""A length of time, or a function that takes it from the data when it starts to count."""

REPLY_TIMEOUT = timedelta(minutes=5)
"""The default timeout of a step."""

EVENT_TIMEOUT = timedelta(days=1)
"""The default timeout of a receive."""

MAX_DURATION: Final = timedelta(days=36_525)
"""A hundred years: the longest timeout, delay or deadline, so that every time that follows is one that exists."""

MAX_YEAR: Final = 9000
"""The last year of a deadline or of the end of a delay; a time that is later is taken for its end."""

_EARLIEST = datetime(2, 1, 1, tzinfo=UTC)

BUFFER_FOR = timedelta(hours=1)
"""How long an early event is buffered by default."""


@dataclass(frozen=True, slots=True)
class Step(Generic[D]):
    """One command to one participant, and one reply. Made by `step` or `pivot`.

    The step of a `for_each` is one too; its functions take the item after the data.
    """

    name: str
    send: Callable[..., Command[Any]]
    remember: Callable[..., D] | None = None
    compensate: Callable[..., Command[Any]] | None = None
    timeout: Duration[D] = REPLY_TIMEOUT
    retry: Retry | None = None
    compensate_retry: Retry = PATIENT
    undo_when_unknown: bool = True
    is_pivot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ForEach(Generic[D]):
    """One command for each item of a list in the data, at most `limit` at once (None: all)."""

    items: Callable[[D], Sequence[Any]]
    key: Callable[[Any], str]
    step: Step[D]
    limit: int | None = None

    @property
    def name(self) -> str:
        """The node's name; its steps are called `name[key]`."""
        return self.step.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive(Generic[D]):
    """Waits for a business event. Without `expects` it waits for the event whose key is the correlation key."""

    name: str
    event: type[Event]
    key: Callable[[Any], str]
    expects: Callable[[D], str] | None = None
    remember: Callable[[D, Any], D] | None = None
    timeout: Duration[D] = EVENT_TIMEOUT
    buffer_for: timedelta = BUFFER_FOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(Generic[D]):
    """Waits for a length of time after it was reached, or until a time from the data."""

    name: str
    lasts: Duration[D] | None = None
    until: Callable[[D], datetime] | None = None


@dataclass(frozen=True, slots=True)
class Series(Generic[D]):
    """Nodes one after the other, as one node."""

    nodes: tuple[Node[D], ...]


@dataclass(frozen=True, slots=True)
class Parallel(Generic[D]):
    """Its nodes at the same time; it has succeeded when all have. They are compensated at the same time, too."""

    nodes: tuple[Node[D], ...]


@dataclass(frozen=True, slots=True)
class Branch(Generic[D]):
    """A choice between two sequences, made once when it is reached and recorded under `name`."""

    name: str
    predicate: Callable[[D], bool]
    nodes: tuple[Node[D], ...]
    otherwise: tuple[Node[D], ...]

    def taken(self, choices: Mapping[str, bool]) -> tuple[Node[D], ...] | None:
        """Return the sequence that was chosen, None while the choice is open."""
        choice = choices.get(self.name)
        return None if choice is None else self.nodes if choice else self.otherwise


@dataclass(frozen=True, slots=True)
class Alternatives(Generic[D]):
    """Nodes of which one has to succeed: tried in order, each compensated before the next one is tried."""

    name: str
    nodes: tuple[Node[D], ...]


Node: TypeAlias = Union[  # noqa: UP007  a generic alias of forward names
    Step[D], ForEach[D], Receive[D], Delay[D], Series[D], Parallel[D], Branch[D], Alternatives[D]
]


@dataclass(frozen=True, slots=True)
class Scope:
    """One of several alternatives: a failure in it compensates only what is in it, and the next one is tried."""

    name: str
    number: int
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan(Generic[D]):
    """What holds for one step of one saga: its message types and its retry.

    `item` reads an item of a `for_each` from JSON; None for any other step.
    """

    step: Step[D]
    command: type[Command[Any]]
    undo: type[Command[Any]] | None
    retry: Retry
    item: TypeAdapter[Any] | None = None

    @property
    def item_codec(self) -> TypeAdapter[Any]:
        """Return what writes and reads the items of a `for_each`."""
        assert self.item is not None, "the steps of a list have items"  # noqa: S101  for the type checker
        return self.item


def duration_of(duration: Duration[D], data: D) -> timedelta:
    """Return a length of time, from the data where a function takes it from them; that is `MAX_DURATION` at most."""
    return duration if isinstance(duration, timedelta) else min(duration(data), MAX_DURATION)


def with_zone(at: datetime, who: str) -> datetime:
    """Return a time in UTC, of the years 1 to `MAX_YEAR`. Raises `ValueError` if it has no zone."""
    if at.tzinfo is None:
        raise ValueError(f"{who} waits until {at}, a time without a zone: give it one, such as datetime.UTC")
    if at.year > MAX_YEAR:
        return datetime(MAX_YEAR, 12, 31, tzinfo=UTC)
    return max(at, _EARLIEST).astimezone(UTC)


def timeout_of(timeout: Duration[D], data: D, who: str) -> timedelta:
    """Return a timeout. Raises `ValueError` for one of nothing, which would ask again and again at the same moment."""
    length = duration_of(timeout, data)
    if length <= timedelta(0):
        raise ValueError(f"{who} has a timeout of {length}: it must be longer than nothing")
    return length


def leaf(name: str) -> str:
    """Return the node that a step of an instance belongs to: `provision` for `provision[eu-1]`."""
    return name.partition("[")[0]


def inside(node: Node[D]) -> tuple[Node[D], ...]:
    """Return the nodes right within a node."""
    match node:
        case Step() | ForEach() | Receive() | Delay():
            return ()
        case Series() | Parallel() | Alternatives():
            return node.nodes
        case Branch():
            return node.nodes + node.otherwise
        case _:
            assert_never(node)


def walk(nodes: tuple[Node[D], ...]) -> Iterator[Node[D]]:
    """Yield every node of a tree, in the order of the definition, a group before its members."""
    for node in nodes:
        yield node
        yield from walk(inside(node))


def map_nodes(nodes: tuple[Node[D], ...], change: Callable[[Node[D]], Node[D]]) -> tuple[Node[D], ...]:
    """Return a tree of the same shape in which every node is changed, what is in it first (a `for_each` has a step)."""
    return tuple(change(_map_inside(node, change)) for node in nodes)


def _map_inside(node: Node[D], change: Callable[[Node[D]], Node[D]]) -> Node[D]:
    match node:
        case ForEach():
            return replace(node, step=cast("Step[D]", change(node.step)))
        case Series() | Parallel() | Alternatives():
            return replace(node, nodes=map_nodes(node.nodes, change))
        case Branch():
            otherwise = map_nodes(node.otherwise, change)
            return replace(node, nodes=map_nodes(node.nodes, change), otherwise=otherwise)
        case _:
            return node


def steps_of(nodes: tuple[Node[D], ...]) -> Iterator[Step[D]]:
    """Yield every step of a tree, those of each `for_each` too."""
    for node in walk(nodes):
        if isinstance(node, Step):
            yield node
        elif isinstance(node, ForEach):
            yield node.step


def scopes_of(nodes: tuple[Node[D], ...], around: tuple[Scope, ...] = ()) -> Iterator[tuple[str, tuple[Scope, ...]]]:
    """Yield the name of each leaf with the alternatives that it stands in, the innermost last."""
    for node in nodes:
        match node:
            case Step() | ForEach() | Receive() | Delay():
                yield node.name, around
            case Alternatives():
                last = len(node.nodes) - 1
                for number, member in enumerate(node.nodes):
                    scope = Scope(node.name, number, number == last)
                    yield from scopes_of((member,), (*around, scope))
            case _:
                yield from scopes_of(inside(node), around)
