"""Whatever one fault does to a saga, and at whatever moment: no invariant of the machine is violated."""

from typing import Any

import pytest

from saga_coordinator.sagas import Saga
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.testing.explorer.explore import Exploration, explore
from saga_coordinator.sagas.testing.explorer.moves import Fault
from saga_coordinator.sagas.testing.explorer.table import TableCell, cells
from saga_coordinator.sagas.testing.invariants.ledger import FORWARD, CommandResult
from saga_coordinator.service.pytest_plugin import SagaMatrix
from tests.support.saga_kit import Data
from tests.unit.testing._support.sample_sagas import SAGAS, event, is_child, listed, parent, starts, tries, two_steps


@pytest.fixture(scope="module")
def order() -> Exploration:
    """Order fulfilment with every single fault."""
    return explore(order_fulfilment)


def test_an_order_withstands_every_single_fault(order: Exploration) -> None:
    assert (order.counterexamples, order.unfinished, order.unreached) == ([], 0, [])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "saga"), SAGAS.items())
def test_every_word_of_the_language_withstands_every_single_fault(
    name: str, saga: Saga[Any, Data], saga_matrix: SagaMatrix
) -> None:
    saga_matrix(saga, starts(name))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["two_steps", "choice", "event", "events", "delays", "listed", "tries", "is_child"])
def test_every_word_of_the_language_withstands_every_pair_of_faults(name: str, saga_matrix: SagaMatrix) -> None:
    saga_matrix(SAGAS[name], starts(name), depth=2)


def test_where_an_order_ends_for_every_step_and_fault(order: Exploration) -> None:
    found = {(cell.step, str(cell.direction), cell.fault): ends(cell) for cell in cells(order)}

    assert found["charge-card", "forward", Fault.REFUSES] == {"compensated"}
    assert found["charge-card", "forward", Fault.BUSY_ONCE] == {"completed"}
    assert found["charge-card", "forward", Fault.BUSY] == {"compensated"}
    assert found["charge-card", "forward", Fault.SILENT] == {"compensated"}
    assert found["ship-order", "forward", Fault.REFUSES] == {"compensated"}
    assert found["ship-order", "forward", Fault.SILENT] == {"completed"}
    assert found["notify-customer", "forward", Fault.REFUSES] == {"stalled"}
    assert found["charge-card", "compensation", Fault.BUSY_ONCE] == {"compensated"}
    assert found["charge-card", "compensation", Fault.REFUSES] == {"stalled"}
    assert found["charge-card", "compensation", Fault.SILENT] == {"stalled"}
    assert found[None, "forward", Fault.CANCEL] == {"completed", "compensated"}
    assert found[None, "forward", Fault.DEADLINE] == {"compensated"}


def test_copies_strays_and_a_crash_are_tried_in_every_state(order: Exploration) -> None:
    assert order.probed["a second start"] == order.probed["a reply to nothing"] == len(order.worlds)
    assert order.probed["a copy of a reply"] > len(order.worlds)
    assert {"an event that comes early", "an event that comes late", "a copy of an event"} <= explore(
        event
    ).probed.keys()


def test_an_event_that_never_comes_undoes() -> None:
    found = {(cell.step, cell.fault): ends(cell) for cell in cells(explore(event, starts("event")))}
    assert found["payment", Fault.NEVER] == {"compensated"}
    assert found["payment", Fault.NONE] >= {"completed"}


def test_the_steps_of_a_list_have_cells_of_their_own() -> None:
    named = {cell.step for cell in cells(explore(listed, starts("listed")))}
    assert {"provision[eu]", "provision[us]"} <= named


@pytest.mark.slow
def test_an_alternative_that_fails_leads_to_the_next() -> None:
    found = {
        (cell.step, str(cell.direction), cell.fault): ends(cell) for cell in cells(explore(tries, starts("tries")))
    }
    assert found["x", "forward", Fault.REFUSES] == {"completed"}


@pytest.mark.slow
def test_a_child_that_is_withdrawn_may_have_finished_all_the_same() -> None:
    found = explore(parent, starts("parent"))
    withdrawn = [world for world in found.worlds if world.ledger.withdrawn]
    assert {CommandResult.DONE, CommandResult.REFUSED} <= {
        world.ledger.sent["child", FORWARD][-1].result for world in withdrawn
    }


def test_a_child_is_tried_on_its_command() -> None:
    assert {type(world.ledger.start).__name__ for world in explore(is_child).worlds} == {"DoAll"}


def test_more_states_than_are_looked_at_are_reported() -> None:
    found = explore(two_steps, starts("two_steps"), max_states=50)
    assert found.unfinished > 0


def test_without_a_fault_each_start_has_one_end() -> None:
    found = explore(order_fulfilment, depth=0)
    assert [str(world.ledger.instance.status) for world in found.worlds].count("completed") == 2
    assert not [world for world in found.worlds if world.ledger.instance.cause]


def ends(cell: TableCell) -> set[str]:
    """In which statuses the instance ends."""
    return {name for name in ("completed", "compensated", "stalled") if getattr(cell, name)}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_order_withstands_every_pair_of_faults(saga_matrix: SagaMatrix) -> None:
    saga_matrix(order_fulfilment, depth=2)
