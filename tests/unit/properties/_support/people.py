"""Generate operator actions, sensible or not, and the manual repairs before them."""

from typing import Any

from saga_coordinator.contracts import Done, Event, Failure, Reply
from saga_coordinator.sagas import Saga
from saga_coordinator.sagas.machine import Direction, Instance, Resolve, RetryStep, SkipStep, Status
from tests.support.saga_kit import Did, Paid
from tests.unit.properties._support.participants import Participants

WHO, WHY = "olga", "to put it right"
RESOLUTIONS = (Status.COMPLETED, Status.COMPENSATED, Status.RUNNING)


def retry(instance: Instance[Any], now: Any, chance: int) -> RetryStep:  # noqa: ANN401  a time
    """A retry of everything, or of one step or wait that was reached."""
    return RetryStep(now, WHO, WHY, None if chance % 2 else _one(instance, chance // 2))


def skip(saga: Saga[Any, Any], instance: Instance[Any], now: Any, chance: int) -> SkipStep:  # noqa: ANN401  a time
    """A skip of one step or wait, mostly with the right reply."""
    name = _one(instance, chance // 2)
    reply: Reply | Event | None = Failure(code="no", message="no reply for a skip", retryable=False)
    if chance % 8:
        reply = _reply(saga, instance, name)
    return SkipStep(now, WHO, WHY, name, reply)


def resolve(now: Any, chance: int) -> Resolve:  # noqa: ANN401  a time
    """A resolve as completed or compensated."""
    return Resolve(now, WHO, WHY, RESOLUTIONS[chance % len(RESOLUTIONS)])


def do_by_hand(participants: Participants, instance: Instance[Any], skipped: SkipStep) -> None:
    """Do what a skip says was done."""
    run = instance.steps.get(skipped.step)
    if run is None:
        return
    reply = skipped.reply if isinstance(skipped.reply, Reply) else None
    forward = run.forward.command_id
    if run.compensation is None:
        participants.by_hand(forward, skipped.step, None, reply)
    else:
        participants.by_hand(run.compensation.command_id, skipped.step, forward, reply)


def _one(instance: Instance[Any], chance: int) -> str:
    names = [*instance.steps, *instance.waits, "nobody"]
    return names[chance % len(names)]


def _reply(saga: Saga[Any, Any], instance: Instance[Any], name: str) -> Reply | Event | None:
    if name in instance.waits:
        return Paid(word="by hand") if instance.waits[name].address else None
    run = instance.steps.get(name)
    if run is None:
        return Did()
    if run.command_state(Direction.COMPENSATION) is not None:
        return Done()
    reply = saga.plan.step(name).command.reply
    return reply(**dict.fromkeys(reply.model_fields, "by hand"))
