"""A saga in a hurry: the same name, version and steps with every duration divided, for demos and tests."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar, assert_never, cast

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
L = TypeVar("L")


def scale_time(saga: Saga[E, D], factor: float) -> Saga[E, D]:
    """Return the saga with its deadline, timeouts, delays and waits divided by `factor`, which is greater than 0.

    What a function takes from the data stays as it is. Raises `ValueError` for another factor, and `UnsoundSaga` for
    one so great that nothing is left of a timeout.
    """
    if not factor > 0:
        message = f"saga {saga.name}: cannot be hurried by a factor of {factor}; give one greater than 0, such as 60"
        raise ValueError(message)
    deadline = saga.deadline / factor if isinstance(saga.deadline, timedelta) else saga.deadline
    return replace(saga, deadline=deadline, steps=tuple(_node(saga, node, factor) for node in saga.steps))


def _node(saga: Saga[E, D], node: Node[D], factor: float) -> Node[D]:
    match node:
        case Step():
            return _step(saga, node, factor)
        case ForEach():
            return replace(node, step=_step(saga, node.step, factor))
        case Receive():
            return replace(node, timeout=_shorter(node.timeout, factor), buffer_for=_shorter(node.buffer_for, factor))
        case Delay():
            return replace(node, lasts=_shorter(node.lasts, factor))
        case Series() | Parallel() | Alternatives():
            return replace(node, nodes=tuple(_node(saga, each, factor) for each in node.nodes))
        case Branch():
            return replace(
                node,
                nodes=tuple(_node(saga, each, factor) for each in node.nodes),
                otherwise=tuple(_node(saga, each, factor) for each in node.otherwise),
            )
        case _:
            assert_never(node)


def _step(saga: Saga[E, D], step: Step[D], factor: float) -> Step[D]:
    """Hurry one step; the retry that its place gives it counts as its own."""
    return replace(
        step,
        timeout=_shorter(step.timeout, factor),
        retry=_retry(saga.table[step.name].retry, factor),
        compensate_retry=_retry(step.compensate_retry, factor),
    )


def _retry(retry: Retry, factor: float) -> Retry:
    return replace(retry, first=retry.first / factor, cap=retry.cap / factor, total=_shorter(retry.total, factor))


def _shorter(length: L, factor: float) -> L:
    """Divide a length of time; what is none (a function, or None) stays."""
    return cast("L", length / factor) if isinstance(length, timedelta) else length
