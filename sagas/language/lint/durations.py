"""Lengths of time and numbers in a definition: each makes sense, and none is longer than what contains it."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import takewhile
from typing import assert_never

from saga_coordinator.sagas.language.declaration import Declaration
from saga_coordinator.sagas.language.nodes import (
    MAX_DURATION,
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
from saga_coordinator.sagas.language.retry import Retry

NOTHING = timedelta(0)
MAX_FACTOR = 1_000
MAX_VERSION = 2**31 - 1


def of_saga(saga: Declaration[D]) -> Iterator[str]:
    """Yield what is wrong with the saga's own numbers."""
    if not 1 <= saga.version <= MAX_VERSION:
        yield f"it has version {saga.version}: number versions from 1"
    if not isinstance(saga.deadline, timedelta):
        return
    if saga.deadline <= NOTHING:
        yield f"it has a deadline of {saga.deadline}: it must be longer than nothing"
    yield from _of_length("it", "deadline", saga.deadline)
    waits = _least_of(takewhile(lambda node: not any(step.is_pivot for step in steps_of((node,))), saga.steps))
    longest = max(map(_least, (node for node in saga.steps if isinstance(node, Delay))), default=NOTHING)
    if waits > saga.deadline > NOTHING and waits != longest:  # a single delay has a finding of its own
        yield f"its delays before the pivot take {waits}, beyond the deadline of {saga.deadline}: shorten them"


def of_step(saga: Declaration[D], step: Step[D], *, before: bool) -> Iterator[str]:
    """Yield what is wrong with a step's timeout and retries. `before`: it may stand before the pivot."""
    where = f"step {step.name}"
    yield from _of_timeout(saga, where, step.timeout, before=before)
    if step.retry:
        yield from _of_retry(f"{where}: its retry", step.retry)
    yield from _of_retry(f"{where}: its compensate_retry", step.compensate_retry)


def of_each(node: ForEach[D]) -> Iterator[str]:
    """Yield what is wrong with a for-each's limit."""
    if node.limit is not None and node.limit < 1:
        yield f"for_each {node.name} has a limit of {node.limit}: let at least 1 be in flight, or None for all"


def of_receive(saga: Declaration[D], node: Receive[D], *, before: bool) -> Iterator[str]:
    """Yield what is wrong with a receive's times."""
    yield from _of_timeout(saga, f"receive {node.name}", node.timeout, before=before)
    yield from _of_length(f"receive {node.name}", "buffer_for", node.buffer_for)
    if node.buffer_for <= NOTHING:
        yield f"receive {node.name} has a buffer_for of {node.buffer_for}: it must be longer than nothing"


def of_delay(saga: Declaration[D], node: Delay[D], *, before: bool) -> Iterator[str]:
    """Yield what is wrong with a delay's length."""
    if (node.lasts is None) is (node.until is None):
        yield f"delay {node.name} needs either a length or until=: give it one of them"
    if not isinstance(node.lasts, timedelta):
        return
    if node.lasts <= NOTHING:
        yield f"delay {node.name} lasts {node.lasts}: it must be longer than nothing"
    yield from _of_length(f"delay {node.name}", "length", node.lasts)
    if before and isinstance(saga.deadline, timedelta) and node.lasts > saga.deadline:
        yield f"delay {node.name} lasts {node.lasts}, beyond the deadline of {saga.deadline}: shorten it"


def _of_timeout(saga: Declaration[D], where: str, timeout: Duration[D], *, before: bool) -> Iterator[str]:
    if not isinstance(timeout, timedelta):
        return
    if timeout <= NOTHING:
        yield f"{where} has a timeout of {timeout}: it must be longer than nothing"
    yield from _of_length(where, "timeout", timeout)
    if before and isinstance(saga.deadline, timedelta) and timeout > saga.deadline:
        yield f"{where} has a timeout of {timeout}, beyond the deadline of {saga.deadline}: shorten it"


def _of_length(where: str, what: str, length: timedelta | None) -> Iterator[str]:
    if length is not None and length > MAX_DURATION:
        yield f"{where} has a {what} of {length}, longer than a hundred years: shorten it"


def _of_retry(where: str, retry: Retry) -> Iterator[str]:
    yield from _of_length(where, "cap", retry.cap)
    yield from _of_length(where, "total", retry.total)
    if retry.attempts is not None and retry.attempts < 1:
        yield f"{where} has {retry.attempts} attempts: the first sending is one of them; None is without limit"
    if retry.total is not None and retry.total <= NOTHING:
        yield f"{where} has a total of {retry.total}: it must be longer than nothing; None is without limit"
    if retry.first < NOTHING:
        yield f"{where} waits {retry.first} at first: it cannot wait for less than nothing"
    elif retry.first == NOTHING and retry.is_endless:
        yield f"{where} asks without end and without a wait: let first be longer than nothing"
    if retry.cap < retry.first:
        yield f"{where} has a cap of {retry.cap}, below its first wait of {retry.first}: let it be as long at least"
    if not 1 <= retry.factor <= MAX_FACTOR:
        yield f"{where} grows by a factor of {retry.factor}: waits grow or stay, so let it be 1 to {MAX_FACTOR}"
    if not 0 <= retry.jitter <= 1:
        yield f"{where} has a jitter of {retry.jitter}: it is the share of a wait that chance takes away, 0 to 1"


def _least(node: Node[D]) -> timedelta:
    """Return how long the delays in a node take at least."""
    match node:
        case Delay():
            return node.lasts if isinstance(node.lasts, timedelta) else NOTHING
        case Step() | ForEach() | Receive():
            return NOTHING
        case Series():
            return _least_of(node.nodes)
        case Parallel():
            return max(map(_least, node.nodes), default=NOTHING)
        case Alternatives():
            return min(map(_least, node.nodes), default=NOTHING)
        case Branch():
            return min(_least_of(node.nodes), _least_of(node.otherwise))
        case _:
            assert_never(node)


def _least_of(nodes: Iterable[Node[D]]) -> timedelta:
    return sum(map(_least, nodes), NOTHING)
