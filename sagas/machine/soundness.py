"""The linter: what makes a saga sound, checked when it is declared. Each finding names saga, step and remedy."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from contracts import Command, Event
from sagas.machine.annotations import Reader, data_of
from sagas.machine.definition import Saga
from sagas.machine.nodes import (
    Alternatives,
    Branch,
    Delay,
    ForEach,
    Node,
    Parallel,
    Receive,
    Rule,
    Series,
    Step,
    default_retry,
    inside,
    walk,
)
from sagas.machine.phases import Phases, problems_of_step

D = TypeVar("D", bound=BaseModel)

_KEBAB = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class UnsoundSaga(Exception):
    """A saga is declared against the rules of the language; each line says where, what and what to do."""

    def __init__(self, saga: str, problems: list[str]) -> None:
        """Gather all problems of one saga."""
        super().__init__("\n".join(f"saga {saga}: {problem}" for problem in problems))
        self.problems = tuple(problems)


@dataclass(slots=True)
class Findings(Generic[D]):
    """What inspection has worked out: the type of the data, and a rule for each step by name."""

    data_type: type[D]
    table: dict[str, Rule[D]] = field(default_factory=dict)


def inspect(saga: Saga[Any, D]) -> Findings[D]:
    """Work out what the definition says. Raises `UnsoundSaga` with every problem found."""
    problems = [*_of_names(saga), *_of_start(saga)]
    data_type = data_of(saga, problems)
    if data_type is None:
        raise UnsoundSaga(saga.name, problems)
    phases = Phases(problems)
    phases.follow(saga.steps, frozenset({False}))
    findings: Findings[D] = Findings(data_type)
    reader = Reader(saga, data_type, problems)
    for node in walk(saga.steps):
        _inspect_leaf(node, reader, phases, findings)
    reader.ends()
    if problems:
        raise UnsoundSaga(saga.name, problems)
    return findings


def _inspect_leaf(node: Node[D], reader: Reader[D], phases: Phases, findings: Findings[D]) -> None:
    """Check one leaf, and work out its rule if it sends commands. A group is checked by its members."""
    match node:
        case Step():
            findings.table[node.name] = _rule(node, reader, phases)
        case ForEach():
            findings.table[node.name] = _rule(node.step, reader, phases, node)
            reader.problems.extend(_of_limit(node))
        case Receive():
            reader.receive(node)
            reader.problems.extend(_of_receive(reader.saga, node))
        case Delay():
            reader.delay(node)
            reader.problems.extend(_of_delay(node))
        case _:
            return


def _rule(step: Step[D], reader: Reader[D], phases: Phases, each: ForEach[D] | None = None) -> Rule[D]:
    seen = phases.seen[step.name]
    item, adapter = reader.item(each) if each else (None, None)
    command, undo = reader.step(step, *([item] if each else []))
    reader.problems.extend(problems_of_step(reader.saga, step, command, seen))
    retry = step.retry or default_retry(after_pivot=True in seen)
    return Rule(step=step, command=command, undo=undo, retry=retry, item=adapter)


# --- names


def _of_names(saga: Saga[Any, D]) -> Iterator[str]:
    nodes = list(walk(saga.steps))
    leaves = [each.name for each in nodes if isinstance(each, Step | ForEach | Receive | Delay)]
    choices = [each.name for each in nodes if isinstance(each, Branch | Alternatives)]
    for name in (saga.name, *leaves):
        if not _KEBAB.fullmatch(name):
            yield f"{name!r} is no name: write it in kebab-case, such as reserve-stock"
    for name, count in (Counter(leaves) + Counter(choices)).items():
        if count > 1:
            yield f"{name} stands {count} times: give each step and each branch a name of its own"
    if not leaves:
        yield "it has no step: a saga is a sequence of at least one"
    for each in nodes:
        yield from _of_group(each)


# --- groups


def _of_group(node: Node[D]) -> Iterator[str]:
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
    """Find ways that can never be taken: the same predicate is asked again before anything can have changed it."""
    if not branch.nodes:
        yield f"branch {branch.name} has nothing to do when it holds: turn the predicate round, or remove the branch"
    for nodes, holds in ((branch.nodes, True), (branch.otherwise, False)):
        first = nodes[0] if nodes else None
        if isinstance(first, Branch) and first.predicate is branch.predicate:
            dead = "its otherwise" if holds else "what it does when it holds"
            yield f"branch {first.name} asks what {branch.name} has just asked: {dead} is never reached; remove it"


def _of_alternatives(node: Alternatives[D]) -> Iterator[str]:
    if len(node.nodes) < 2:  # noqa: PLR2004  one is no choice
        yield f"alternatives {node.name} has fewer than two nodes: write its node alone"
    for member in node.nodes[:-1]:
        if not _can_fail(member):
            yield f"alternatives {node.name}: one that cannot fail stands before another, never tried: remove that"


def _can_fail(node: Node[D]) -> bool:
    """Say whether anything in a node can fail: a delay cannot."""
    if isinstance(node, Step | ForEach | Receive):
        return True
    return any(_can_fail(each) for each in inside(node))


# --- what starts it, and what it waits for


def _of_start(saga: Saga[Any, D]) -> Iterator[str]:
    start = saga.starts_on
    if not issubclass(start, Event | Command):
        yield f"it starts on {start.__name__}, which is neither an event nor a command: let it start on one"
    if isinstance(saga.deadline, timedelta) and saga.deadline <= timedelta(0):
        yield f"it has a deadline of {saga.deadline}: it must be longer than nothing"
    if not issubclass(start, Command):
        return
    if not start.cancellable:
        yield f"it starts on {start.__name__}, and heeds a cancel of it: declare the command cancellable"
    if saga.cancel_on is not None:
        yield "it starts on a command, and is cancelled by who sent that: remove cancel_on"


def _of_receive(saga: Saga[Any, D], node: Receive[D]) -> Iterator[str]:
    if node.expects is None and issubclass(saga.starts_on, Command):
        yield (
            f"receive {node.name}: an instance that a command has started is not found by its correlation key: "
            "say by expects= which key of the event it awaits"
        )
    for what, length in (("timeout", node.timeout), ("hold", node.hold)):
        if isinstance(length, timedelta) and length <= timedelta(0):
            yield f"receive {node.name} has a {what} of {length}: it must be longer than nothing"
    if isinstance(node.timeout, timedelta) and isinstance(saga.deadline, timedelta) and node.timeout > saga.deadline:
        yield f"receive {node.name} has a timeout of {node.timeout}, beyond the deadline of {saga.deadline}: shorten it"


def _of_delay(node: Delay[D]) -> Iterator[str]:
    if (node.lasts is None) is (node.until is None):
        yield f"delay {node.name} needs either a length or until=: give it one of them"
    if isinstance(node.lasts, timedelta) and node.lasts <= timedelta(0):
        yield f"delay {node.name} lasts {node.lasts}: it must be longer than nothing"


def _of_limit(node: ForEach[D]) -> Iterator[str]:
    if node.limit is not None and node.limit < 1:
        yield f"for_each {node.name} has a limit of {node.limit}: let at least 1 be in flight, or None for all"
