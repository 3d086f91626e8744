"""Invariants of what participants have done. What an operator has resolved is as good as the operator's work."""

from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.invariants.ledger import COMPENSATION
from saga_coordinator.sagas.testing.invariants.observation import is_abandoned
from saga_coordinator.sagas.testing.invariants.order import path
from tests.unit.properties._support.world import World


def an_effect_stands_at_most_once(world: World) -> None:
    """I8."""
    assert all(count <= 1 for count in world.participants.net().values())


def the_effects_fit_the_end(world: World) -> None:
    """I1: it has ended. I8 and I15: completed or compensated, as the effects say."""
    assert world.instance.status in {Status.COMPLETED, Status.COMPENSATED, Status.STALLED}
    if world.is_resolved:
        return
    if world.instance.status is Status.COMPLETED:
        completed_means_each_step_of_the_path_once_and_nothing_beside(world)
    if world.instance.status is Status.COMPENSATED:
        compensated_means_a_net_effect_of_zero(world)


def completed_means_each_step_of_the_path_once_and_nothing_beside(world: World) -> None:
    """Beside it there may be what needed no undo: in an alternative that was left, what changes nothing."""
    ledger = world.seen[-1].after
    taken = set(path(world.saga.steps, world.instance)) - set(world.instance.waits)
    net = world.participants.net()
    assert {step: net[step] for step in taken} == dict.fromkeys(taken, 1)
    assert all(world.saga.plan.step(step).command.safe for step in set(net) - taken)
    assert all(is_abandoned(ledger, step) for step, direction in ledger.sent if direction is COMPENSATION)


def compensated_means_a_net_effect_of_zero(world: World) -> None:
    ledger = world.seen[-1].after
    undone = {step for step, direction in ledger.sent if direction is COMPENSATION}
    assert undone == {step for step in ledger.steps if ledger.may_be_done(step)}
    safe = {name for name, plan in world.saga.plan.steps.items() if plan.command.safe}
    assert set(world.participants.net()) <= safe
