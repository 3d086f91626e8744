"""Operator actions on one instance: a signal like any other, in a transaction of its own, with who and why."""

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
from saga_coordinator.sagas.machine import Block, Cancel, Decision, Instance, OperatorAction, SkipStep

BuildSignal: TypeAlias = Callable[[AnySaga, Instance[Any], datetime], OperatorAction | Cancel | Block]


class Interventions:
    """Applies operator actions. It needs no lease: the instance's row and its revision suffice."""

    def __init__(self, routes: Routes, dispatcher: Dispatcher, unit_of_work: UnitOfWork) -> None:
        self._routes = routes
        self._dispatcher = dispatcher
        self._unit_of_work = unit_of_work

    async def act(self, id_: str, build: Callable[[datetime], OperatorAction | Cancel | Block]) -> Decision[Any] | None:
        """Apply `build(now)` to an instance, and return the decision: `ignored` and `reason` if it was refused.

        None: there is no such instance. Raises `Conflict` if the instance changes faster than it can be written,
        `BadCatalog` if it cannot be read, what the saga's own functions raise (then nothing was written), and whatever
        the store raises.
        """
        return await self._apply(id_, lambda _saga, _instance, now: build(now))

    async def skip(self, id_: str, step: str, reply: bytes | None, by: Actor) -> Decision[Any] | None:
        """Take a step for done with this reply, the JSON of what would have answered it; else as `act`.

        Raises `pydantic.ValidationError` for a reply that is not what answers the step.
        """

        def build(saga: AnySaga, instance: Instance[Any], now: datetime) -> OperatorAction:
            model = reply_type_of(saga, instance, step)
            supplied = None if model is None or reply is None else model.model_validate_json(reply)
            return SkipStep(now, by.who, by.reason, step, supplied)

        return await self._apply(id_, build)

    async def _apply(self, id_: str, build: BuildSignal) -> Decision[Any] | None:
        async def work(session: Session, tx: Transaction) -> Decision[Any] | None:
            await self._unit_of_work.load(session, tx, (), [id_])
            if id_ in session.unreadable:
                raise BadCatalog(session.unreadable[id_].why)
            record = session.find(id_)
            if record is None:
                return None
            saga = self._routes.saga_of(record.instance.saga, record.instance.version)
            decision = session.apply(saga, record, build(saga, record.instance, session.at))
            await self._dispatcher.release(session, tx)
            return decision

        return await self._unit_of_work.write(work)


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
