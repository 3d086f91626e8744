"""Invariants of what it has come to in the end. What an operator has resolved is as good as the operator's work."""

from saga_coordinator.sagas.machine import Status
from tests.unit.properties.order import way
from tests.unit.properties.witness import COMPENSATION, Witness


def i1_it_has_ended(witness: Witness) -> None:
    assert witness.world.instance.status in {Status.COMPLETED, Status.COMPENSATED, Status.STALLED}


def i8_completed_means_each_step_of_the_way_once_and_nothing_beside(witness: Witness) -> None:
    """Beside it there may be what needed no undo: in an alternative that was left, what changes nothing."""
    instance = witness.world.instance
    if instance.status is not Status.COMPLETED or witness.world.is_resolved:
        return
    taken = set(way(witness.saga.steps, instance))
    net = witness.world.participants.net()
    assert {step: net[step] for step in taken} == dict.fromkeys(taken, 1)
    assert all(witness.saga.step_plan(step).command.safe for step in set(net) - taken)
    undone = {step for step, direction in witness.last if direction is COMPENSATION}
    assert all(witness.is_abandoned(instance, step) for step in undone)


def i13_compensated_means_all_that_may_have_been_done_is_undone(witness: Witness) -> None:
    if witness.world.instance.status is Status.COMPENSATED and not witness.world.is_resolved:
        undone = {step for step, direction in witness.last if direction is COMPENSATION}
        assert undone == set(witness.may_be_done())


def i15_compensated_means_a_net_effect_of_zero(witness: Witness) -> None:
    if witness.world.instance.status is Status.COMPENSATED and not witness.world.is_resolved:
        safe = {name for name, step_plan in witness.saga.table.items() if step_plan.command.safe}
        assert set(witness.world.participants.net()) <= safe
