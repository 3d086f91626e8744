"""What an operator wishes of one instance: a signal like any other, in a transaction of its own, with who and why."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

from saga_coordinator.contracts import Event, Reply
from saga_coordinator.handlers.dispatch import Dispatcher
from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import Actor
from saga_coordinator.handlers.routing import AnySaga, BadCatalog, Routes
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.unit_of_work import UnitOfWork
from saga_coordinator.sagas.machine import Cancel, Decision, Instance, OperatorAction, SkipStep

BuildSignal: TypeAlias = Callable[[AnySaga, Instance[Any], datetime], OperatorAction | Cancel]


class Interventions:
    """Takes wishes. It needs no lease: the instance's row and its revision suffice."""

    def __init__(self, routes: Routes, decider: Dispatcher, unit_of_work: UnitOfWork) -> None:
        self._routes = routes
        self._decider = decider
        self._unit_of_work = unit_of_work

    async def act(self, id_: str, made: Callable[[datetime], OperatorAction | Cancel]) -> Decision[Any] | None:
        """Let `made(now)` happen to an instance, and return what was decided: `ignored` and `reason` if refused.

        None: there is no such instance. Raises `Conflict` if the instance changes faster than the wish can be taken,
        `BadCatalog` if it cannot be read, what the saga's own functions raise (then nothing has happened), and
        whatever the store raises.
        """
        return await self._unit_of_work.write(lambda tx: self._work(tx, id_, lambda _saga, _instance, now: made(now)))

    async def skip(self, id_: str, step: str, reply: bytes | None, by: Actor) -> Decision[Any] | None:
        """Take a step for done with this reply, the JSON of what would have answered it; else as `wish`.

        Raises `pydantic.ValidationError` for a reply that is not what answers the step.
        """

        def made(saga: AnySaga, instance: Instance[Any], now: datetime) -> OperatorAction:
            model = reply_type_of(saga, instance, step)
            supplied = None if model is None or reply is None else model.model_validate_json(reply)
            return SkipStep(now, by.who, by.why, step, supplied)

        return await self._unit_of_work.write(lambda tx: self._work(tx, id_, made))

    async def _work(self, tx: Transaction, id_: str, made: BuildSignal) -> tuple[Session, Decision[Any] | None]:
        batch = self._unit_of_work.batch()
        batch.add_loaded(await self._unit_of_work.load(tx, [id_]), tx.unreadable_instances)
        if id_ in batch.unreadable_instances:
            raise BadCatalog(batch.unreadable_instances[id_].why)
        stored = batch.find(id_)
        if stored is not None:
            saga = self._routes.saga_of(stored.instance.saga, stored.instance.version)
            batch.apply(saga, stored, made(saga, stored.instance, batch.at))
            await self._decider.release(batch, tx)
        return batch, batch.hops[0].decision if batch.hops else None


def reply_type_of(saga: AnySaga, instance: Instance[Any], step: str) -> type[Reply] | type[Event] | None:
    """Return what answers a step in the direction in which it is under way; None if it was not reached, or a delay."""
    if step in instance.waits:
        return next((each.event for each in saga.plan.receives if each.name == step), None)
    run = instance.steps.get(step)
    if run is None:
        return None
    step_plan = saga.plan.step(step)
    command = step_plan.undo if run.compensation else step_plan.command
    return None if command is None else command.reply
