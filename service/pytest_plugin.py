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
    from saga_coordinator.sagas.machine import Saga
    from saga_coordinator.sagas.testing.explorer.explore import Exploration

MAX_STATES = 200_000


class SagaMatrix(Protocol):
    """What the fixture is."""

    def __call__(
        self, saga: Saga[Any, Any], samples: Iterable[Message] = (), *, depth: int = 1, most: int = MAX_STATES
    ) -> Exploration:
        """Try the saga; fail with the shortest test that shows a law broken, or if not everything could be tried."""
        ...


@pytest.fixture
def saga_matrix(request: pytest.FixtureRequest) -> SagaMatrix:
    """Try a saga with every fault at every moment, on virtual time."""

    def run(
        saga: Saga[Any, Any], samples: Iterable[Message] = (), *, depth: int = 1, most: int = MAX_STATES
    ) -> Exploration:
        __tracebackhide__ = True
        from saga_coordinator.sagas.testing.explorer.explore import explore
        from saga_coordinator.sagas.testing.explorer.script import place_of, script

        found = explore(saga, samples, depth=depth, most=most)
        place = place_of(saga, request.module, sys.modules[saga.begin.__module__])
        if found.violations:
            first = found.violations[0]
            pytest.fail(f"saga {saga.name}: {first.law}: {first.says}\n\n{script(first, saga, place)}", pytrace=False)
        if found.unfinished:
            pytest.fail(
                f"saga {saga.name} has more than {most} states at depth {depth}: raise `most`, or lower `depth`",
                pytrace=False,
            )
        if found.unreached:
            pytest.fail(
                f"saga {saga.name}: no sample leads to {', '.join(found.unreached)}: give one that does", pytrace=False
            )
        return found

    return run
