"""Wires the handlers: all of them share the leases, the instance cache and the unit of work."""

from dataclasses import dataclass

from saga_coordinator.handlers.dispatch import Dispatcher
from saga_coordinator.handlers.encode import Encoder
from saga_coordinator.handlers.instance_cache import InstanceCache
from saga_coordinator.handlers.intake import Intake
from saga_coordinator.handlers.interventions import Interventions
from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.ports import Clock, Observer, Publisher, Store
from saga_coordinator.handlers.redrive import Redrive
from saga_coordinator.handlers.relay import Relay
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.handlers.timers import Timers
from saga_coordinator.handlers.trace_context import Sampler
from saga_coordinator.handlers.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Handlers:
    """What one coordinator does with records, with time, with its outbox, and with what people want."""

    leases: Leases
    instance_cache: InstanceCache
    relay: Relay
    intake: Intake
    timers: Timers
    operator: Interventions
    redrive: Redrive
    in_doubt: dict[str, str]
    """Instances that stall when they start, each with the reason."""


def wire_handlers(
    routes: Routes,
    *,
    store: Store,
    publisher: Publisher,
    clock: Clock,
    observer: Observer,
    sampler: Sampler,
    group: str | None = None,
) -> Handlers:
    """Wire the handlers for a catalog's routes; `group` is the consumer group that dead letters name."""
    leases, instance_cache = Leases(routes.names.replies), InstanceCache(is_shared=store.is_shared)
    relay = Relay(store, publisher, leases, observer)
    in_doubt: dict[str, str] = {}
    dispatcher = Dispatcher(routes, observer, in_doubt)
    unit_of_work = UnitOfWork(
        store=store,
        clock=clock,
        encoder=Encoder(publisher.partition, publisher.max_message_bytes, group, routes.names),
        sampler=sampler,
        instance_cache=instance_cache,
        relay=relay,
        observer=observer,
    )
    timers = Timers(
        store=store, clock=clock, observer=observer, dispatcher=dispatcher, unit_of_work=unit_of_work, leases=leases
    )
    return Handlers(
        leases=leases,
        instance_cache=instance_cache,
        relay=relay,
        intake=Intake(routes, dispatcher, unit_of_work, leases),
        timers=timers,
        operator=Interventions(routes, dispatcher, unit_of_work),
        redrive=Redrive(routes, dispatcher, unit_of_work),
        in_doubt=in_doubt,
    )
