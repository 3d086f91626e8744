"""What an instance would have to undo if it turned back now: what no move to another version may lose."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.machine import Instance, Progress, Status, StepRun
from saga_coordinator.sagas.planning.undo_plan import undo_plan
from saga_coordinator.sagas.versions.outline import AnySaga

COMPENSATED_NOW = Cause(None, "turned-back", "to see what would be undone")


def obligations(saga: AnySaga, instance: Instance[Any]) -> tuple[str, ...]:
    """Return the steps that are or may be done and that this definition would undo, in its order of undoing."""
    if is_past_pivot(saga, instance):
        return ()
    steps = {name: _as_if_compensating(run) for name, run in instance.steps.items()}
    turned = replace(
        instance, status=Status.COMPENSATING, cause=COMPENSATED_NOW, stall=None, paused_at=None, steps=steps, waits={}
    )
    return tuple(name for wave in undo_plan(saga, turned, instance.started_at).waves for name in wave)


def is_past_pivot(saga: AnySaga, instance: Instance[Any]) -> bool:
    """Say whether there is no way back any more."""
    return any(instance.steps[name].forward.progress is Progress.DONE for name in pivots_sent(saga, instance))


def pivots_sent(saga: AnySaga, instance: Instance[Any]) -> tuple[str, ...]:
    """Return the pivots that were sent."""
    return tuple(name for name in saga.plan.pivots if name in instance.steps)


def compensation_errors(saga: AnySaga, instance: Instance[Any]) -> Iterator[str]:
    """Yield what the compensations raise that would have to be made from the data of this instance."""
    for name in obligations(saga, instance):
        try:
            make_undo(saga, instance, name)
        except Exception as error:  # noqa: BLE001  whatever an author's function raises is what is to be told
            yield f"the compensation of {name} raises {type(error).__name__}: {error}"


def make_undo(saga: AnySaga, instance: Instance[Any], name: str) -> str:
    """Make the compensation of a step as JSON. Raises what the saga's own functions raise."""
    step_plan = saga.plan.step(name)
    if step_plan.step.compensate is None:
        raise LookupError(f"step {name} of saga {saga.name} has no compensation")
    listed = [items[name] for items in instance.lists.values() if name in items]
    item = [step_plan.item.validate_json(each) for each in listed] if step_plan.item else []
    return step_plan.step.compensate(instance.data, *item).model_dump_json()


def _as_if_compensating(run: StepRun) -> StepRun:
    """A step to be asked again is not asked any more, and an undo that is not acknowledged is still to be done."""
    forward = run.forward
    if forward.progress is Progress.WAITING:
        forward = replace(forward, progress=Progress.REFUSED, due_at=None)
    is_undone = run.compensation is not None and run.compensation.progress is Progress.DONE
    return StepRun(forward, run.compensation if is_undone else None)
