"""A tree of nodes can be changed leaf by leaf, and keeps its shape."""

from dataclasses import replace

from saga_coordinator.sagas import alternatives, delay, parallel, series
from saga_coordinator.sagas.language.nodes import Delay, Node, Receive, Step, map_nodes, walk
from tests.support.saga_kit import MINUTE, Data, awaits, choice, compensatable, each, safe

NODES = (
    parallel(compensatable("a"), series(safe("b"), awaits("w"))),
    alternatives(each("list"), compensatable("c"), name="either"),
    choice("heads", 0, delay("wait", MINUTE), otherwise=(compensatable("d"),)),
)


def named(step: Step[Data]) -> Step[Data]:
    return replace(step, name=f"new-{step.name}")


def waiting(node: Receive[Data] | Delay[Data]) -> Receive[Data] | Delay[Data]:
    return replace(node, name=f"later-{node.name}")


def names(nodes: tuple[Node[Data], ...]) -> list[str]:
    return [getattr(node, "name", type(node).__name__) for node in walk(nodes)]


def test_each_step_and_each_wait_is_changed_and_the_groups_stay() -> None:
    assert names(map_nodes(NODES, named, waiting)) == [
        "Parallel", "new-a", "Series", "new-b", "later-w", "either", "new-list", "new-c", "heads", "later-wait",
        "new-d",
    ]  # fmt: skip


def test_without_a_change_of_the_waits_they_stay() -> None:
    assert [name for name in names(map_nodes(NODES, named)) if "w" in name[:1]] == ["w", "wait"]
