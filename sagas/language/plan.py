"""A saga compiled for the machine: what every transition looks up, worked out once when the saga is declared."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic

from saga_coordinator.contracts import Event, Failure, Reply
from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.data import DataReader
from saga_coordinator.sagas.language.declaration import Declaration
from saga_coordinator.sagas.language.lint import linter
from saga_coordinator.sagas.language.nodes import (
    D,
    Node,
    Receive,
    Scope,
    StepPlan,
    leaf,
    scopes_of,
    steps_of,
    walk,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[D]):
    """What the machine needs of a saga.

    `nodes` is the tree of the definition; `steps` says by name what holds for each step, and `scopes` by name in
    which alternatives a node stands, the innermost last (a node outside of any is left out).
    """

    saga: str
    nodes: tuple[Node[D], ...]
    data: DataReader[D]
    steps: Mapping[str, StepPlan[D]]
    pivots: tuple[str, ...]
    receives: tuple[Receive[D], ...]
    scopes: Mapping[str, tuple[Scope, ...]]
    on_completed: Callable[[D], Event] | Callable[[D], Reply]
    on_compensated: Callable[[D, Cause], Event] | Callable[[D, Cause], Failure] | None

    @property
    def data_type(self) -> type[D]:
        """The model of the data."""
        return self.data.kind

    def step(self, name: str) -> StepPlan[D]:
        """Return what holds for a step of an instance: `reserve-stock`, or `provision[eu-1]`."""
        return self.steps.get(name) or self.steps[leaf(name)]

    def leaves_in(self, alternatives: str, number: int) -> frozenset[str]:
        """Return the names of the leaves that stand in one of several alternatives, at any depth."""
        return frozenset(
            name
            for name, around in self.scopes.items()
            if any((s.name, s.number) == (alternatives, number) for s in around)
        )


def compile_plan(saga: Declaration[D]) -> Plan[D]:
    """Check a saga and compile it. Raises `UnsoundSaga` with every problem found."""
    data_type, steps = linter.inspect(saga)
    return Plan(
        saga=saga.name,
        nodes=saga.steps,
        data=DataReader(saga.name, data_type),
        steps=MappingProxyType(steps),
        pivots=tuple(each.name for each in steps_of(saga.steps) if each.is_pivot),
        receives=tuple(each for each in walk(saga.steps) if isinstance(each, Receive)),
        scopes=MappingProxyType({name: around for name, around in scopes_of(saga.steps) if around}),
        on_completed=saga.on_completed,
        on_compensated=saga.on_compensated,
    )
