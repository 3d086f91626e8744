"""A saga in a hurry: the same name, version and steps with every duration divided, for demos and tests."""

from dataclasses import replace
from typing import TypeVar, assert_never

from pydantic import BaseModel

from contracts import Event
from sagas.machine import Branch, Node, Parallel, Retry, Saga, Step

E = TypeVar("E", bound=Event)
D = TypeVar("D", bound=BaseModel)


def hurried(saga: Saga[E, D], factor: float) -> Saga[E, D]:
    """Return the saga with its deadline, timeouts and waits divided by `factor`, which is greater than 0.

    Raises `ValueError` for another factor, and `UnsoundSaga` for one so great that nothing is left of a timeout.
    """
    if not factor > 0:
        message = f"saga {saga.name}: cannot be hurried by a factor of {factor}; give one greater than 0, such as 60"
        raise ValueError(message)
    deadline = None if saga.deadline is None else saga.deadline / factor
    return replace(saga, deadline=deadline, steps=tuple(_node(saga, node, factor) for node in saga.steps))


def _node(saga: Saga[E, D], node: Node[D], factor: float) -> Node[D]:
    match node:
        case Step():
            return _step(saga, node, factor)
        case Parallel():
            return Parallel(tuple(_node(saga, each, factor) for each in node.nodes))
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
        timeout=step.timeout / factor,
        retry=_retry(saga.table[step.name].retry, factor),
        compensate_retry=_retry(step.compensate_retry, factor),
    )


def _retry(retry: Retry, factor: float) -> Retry:
    return replace(retry, first=retry.first / factor, cap=retry.cap / factor)
