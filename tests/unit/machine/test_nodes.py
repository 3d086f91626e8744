"""A tree of nodes can be changed leaf by leaf, and keeps its shape."""

from dataclasses import replace

from saga_coordinator.sagas import alternatives, delay, parallel, series
from saga_coordinator.sagas.language.nodes import Alternatives, Delay, Node, Receive, Step, map_nodes, walk
from tests.support.saga_kit import MINUTE, Data, awaits, choice, compensatable, each, safe

NODES = (
    parallel(compensatable("a"), series(safe("b"), awaits("w"))),
    alternatives(each("list"), compensatable("c"), name="either"),
    choice("heads", 0, delay("wait", MINUTE), otherwise=(compensatable("d"),)),
)


def renamed(node: Node[Data]) -> Node[Data]:
    match node:
        case Step():
            return replace(node, name=f"new-{node.name}")
        case Receive() | Delay():
            return replace(node, name=f"later-{node.name}")
        case Alternatives():
            return replace(node, name=f"{node.name}-of-{names(node.nodes)[0]}")
        case _:
            return node


def names(nodes: tuple[Node[Data], ...]) -> list[str]:
    return [getattr(node, "name", type(node).__name__) for node in walk(nodes)]


def test_each_node_is_changed_after_what_is_in_it_and_the_tree_keeps_its_shape() -> None:
    assert names(map_nodes(NODES, renamed)) == [
        "Parallel", "new-a", "Series", "new-b", "later-w", "either-of-new-list", "new-list", "new-c", "heads",
        "later-wait", "new-d",
    ]  # fmt: skip
