"""Sagas with the same steps and other durations or retries, for demos and tests."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from saga_coordinator.sagas.language.functions import AuthorFunction, functions_of
from saga_coordinator.sagas.language.nodes import D, Delay, Node, Receive, Step, map_nodes
from saga_coordinator.sagas.language.retry import Retry
from saga_coordinator.sagas.language.saga import E, Saga

L = TypeVar("L")

PURE = (
    "A function of a saga depends on its arguments alone, and does not change them: take times and new ids from the "
    "event that starts it, and return changed data by model_copy."
)

MAX_ATTEMPTS = 3
"""A saga with capped retries sends no command more often, unless without limit."""


def scale_time(saga: Saga[E, D], factor: float) -> Saga[E, D]:
    """Return the saga with its deadline, timeouts, delays and waits divided by `factor`, which is greater than 0.

    What a function takes from the data stays as it is. Raises `ValueError` for another factor, and `UnsoundSaga` for
    one so large that nothing is left of a timeout.
    """
    if not factor > 0:
        message = f"saga {saga.name}: cannot divide its times by {factor}; give a factor greater than 0, such as 60"
        raise ValueError(message)

    def scale(node: Node[D]) -> Node[D]:
        """Scale one node; the retry that a step has by its place counts as its own."""
        match node:
            case Step():
                return replace(
                    node,
                    timeout=_divided(node.timeout, factor),
                    retry=_divided_retry(saga.plan.steps[node.name].retry, factor),
                    compensate_retry=_divided_retry(node.compensate_retry, factor),
                )
            case Delay():
                return replace(node, lasts=_divided(node.lasts, factor))
            case Receive():
                timeout, buffer_for = _divided(node.timeout, factor), _divided(node.buffer_for, factor)
                return replace(node, timeout=timeout, buffer_for=buffer_for)
            case _:
                return node

    return replace(saga, deadline=_divided(saga.deadline, factor), steps=map_nodes(saga.steps, scale))


def _divided_retry(retry: Retry, factor: float) -> Retry:
    total = _divided(retry.total, factor)
    return replace(retry, first=retry.first / factor, cap=retry.cap / factor, total=total)


def _divided(length: L, factor: float) -> L:
    """Divide a duration; a function or None stays as it is."""
    return cast("L", length / factor) if isinstance(length, timedelta) else length


def evaluate_twice(saga: Saga[E, D]) -> Saga[E, D]:
    """Return the saga with every function evaluated twice.

    It raises `AssertionError` where the two values differ, or where the function has changed its arguments.
    """
    return replace(saga, steps=map_nodes(saga.steps, _twice), **_functions_twice(None, saga))


def _twice(node: Node[D]) -> Node[D]:
    return replace(node, **_functions_twice(str(getattr(node, "name", "")), node))


def _functions_twice(node: str | None, declared: object) -> dict[str, Any]:
    return {each.argument: _evaluated_twice(each) for each in functions_of(node, declared)}


def _evaluated_twice(of: AuthorFunction) -> Callable[..., Any]:
    @wraps(of.function)
    def evaluated(*arguments: object) -> object:
        given = deepcopy(arguments)
        first, second = of.function(*arguments), of.function(*arguments)
        if arguments != given:
            raise _impure(f"{of} changes its arguments: it was given {given!r}, and leaves {arguments!r}")
        if first != second:
            raise _impure(f"{of} returns {first!r}, then {second!r} for the same arguments")
        return first

    return evaluated


def _impure(what: str) -> AssertionError:
    error = AssertionError(what)
    error.add_note(PURE)
    return error


def cap_retries(saga: Saga[E, D]) -> Saga[E, D]:
    """Return the saga with every limited retry cut to at most `MAX_ATTEMPTS`; the saga itself if none is longer."""
    steps = map_nodes(saga.steps, _with_capped_retries)
    return saga if steps == saga.steps else replace(saga, steps=steps)


def _with_capped_retries(node: Node[D]) -> Node[D]:
    """Cap the retries of a step. One that it has by its place is short, or has no limit."""
    if not isinstance(node, Step):
        return node
    return replace(node, retry=node.retry and _capped(node.retry), compensate_retry=_capped(node.compensate_retry))


def _capped(retry: Retry) -> Retry:
    too_many = retry.attempts is not None and retry.attempts > MAX_ATTEMPTS
    return replace(retry, attempts=MAX_ATTEMPTS) if too_many else retry
