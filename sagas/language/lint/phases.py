"""Phases: compensatable steps, then on any path at most one pivot, then steps that only go forward."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, assert_never

from saga_coordinator.contracts import Command
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
)


@dataclass(slots=True)
class Phases:
    """Follows every path, and records for each leaf whether it may stand before (False) or after (True) the pivot."""

    problems: list[str]
    seen: dict[str, frozenset[bool]] = field(default_factory=dict)

    def follow(self, nodes: tuple[Node[D], ...], phases: frozenset[bool], group: str | None = None) -> frozenset[bool]:
        """Follow a sequence, and return the phases in which it may end. `group`: what stands around it."""
        for node in nodes:
            phases = self._node(node, phases, group)
        return phases

    def _node(self, node: Node[D], phases: frozenset[bool], group: str | None) -> frozenset[bool]:
        match node:
            case Step() | ForEach() | Receive() | Delay():
                return self._leaf(node, phases, group)
            case Series():
                return self.follow(node.nodes, phases, group)
            case Branch():
                return self.follow(node.nodes, phases, group) | self.follow(node.otherwise, phases, group)
            case Parallel():
                self._members(node.nodes, phases, group or "a parallel group")
                return phases
            case Alternatives():
                if True in phases:
                    self.problems.append(
                        f"alternatives {node.name} may stand after the pivot, where nothing is undone: "
                        "put them before it, or choose by a branch"
                    )
                self._members(node.nodes, phases, "alternatives")
                return phases
            case _:
                assert_never(node)

    def _leaf(
        self, node: Step[D] | ForEach[D] | Receive[D] | Delay[D], phases: frozenset[bool], group: str | None
    ) -> frozenset[bool]:
        self.seen[node.name] = self.seen.get(node.name, frozenset()) | phases
        if isinstance(node, ForEach) and node.step.is_pivot:
            self.problems.append(f"for_each {node.name} is made of a pivot, which is one command: make it of a step")
        return self._pivot(node, phases, group) if isinstance(node, Step) and node.is_pivot else phases

    def _members(self, members: tuple[Node[D], ...], phases: frozenset[bool], group: str | None) -> None:
        for member in members:
            self.follow((member,), phases, group)

    def _pivot(self, pivot: Step[D], phases: frozenset[bool], group: str | None) -> frozenset[bool]:
        if group:
            self.problems.append(f"pivot {pivot.name} stands in {group}: put it into the main sequence")
        if True in phases:
            self.problems.append(f"pivot {pivot.name} may follow another pivot: make one of them a step")
        return frozenset({True})


def of_step(step: Step[D], command: type[Command[Any]], phases: frozenset[bool]) -> Iterator[str]:
    """Yield what is wrong with a step in its phases."""
    if False in phases and not (step.is_pivot or step.compensate or command.safe):
        yield (
            f"step {step.name} changes something before the pivot and cannot be undone: give it a compensate, "
            f"make it the pivot, or declare {command.__name__} safe"
        )
    if step.is_pivot and step.compensate:
        yield f"pivot {step.name} has a compensate, and is never undone: remove it, or make the pivot a step"
    elif False not in phases and step.compensate:
        yield f"step {step.name} stands after the pivot, where nothing is undone: remove its compensate"
    if True in phases and step.retry and not step.retry.is_endless:
        yield f"step {step.name} may stand after the pivot and has a finite retry: leave attempts and total at None"
    if not step.undo_when_unknown and not step.compensate:
        yield f"step {step.name} has no compensate, so that undo_when_unknown says nothing: remove it"
