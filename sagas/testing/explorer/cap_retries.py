"""A saga with the same steps and fewer attempts: a retry of a dozen differs from one of three by its length only."""

from dataclasses import replace
from typing import Any, TypeVar, assert_never

from pydantic import BaseModel

from saga_coordinator.contracts import Command, Event
from saga_coordinator.sagas.machine import (
    Alternatives,
    Branch,
    Delay,
    ForEach,
    Node,
    Parallel,
    Receive,
    Retry,
    Saga,
    Series,
    Step,
)

E = TypeVar("E", bound=Event | Command[Any])
D = TypeVar("D", bound=BaseModel)

MAX_ATTEMPTS = 3
"""No step of an abridged saga is asked more often, unless it is asked without end."""


def cap_retries(saga: Saga[E, D]) -> Saga[E, D]:
    """Return the saga with every limited retry cut to at most `MAX_ATTEMPTS`; the saga itself if none is longer."""
    steps = tuple(_node(node) for node in saga.steps)
    return saga if steps == saga.steps else replace(saga, steps=steps)


def _node(node: Node[D]) -> Node[D]:
    match node:
        case Step():
            return _step(node)
        case ForEach():
            return replace(node, step=_step(node.step))
        case Receive() | Delay():
            return node
        case Series() | Parallel() | Alternatives():
            return replace(node, nodes=tuple(_node(each) for each in node.nodes))
        case Branch():
            return replace(
                node,
                nodes=tuple(_node(each) for each in node.nodes),
                otherwise=tuple(_node(each) for each in node.otherwise),
            )
        case _:
            assert_never(node)


def _step(step: Step[D]) -> Step[D]:
    """Abridge one step. A retry that its place gives it is short, or has no end."""
    return replace(step, retry=step.retry and _retry(step.retry), compensate_retry=_retry(step.compensate_retry))


def _retry(retry: Retry) -> Retry:
    if retry.attempts is None or retry.attempts <= MAX_ATTEMPTS:
        return retry
    return replace(retry, attempts=MAX_ATTEMPTS)
