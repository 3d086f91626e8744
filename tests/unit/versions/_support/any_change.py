"""Sagas changed at random, as authors do it: nodes added, dropped, swapped, renamed, put into branches and groups."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from saga_coordinator.sagas import parallel, series
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
)
from tests.support.saga_kit import Data, choice, compensatable, safe

Nodes = tuple[Node[Data], ...]


@dataclass(slots=True)
class Editor:
    """Changes a definition, here and there. `renamed` says which names have become which."""

    draw: st.DrawFn
    renamed: dict[str, str]
    made: int = 0

    def nodes(self, nodes: Sequence[Node[Data]], *, may_empty: bool = False) -> Nodes:
        edited: list[Node[Data]] = []
        for node in nodes:
            edited += self.node(node)
        if len(edited) > 1 and self.rarely():
            place = self.draw(st.integers(0, len(edited) - 2))
            edited[place], edited[place + 1] = edited[place + 1], edited[place]
        return tuple(edited) if edited or may_empty else tuple(nodes)

    def node(self, node: Node[Data]) -> list[Node[Data]]:
        inner = self.inside(node)
        if not self.rarely():
            return [inner]
        match self.draw(st.sampled_from(["drop", "before", "behind", "rename", "branch", "group"])):
            case "drop":
                return []
            case "before":
                return [self.fresh(), inner]
            case "behind":
                return [inner, self.fresh()]
            case "rename":
                return [self.rename(inner)]
            case "branch":
                self.made += 1
                return [choice(f"fork-{self.made}", 0, inner, otherwise=(self.fresh(),))]
            case _:
                return [parallel(inner, self.fresh())]

    def inside(self, node: Node[Data]) -> Node[Data]:
        match node:
            case Step() | ForEach() | Receive() | Delay():
                return node
            case Series() | Parallel():
                edited = self.nodes(node.nodes)
                return replace(node, nodes=edited) if len(edited) > 1 else node
            case Branch():
                return replace(node, nodes=self.nodes(node.nodes), otherwise=self.nodes(node.otherwise, may_empty=True))
            case Alternatives():
                return replace(node, nodes=tuple(self.member(each) for each in node.nodes))

    def member(self, node: Node[Data]) -> Node[Data]:
        edited = self.nodes((node,))
        return edited[0] if len(edited) == 1 else series(*edited)

    def fresh(self) -> Node[Data]:
        self.made += 1
        return (compensatable if self.draw(st.booleans()) else safe)(f"fresh-{self.made}")

    def rename(self, node: Node[Data]) -> Node[Data]:
        if not isinstance(node, Step | Receive | Branch):
            return node
        self.made += 1
        self.renamed[node.name] = f"renamed-{self.made}"
        return replace(node, name=f"renamed-{self.made}")

    def rarely(self) -> bool:
        return self.draw(st.integers(0, 7)) == 0
