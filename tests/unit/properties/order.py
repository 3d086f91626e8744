"""The order of a definition, read from its tree: which leaves come before which, and which steps were taken."""

from collections.abc import Iterator
from typing import Any, assert_never

from saga_coordinator.sagas.machine import (
    Alternatives,
    Branch,
    Delay,
    ForEach,
    Instance,
    Node,
    Parallel,
    Receive,
    Saga,
    Series,
    Step,
    leaf,
    walk,
)

Nodes = tuple[Node[Any], ...]


def leaves(node: Node[Any]) -> list[str]:
    """The names of the leaves in a node."""
    return [each.name for each in walk((node,)) if isinstance(each, Step | ForEach | Receive | Delay)]


def way(nodes: Nodes, instance: Instance[Any]) -> Iterator[str]:
    """The steps that an instance takes, by its choices, its lists and the alternatives that it has come to."""
    for node in nodes:
        match node:
            case Step():
                yield node.name
            case ForEach():
                yield from instance.lists[node.name]
            case Receive() | Delay():
                pass
            case Parallel() | Series():
                yield from way(node.nodes, instance)
            case Branch():
                yield from way(node.nodes if instance.choices[node.name] else node.otherwise, instance)
            case Alternatives():
                yield from way((node.nodes[instance.attempts[node.name].number],), instance)
            case _:
                assert_never(node)


def precedences(nodes: Nodes) -> set[tuple[str, str]]:
    """All pairs of leaves of which the first must be over before the second begins."""
    pairs: set[tuple[str, str]] = set()
    before: list[str] = []
    for node in nodes:
        here = leaves(node)
        pairs |= {(first, second) for first in before for second in here}
        before += here
        match node:
            case Step() | ForEach() | Receive() | Delay():
                pass
            case Parallel() | Alternatives():
                for member in node.nodes:
                    pairs |= precedences((member,))
            case Series():
                pairs |= precedences(node.nodes)
            case Branch():
                pairs |= precedences(node.nodes) | precedences(node.otherwise)
            case _:
                assert_never(node)
    return pairs


def left(saga: Saga[Any, Any], instance: Instance[Any], step: str) -> bool:
    """Say whether an alternative around a step was left for the next one."""
    return any(
        scope.name in instance.attempts and instance.attempts[scope.name].number > scope.number
        for scope in saga.scopes.get(leaf(step), ())
    )


def turning_back(saga: Saga[Any, Any], instance: Instance[Any]) -> Iterator[frozenset[str] | None]:
    """Yield the leaves of each alternative that is being undone for the next one; None: all of the instance."""
    if instance.cause is not None:
        yield None
        return
    for name, attempt in instance.attempts.items():
        if attempt.cause is not None:
            yield saga.leaves_in(name, attempt.number)


def limits(saga: Saga[Any, Any]) -> dict[str, int]:
    """How many steps of each for-each may be in flight at once."""
    return {each.name: each.limit for each in walk(saga.steps) if isinstance(each, ForEach) and each.limit}
