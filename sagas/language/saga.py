"""The language that sagas are written in: functions that make a tree of frozen values with named functions as leaves.

An unsound saga is refused when it is declared; the rules are in `lint`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Generic, TypeVar

from saga_coordinator.contracts import Command, Event, Failure, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import (
    BUFFER_FOR,
    EVENT_TIMEOUT,
    REPLY_TIMEOUT,
    Alternatives,
    Branch,
    D,
    Delay,
    Duration,
    ForEach,
    Node,
    Parallel,
    Receive,
    Series,
    Step,
    steps_of,
)
from saga_coordinator.sagas.language.plan import Plan, compile_plan
from saga_coordinator.sagas.language.retry import PATIENT, Retry

E = TypeVar("E", bound=Event | Command[Any])
R = TypeVar("R", bound=Reply)
V = TypeVar("V", bound=Event)
I = TypeVar("I")  # noqa: E741  an item


def step(
    name: str,
    send: Callable[[D], Command[R]],
    *,
    remember: Callable[[D, R], D] | None = None,
    compensate: Callable[[D], Command[Any]] | None = None,
    timeout: Duration[D] = REPLY_TIMEOUT,
    retry: Retry | None = None,
    compensate_retry: Retry = PATIENT,
    undo_when_unknown: bool = True,
) -> Step[D]:
    """One command, one reply.

    `send(data)` makes the command; `remember(data, reply)` returns the data with what the reply brings;
    `compensate(data)` makes the command that undoes it, from the data at that time. The timeout runs from each
    sending; a function takes it from the data. Without `retry` a step is sent once before the pivot, and until it is
    answered after it. `undo_when_unknown=False` where the participant guarantees that no answer means not done.
    """
    return Step(name, send, remember, compensate, timeout, retry, compensate_retry, undo_when_unknown)


def pivot(
    name: str,
    send: Callable[[D], Command[R]],
    *,
    remember: Callable[[D, R], D] | None = None,
    timeout: Duration[D] = REPLY_TIMEOUT,
    retry: Retry | None = None,
) -> Step[D]:
    """The step of no return: a failure before it compensates, after it the saga only goes forward.

    A pivot that refuses compensates what came before it. One that does not answer is sent again, with the same id,
    until it does.
    """
    return Step(name, send, remember, timeout=timeout, retry=retry, is_pivot=True)


def for_each(
    name: str,
    items: Callable[[D], Sequence[I]],
    send: Callable[[D, I], Command[R]],
    *,
    key: Callable[[I], str],
    remember: Callable[[D, I, R], D] | None = None,
    compensate: Callable[[D, I], Command[Any]] | None = None,
    limit: int | None = None,
    timeout: Duration[D] = REPLY_TIMEOUT,
    retry: Retry | None = None,
    compensate_retry: Retry = PATIENT,
    undo_when_unknown: bool = True,
) -> ForEach[D]:
    """One command for each item, the steps `name[key(item)]`; it has succeeded when all have.

    The list is recorded when the node is reached. At most `limit` commands are in flight at once, in the order of
    the list, both forward and in compensation. A list with the same key twice is an error of the definition.
    """
    each: Step[D] = Step(name, send, remember, compensate, timeout, retry, compensate_retry, undo_when_unknown)
    return ForEach(items=items, key=key, step=each, limit=limit)


def receive(
    name: str,
    event: type[V],
    *,
    key: Callable[[V], str],
    expects: Callable[[D], str] | None = None,
    remember: Callable[[D, V], D] | None = None,
    timeout: Duration[D] = EVENT_TIMEOUT,
    buffer_for: timedelta = BUFFER_FOR,
) -> Receive[D]:
    """Wait for a business event.

    `key(event)` is the saga's correlation key, or what `expects(data)` returns when the node is reached. An early
    event is buffered for `buffer_for`. No event in time is a failure: before the pivot the saga compensates, after it
    it stalls.
    """
    return Receive(
        name=name, event=event, key=key, expects=expects, remember=remember, timeout=timeout, buffer_for=buffer_for
    )


def delay(name: str, lasts: Duration[D] | None = None, *, until: Callable[[D], datetime] | None = None) -> Delay[D]:
    """Wait, durably: for a length of time, or until a time from the data (with its zone). A pause moves neither."""
    return Delay(name=name, lasts=lasts, until=until)


def series(*nodes: Node[D]) -> Series[D]:
    """Nodes one after the other as one node, for use inside `parallel` or `alternatives`."""
    return Series(nodes)


def parallel(*nodes: Node[D]) -> Parallel[D]:
    """All nodes at the same time; the saga continues when all have succeeded."""
    return Parallel(nodes)


def branch(
    predicate: Callable[[D], bool], *nodes: Node[D], otherwise: tuple[Node[D], ...] = (), name: str | None = None
) -> Branch[D]:
    """The nodes if the predicate holds when the branch is reached, else `otherwise`.

    The choice is recorded under `name` (the predicate's own name if none is given) and never evaluated again.
    """
    return Branch(name or str(getattr(predicate, "__name__", "?")), predicate, nodes, otherwise)


def alternatives(*nodes: Node[D], name: str | None = None) -> Alternatives[D]:
    """Try the nodes in order until one succeeds. What was or may have been done in one is compensated before the next.

    When the last one fails, the saga fails with its cause. The one that is tried is recorded under `name` (the names
    of the first steps if none is given).
    """
    firsts = (next((each.name for each in steps_of((node,))), "?") for node in nodes)
    return Alternatives(name or "-or-".join(firsts), nodes)


@dataclass(frozen=True, kw_only=True)
class Saga(Generic[E, D]):
    """A business process that spans services: what starts it, its steps, and its outcome.

    `correlate(event)` gives the business key, for the events that start and that cancel; `begin(event)` the first
    data. `deadline` runs from the start (or is the time that a function takes from the first data) and ends with the
    sending of the pivot. `on_completed(data)` and `on_compensated(data, cause)` make the outcome event.

    A saga that starts on a **command** is a child: its outcome is the command's reply, or a terminal failure (made of
    the cause where `on_compensated` is None), and a cancel of who sent the command passes down to it.
    Raises `UnsoundSaga` when it is declared against the rules.
    """

    name: str
    version: int
    starts_on: type[E]
    correlate: Callable[[Any], str]
    begin: Callable[[E], D]
    steps: tuple[Node[D], ...]
    on_completed: Callable[[D], Event] | Callable[[D], Reply]
    on_compensated: Callable[[D, Cause], Event] | Callable[[D, Cause], Failure] | None = None
    deadline: timedelta | Callable[[D], datetime] | None = None
    cancel_on: type[Event] | None = None

    def __post_init__(self) -> None:
        """Compile it at once, so that an unsound definition is refused where it is declared."""
        self.plan  # noqa: B018  a property that raises

    @cached_property
    def plan(self) -> Plan[D]:
        """The saga as the machine reads it."""
        return compile_plan(self)

    @property
    def is_child(self) -> bool:
        """Return whether it starts on a command, and answers it."""
        return issubclass(self.starts_on, Command)
