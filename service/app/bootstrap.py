"""Builds the service from the settings: the handlers, wired to Kafka and to the database."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from saga_coordinator.handlers.bootstrap import Handlers, wire_handlers
from saga_coordinator.handlers.ports import Clock, Observer
from saga_coordinator.handlers.records import DatabaseIdentity
from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.handlers.trace_context import Sampler
from saga_coordinator.service.app import database, definitions
from saga_coordinator.service.catalog import build_routes
from saga_coordinator.service.clock import SystemClock
from saga_coordinator.service.drain import Drain
from saga_coordinator.service.health import CHECKS, PUBLISHER, STORE, Health
from saga_coordinator.service.kafka.consumer import KafkaConsumer
from saga_coordinator.service.kafka.positions import Positions
from saga_coordinator.service.kafka.publisher import KafkaPublisher
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.storage.service_store import ServiceStore


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that runs, wired."""

    settings: Settings
    routes: Routes
    store: ServiceStore
    publisher: KafkaPublisher
    handlers: Handlers
    consumer: KafkaConsumer
    positions: Positions
    health: Health
    drain: Drain
    is_recovering: bool = False


@asynccontextmanager
async def build_service(
    settings: Settings,
    catalog: Sequence[AnySaga],
    observer: Observer,
    sampler: Sampler,
    *,
    clock: Clock | None = None,
    health: Health | None = None,
    is_recovering: bool = False,
) -> AsyncIterator[Service]:
    """Open the store and wire the service; close everything on every path.

    Raises `BadCatalog` when live instances need a definition that the catalog lacks, `StoreError`.
    """
    routes, health = build_routes(catalog, settings), health or Health(CHECKS)
    store = database.new_store(settings, routes.saga_of, partial(_report, health, STORE))
    topics = routes.topics_in | routes.topics_out
    publisher = KafkaPublisher(settings.kafka, topics, partial(_report, health, PUBLISHER))
    await store.open()
    try:
        live = await store.live_versions()
        routes.check_definitions(live)
        await definitions.check(store, routes, live, settings.accept_definition)
        routes.check_name({lease.topic for lease in await store.leases()}, live)
        health.ok(STORE)
        handlers = wire_handlers(
            routes,
            store=store,
            publisher=publisher,
            clock=clock or SystemClock(),
            observer=observer,
            sampler=sampler,
            group=settings.kafka.group,
        )
        consumer = KafkaConsumer(
            settings=settings,
            topics=routes.topics_in,
            owner=_owner(settings, await store.identity()),
            handlers=handlers,
            store=store,
            health=health,
            observer=observer,
            is_recovering=is_recovering,
        )
        positions, drain = Positions(settings.kafka, routes.topics_in, store, consumer.acquire_again), Drain()
        yield Service(settings, routes, store, publisher, handlers, consumer, positions, health, drain, is_recovering)
    finally:
        await publisher.stop()
        await store.close()


def _report(health: Health, check: str, problem: str | None) -> None:
    if problem is None:
        health.ok(check)
    else:
        health.failing(check, problem)


def _owner(settings: Settings, identity: DatabaseIdentity) -> str:
    """Name this coordinator after its database: when it restarts it returns to its place in the group at once."""
    return f"{settings.kafka.client_id}-{identity.id}"
