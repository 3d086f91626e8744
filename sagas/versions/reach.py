"""How far an instance has come in a definition: what it would have to catch up with, behind what it has reached."""

from collections.abc import Iterator
from typing import Any, assert_never

from saga_coordinator.sagas.language.nodes import (
    Alternatives,
    Branch,
    Delay,
    ForEach,
    Node,
    Parallel,
    Receive,
    Series,
    Step,
    walk,
)
from saga_coordinator.sagas.machine import Instance, Progress

Nodes = tuple[Node[Any], ...]


def gaps(instance: Instance[Any], nodes: Nodes) -> Iterator[str]:
    """Yield the nodes that are not settled although something behind them was reached: they would be done too late."""
    for number, node in enumerate(nodes):
        if not _settled(instance, node) and any(_reached(instance, each) for each in nodes[number + 1 :]):
            yield _called(node)
        else:
            yield from _gaps_in(instance, node)


def _gaps_in(instance: Instance[Any], node: Node[Any]) -> Iterator[str]:
    match node:
        case Step() | ForEach() | Receive() | Delay():
            return
        case Series():
            yield from gaps(instance, node.nodes)
        case Parallel():
            for member in node.nodes:
                yield from gaps(instance, (member,))
        case Branch():
            chosen, other = _sides(instance, node)
            yield from (node.name for each in other if _reached(instance, each))
            yield from gaps(instance, chosen)
        case Alternatives():
            yield from _gaps_tried(instance, node)
        case _:
            assert_never(node)


def _sides(instance: Instance[Any], node: Branch[Any]) -> tuple[Nodes, Nodes]:
    """Return the nodes of a branch that were chosen, and those that were not; while it is open, none was."""
    if node.name not in instance.choices:
        return (), node.nodes + node.otherwise
    return (node.nodes, node.otherwise) if instance.choices[node.name] else (node.otherwise, node.nodes)


def _gaps_tried(instance: Instance[Any], node: Alternatives[Any]) -> Iterator[str]:
    attempt = instance.attempts.get(node.name)
    untried = node.nodes if attempt is None else node.nodes[attempt.number + 1 :]
    yield from (node.name for each in untried if _reached(instance, each))
    if attempt is not None and attempt.cause is None:
        yield from gaps(instance, (node.nodes[attempt.number],))


def _reached(instance: Instance[Any], node: Node[Any]) -> bool:
    """Say whether anything in a node was begun."""
    begun = {*instance.steps, *instance.waits, *instance.choices, *instance.attempts, *instance.lists}
    return any(not isinstance(each, Series | Parallel) and each.name in begun for each in walk((node,)))


def _settled(instance: Instance[Any], node: Node[Any]) -> bool:
    """Say whether nothing is left to do in a node on the way forward."""
    match node:
        case Step():
            return _is_done(instance, node.name)
        case ForEach():
            return node.name in instance.lists and all(_is_done(instance, each) for each in instance.lists[node.name])
        case Receive() | Delay():
            wait = instance.waits.get(node.name)
            return wait is not None and wait.progress is Progress.DONE
        case Series() | Parallel():
            return all(_settled(instance, each) for each in node.nodes)
        case Branch():
            return node.name in instance.choices and all(_settled(instance, each) for each in _sides(instance, node)[0])
        case Alternatives():
            attempt = instance.attempts.get(node.name)
            return attempt is not None and attempt.cause is None and _settled(instance, node.nodes[attempt.number])
        case _:
            assert_never(node)


def _is_done(instance: Instance[Any], step: str) -> bool:
    run = instance.steps.get(step)
    return run is not None and run.forward.progress is Progress.DONE


def _called(node: Node[Any]) -> str:
    """Name a node, a group by the first name in it."""
    return next(each.name for each in walk((node,)) if not isinstance(each, Series | Parallel))
