"""The structure of a definition's tree: what stands where, unique names, groups, paths that can be taken."""

import re
from collections import Counter
from collections.abc import Iterator

from saga_coordinator.sagas.language.declaration import Declaration
from saga_coordinator.sagas.language.nodes import (
    Alternatives,
    Branch,
    D,
    Delay,
    ForEach,
    Node,
    Parallel,
    Receive,
    Series,
    Step,
    inside,
    walk,
)

_KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_NAMELESS = {"", "<lambda>", "?"}
"""The names of choices whose predicate or alternatives have no name."""


def structure_problems(nodes: object, where: str = "its steps") -> Iterator[str]:
    """Yield what is no tree of nodes, so that nothing more can be checked."""
    if not isinstance(nodes, tuple):
        yield f"{where} are no tuple of nodes, but {type(nodes).__name__}: write (node,), with a comma, even for one"
        return
    for node in nodes:
        match node:
            case Branch():
                yield from structure_problems(node.nodes, f"branch {node.name}: its nodes")
                yield from structure_problems(node.otherwise, f"branch {node.name}: otherwise")
            case Series() | Parallel() | Alternatives():
                yield from structure_problems(node.nodes, where)
            case Step() | ForEach() | Receive() | Delay():
                pass
            case _:
                yield f"{where} hold {node!r}, which is no node: write step(...), receive(...), parallel(...), ..."


def of_names(saga: Declaration[D]) -> Iterator[str]:
    """Yield what is wrong with names: state is kept under them."""
    nodes = list(walk(saga.steps))
    leaves = [each.name for each in nodes if isinstance(each, Step | ForEach | Receive | Delay)]
    choices = [each.name for each in nodes if isinstance(each, Branch | Alternatives)]
    for name in (saga.name, *leaves):
        if not _KEBAB.fullmatch(name):
            yield f"{name!r} is no name: write it in kebab-case, such as reserve-stock"
    for name in choices:
        if _NAMELESS & {name.strip(), *name.split("-or-")}:
            yield f"{name!r} is no name that a choice can be recorded under: give it one by name=, such as is-large"
    for name, count in (Counter(leaves) + Counter(choices)).items():
        if count > 1:
            yield f"{name} stands {count} times: give each step and each branch a name of its own"
    if not leaves:
        yield "it has no step: a saga is a sequence of at least one"


def of_group(node: Node[D]) -> Iterator[str]:
    """Yield what is wrong with a group of nodes or a choice between them."""
    match node:
        case Parallel() if len(node.nodes) < 2:  # noqa: PLR2004  a group of one is none
            yield "a parallel group has fewer than two nodes: write its node alone"
        case Series() if len(node.nodes) < 2:  # noqa: PLR2004  nor is a series of one
            yield "a series has fewer than two nodes: write its node alone"
        case Branch():
            yield from _of_branch(node)
        case Alternatives():
            yield from _of_alternatives(node)
        case _:
            return


def _of_branch(branch: Branch[D]) -> Iterator[str]:
    """Yield paths that can never be taken: the same predicate is asked again before anything can have changed it."""
    if not branch.nodes:
        yield f"branch {branch.name} has nothing to do when it holds: turn the predicate round, or remove the branch"
    for nodes, holds in ((branch.nodes, True), (branch.otherwise, False)):
        for again in _decided_at_once(nodes[:1]):
            if again.predicate is branch.predicate:
                dead = "its otherwise" if holds else "what it does when it holds"
                yield f"branch {again.name} asks what {branch.name} has just asked: {dead} is never reached; remove it"


def _decided_at_once(nodes: tuple[Node[D], ...]) -> Iterator[Branch[D]]:
    """Yield the branches that are chosen as soon as a node is reached, before any reply."""
    for node in nodes:
        match node:
            case Branch():
                yield node
                yield from _decided_at_once(node.nodes[:1] + node.otherwise[:1])
            case Parallel():
                yield from _decided_at_once(node.nodes)
            case Series() | Alternatives():
                yield from _decided_at_once(node.nodes[:1])
            case _:
                pass


def _of_alternatives(node: Alternatives[D]) -> Iterator[str]:
    if len(node.nodes) < 2:  # noqa: PLR2004  one is no choice
        yield f"alternatives {node.name} has fewer than two nodes: write its node alone"
    for member in node.nodes[:-1]:
        if not _can_fail(member):
            yield f"alternatives {node.name}: one that cannot fail stands before another, never tried: remove that"


def _can_fail(node: Node[D]) -> bool:
    """Return whether anything in a node can fail: a delay cannot."""
    if isinstance(node, Step | ForEach | Receive):
        return True
    return any(_can_fail(each) for each in inside(node))
