"""The pytest plugin that comes with the package: the fixture `saga_matrix` tries a saga with every fault.

def test_order(saga_matrix):
    saga_matrix(order_fulfilment, samples)
"""

# ruff: noqa: PLC0415  pytest loads this module in every run: it imports nothing until it is used

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from saga_coordinator.contracts import Message
    from saga_coordinator.sagas import Saga
    from saga_coordinator.sagas.testing.explorer.explore import Exploration

MAX_STATES = 200_000


class SagaMatrix(Protocol):
    """What the fixture is."""

    def __call__(
        self, saga: Saga[Any, Any], samples: Iterable[Message] = (), *, depth: int = 1, max_states: int = MAX_STATES
    ) -> Exploration:
        """Try the saga; fail with the shortest test that violates an invariant, or if not everything could be tried."""


@pytest.fixture
def saga_matrix(request: pytest.FixtureRequest) -> SagaMatrix:
    """Try a saga with every fault at every moment, on virtual time."""

    def run(
        saga: Saga[Any, Any], samples: Iterable[Message] = (), *, depth: int = 1, max_states: int = MAX_STATES
    ) -> Exploration:
        __tracebackhide__ = True
        from saga_coordinator.sagas.testing.explorer.explore import explore
        from saga_coordinator.sagas.testing.explorer.script import place_of, script

        found = explore(saga, samples, depth=depth, max_states=max_states)
        place = place_of(saga, request.module, sys.modules[saga.begin.__module__])
        if found.counterexamples:
            first = found.counterexamples[0]
            problem = f"{first.invariant}: {first.problem}"
            pytest.fail(f"saga {saga.name}: {problem}\n\n{script(first, saga, place)}", pytrace=False)
        if found.unfinished:
            pytest.fail(
                f"saga {saga.name} has more than {max_states} states at depth {depth}: "
                "raise `max_states`, or lower `depth`",
                pytrace=False,
            )
        if found.unreached:
            pytest.fail(
                f"saga {saga.name}: no sample leads to {', '.join(found.unreached)}: give one that does", pytrace=False
            )
        return found

    return run
