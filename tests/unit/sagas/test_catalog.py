"""The catalog: everything that the service runs; and the examples beside it."""

from collections import Counter

from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.sagas.catalog import catalog
from saga_coordinator.sagas.catalog.examples import catalog as examples
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.language.nodes import (
    Alternatives,
    Branch,
    Delay,
    ForEach,
    Parallel,
    Receive,
    Series,
    Step,
    walk,
)


def test_order_fulfilment_is_in_the_catalog() -> None:
    assert order_fulfilment in catalog


def test_no_version_of_a_saga_stands_twice_in_the_catalog() -> None:
    counts = Counter((saga.name, saga.version) for saga in catalog)

    assert [key for key, count in counts.items() if count > 1] == []


def test_by_default_the_service_runs_order_fulfilment_and_none_of_the_examples() -> None:
    assert [saga.name for saga in catalog] == ["order-fulfilment"]


def test_the_examples_can_run_beside_the_catalog() -> None:
    routes = Routes((*catalog, *examples))
    assert {saga.name for saga in routes.newest.values()} == {saga.name for saga in (*catalog, *examples)}


def test_the_examples_use_every_word_of_the_language() -> None:
    sagas: tuple[AnySaga, ...] = examples
    used = {type(node) for saga in sagas for node in walk(saga.steps)}
    assert used == {Alternatives, Branch, Delay, ForEach, Parallel, Receive, Series, Step}
    assert [saga.name for saga in examples if saga.is_child] == ["server-provisioning"]
    assert {"provision-servers"} == {
        name for saga in examples for name, step_plan in saga.plan.steps.items() if step_plan.command.cancellable
    }
