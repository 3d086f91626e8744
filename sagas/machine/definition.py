"""The language that sagas are written in: a tree of frozen values whose leaves are named pure functions.

A saga is refused when it is declared if it is unsound; `soundness.py` holds the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Generic, TypeAlias, TypeVar, Union, assert_never

from pydantic import BaseModel

from contracts import Command, Event, Reply
from sagas.machine.failure import Cause
from sagas.machine.retry import FOREVER, ONCE, PATIENT, Retry

D = TypeVar("D", bound=BaseModel)
E = TypeVar("E", bound=Event)
R = TypeVar("R", bound=Reply)

ANSWER_WITHIN = timedelta(minutes=5)
"""The timeout of a step that says nothing else: no command is awaited for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step(Generic[D]):
    """One command to one participant, and one reply. Written with `step` or `pivot`."""

    name: str
    send: Callable[[D], Command[Any]]
    remember: Callable[[D, Any], D] | None = None
    compensate: Callable[[D], Command[Any]] | None = None
    timeout: timedelta = ANSWER_WITHIN
    retry: Retry | None = None
    compensate_retry: Retry = PATIENT
    is_pivot: bool = False


@dataclass(frozen=True, slots=True)
class Parallel(Generic[D]):
    """Its nodes all at once; it has succeeded when all have. They are undone all at once, too."""

    nodes: tuple[Node[D], ...]


@dataclass(frozen=True, slots=True)
class Branch(Generic[D]):
    """A choice between two sequences, made once when it is reached and recorded under `name`."""

    name: str
    predicate: Callable[[D], bool]
    nodes: tuple[Node[D], ...]
    otherwise: tuple[Node[D], ...]


Node: TypeAlias = Union[Step[D], Parallel[D], Branch[D]]  # noqa: UP007  a generic alias of forward names


def step(
    name: str,
    send: Callable[[D], Command[R]],
    *,
    remember: Callable[[D, R], D] | None = None,
    compensate: Callable[[D], Command[Any]] | None = None,
    timeout: timedelta = ANSWER_WITHIN,
    retry: Retry | None = None,
    compensate_retry: Retry = PATIENT,
) -> Step[D]:
    """One command, one reply.

    `send(data)` makes the command; `remember(data, reply)` takes what the reply told into the data;
    `compensate(data)` makes the command that undoes it, from the data as they are then. The timeout runs from each
    sending. Without `retry` a step is sent once before the pivot, and until it is answered after it.
    """
    return Step(
        name=name,
        send=send,
        remember=remember,
        compensate=compensate,
        timeout=timeout,
        retry=retry,
        compensate_retry=compensate_retry,
    )


def pivot(
    name: str,
    send: Callable[[D], Command[R]],
    *,
    remember: Callable[[D, R], D] | None = None,
    timeout: timedelta = ANSWER_WITHIN,
    retry: Retry | None = None,
) -> Step[D]:
    """The step of no return: before it a failure undoes, after it the saga only goes forward.

    A pivot that refuses undoes what came before it. One that does not answer is asked again, with the same id,
    until it does.
    """
    return Step(name=name, send=send, remember=remember, timeout=timeout, retry=retry, is_pivot=True)


def parallel(*nodes: Node[D]) -> Parallel[D]:
    """All nodes at once; the saga goes on when all have succeeded."""
    return Parallel(nodes)


def branch(
    predicate: Callable[[D], bool], *nodes: Node[D], otherwise: tuple[Node[D], ...] = (), name: str | None = None
) -> Branch[D]:
    """The nodes if the predicate holds when the branch is reached, else `otherwise`.

    The choice is recorded under `name` (the predicate's own name if none is given) and never evaluated again.
    """
    return Branch(name or predicate.__name__, predicate, nodes, otherwise)


@dataclass(frozen=True, kw_only=True)
class Saga(Generic[E, D]):
    """A business process that spans services: what starts it, its steps, and what it tells when it is over.

    `correlate(event)` gives the business key, for the events that start and that cancel; `begin(event)` the first
    data. `deadline` runs from the start and ends with the sending of the pivot. `on_completed(data)` and
    `on_compensated(data, cause)` make the outcome event. Raises `UnsoundSaga` when it is declared against the rules.
    """

    name: str
    version: int
    starts_on: type[E]
    correlate: Callable[[Any], str]
    begin: Callable[[E], D]
    steps: tuple[Node[D], ...]
    on_completed: Callable[[D], Event]
    on_compensated: Callable[[D, Cause], Event]
    deadline: timedelta | None = None
    cancel_on: type[Event] | None = None

    table: Mapping[str, Rule[D]] = field(init=False, repr=False, compare=False)
    data_type: type[D] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse an unsound definition, and note what its functions' annotations say."""
        from sagas.machine import soundness  # noqa: PLC0415  the rules are written in terms of this language

        findings = soundness.inspect(self)
        object.__setattr__(self, "data_type", findings.data_type)
        object.__setattr__(self, "table", MappingProxyType(findings.table))

    @property
    def outcome_topic(self) -> str:
        """Where the outcome events are published."""
        return f"saga.{self.name}.outcomes.v1"


@dataclass(frozen=True, slots=True)
class Rule(Generic[D]):
    """What holds for one step of one saga, worked out when it is declared: its message types and its retry."""

    step: Step[D]
    command: type[Command[Any]]
    undo: type[Command[Any]] | None
    retry: Retry


def default_retry(*, after_pivot: bool) -> Retry:
    """Return the retry of a step that declares none."""
    return FOREVER if after_pivot else ONCE


def walk(nodes: tuple[Node[D], ...]) -> Iterator[Node[D]]:
    """Yield every node of a tree, in the order of the definition, a group before its members."""
    for node in nodes:
        yield node
        match node:
            case Step():
                pass
            case Parallel():
                yield from walk(node.nodes)
            case Branch():
                yield from walk(node.nodes)
                yield from walk(node.otherwise)
            case _:
                assert_never(node)
