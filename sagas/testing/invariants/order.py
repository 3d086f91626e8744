"""What a definition says of order, read from its tree alone: what precedes what, what is on the way, what is next."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

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
    leaf,
    walk,
)
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.machine import Instance

AnySaga = Saga[Any, Any]
AnyNode = Node[Any]
AnyInstance = Instance[Any]
Done = Callable[[str], bool]

LEAVES = (Step, ForEach, Receive, Delay)


@dataclass(frozen=True, slots=True)
class Order:
    """What a definition's tree says once and for all.

    `precedes` holds all pairs of leaves of which the first ends before the second begins; `members` for each leaf
    the alternatives that it stands in, the outermost first, each with its number.
    """

    nodes: tuple[AnyNode, ...]
    leaves: frozenset[str]
    precedes: frozenset[tuple[str, str]]
    members: Mapping[str, tuple[tuple[str, int], ...]]

    def within(self, alternatives: str, number: int) -> frozenset[str]:
        """Return the leaves of one of several alternatives."""
        return frozenset(name for name, around in self.members.items() if (alternatives, number) in around)


def order_of(saga: AnySaga) -> Order:
    nodes = tuple(walk(saga.steps))
    return Order(nodes, frozenset(leaves(saga.steps)), frozenset(_precedences(saga.steps)), _members(nodes))


def leaves(nodes: tuple[AnyNode, ...]) -> Iterator[str]:
    """Yield the names of all leaves, in the order of the definition."""
    return (node.name for node in walk(nodes) if isinstance(node, LEAVES))


def _precedences(nodes: tuple[AnyNode, ...]) -> Iterator[tuple[str, str]]:
    before: list[str] = []
    for node in nodes:
        here = list(leaves((node,)))
        yield from product(before, here)
        before += here
        match node:
            case Series() | Alternatives():
                yield from _precedences(node.nodes)
            case Parallel():
                for member in node.nodes:
                    yield from _precedences((member,))
            case Branch():
                yield from _precedences(node.nodes)
                yield from _precedences(node.otherwise)
            case _:
                pass


def _members(nodes: tuple[AnyNode, ...]) -> Mapping[str, tuple[tuple[str, int], ...]]:
    found: dict[str, tuple[tuple[str, int], ...]] = {node.name: () for node in nodes if isinstance(node, LEAVES)}
    for node in nodes:
        if isinstance(node, Alternatives):
            for number, member in enumerate(node.nodes):
                for name in leaves((member,)):
                    found[name] = (*found[name], (node.name, number))
    return found


def path(nodes: tuple[AnyNode, ...], instance: AnyInstance) -> Iterator[str]:
    """Yield what an instance with these choices, trials and lists takes: steps, those of lists each, and waits."""
    for node in nodes:
        match node:
            case ForEach():
                yield from instance.lists.get(node.name, ())
            case Branch():
                if node.name in instance.choices:
                    yield from path(node.nodes if instance.choices[node.name] else node.otherwise, instance)
            case Alternatives():
                if node.name in instance.attempts:
                    yield from path((node.nodes[instance.attempts[node.name].number],), instance)
            case Series() | Parallel():
                yield from path(node.nodes, instance)
            case _:
                yield node.name


def ahead(order: Order, instance: AnyInstance) -> frozenset[str]:
    """Return the leaves that this instance may still reach: all but those of a way that it did not choose."""
    lost: set[str] = set()
    for node in order.nodes:
        if isinstance(node, Branch) and node.name in instance.choices:
            lost |= set(leaves(node.otherwise if instance.choices[node.name] else node.nodes))
        if isinstance(node, Alternatives) and node.name in instance.attempts:
            lost |= set(leaves(node.nodes[: instance.attempts[node.name].number]))
    return order.leaves - lost - set(instance.waits) - {leaf(name) for name in instance.steps}


def front(nodes: tuple[AnyNode, ...], instance: AnyInstance, done: Done) -> tuple[list[str], bool]:
    """Return what has to be in progress on the way forward, and whether the nodes are done with."""
    for node in nodes:
        names, over = _front(node, instance, done)
        if not over:
            return names, False
    return [], True


def _front(node: AnyNode, instance: AnyInstance, done: Done) -> tuple[list[str], bool]:
    match node:
        case ForEach():
            listed = instance.lists.get(node.name)
            open_ = [node.name] if listed is None else [name for name in listed if not done(name)]
            return open_[: node.limit], not open_
        case Series():
            return front(node.nodes, instance, done)
        case Parallel():
            found = [_front(member, instance, done) for member in node.nodes]
            return [name for names, _ in found for name in names], all(over for _, over in found)
        case Branch():
            if node.name not in instance.choices:
                return [node.name], False
            return front(node.nodes if instance.choices[node.name] else node.otherwise, instance, done)
        case Alternatives():
            attempt = instance.attempts.get(node.name)
            if attempt is None:
                return [node.name], False
            return ([], False) if attempt.cause else _front(node.nodes[attempt.number], instance, done)
        case _:
            return ([], True) if done(node.name) else ([node.name], False)
