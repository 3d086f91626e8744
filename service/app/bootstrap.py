"""The one place where concrete classes meet: from settings to a service that can run."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from saga_coordinator.handlers.bootstrap import Handlers, wire_handlers
from saga_coordinator.handlers.ports import Clock, Observer
from saga_coordinator.handlers.routing import REPLIES, AnySaga, Routes
from saga_coordinator.handlers.trace_context import Sampler
from saga_coordinator.service.clock import SystemClock
from saga_coordinator.service.drain import Drain
from saga_coordinator.service.health import Health
from saga_coordinator.service.http import checks
from saga_coordinator.service.kafka.consumer import KafkaConsumer
from saga_coordinator.service.kafka.publisher import KafkaPublisher
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.storage.sqlite.store import SqliteStore


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that runs, wired."""

    settings: Settings
    routes: Routes
    store: SqliteStore
    publisher: KafkaPublisher
    handlers: Handlers
    feed: KafkaConsumer
    health: Health
    drain: Drain


@asynccontextmanager
async def build_service(
    settings: Settings, catalog: Sequence[AnySaga], observer: Observer, sampler: Sampler, clock: Clock | None = None
) -> AsyncIterator[Service]:
    """Open the store, wire the service, and close everything in the end, on every path.

    Raises `BadCatalog` when live instances need a definition that the catalog lacks, `StoreUnusable`.
    """
    routes, health = Routes(catalog), Health(checks.ALL)
    store = SqliteStore(settings.sqlite_path, routes.saga_of, partial(_report, health, checks.STORE))
    topics = routes.topics_out | {REPLIES}
    publisher = KafkaPublisher(settings.kafka, topics, partial(_report, health, checks.PUBLISHER))
    await store.open()
    try:
        routes.check_definitions(await store.live_versions())
        health.ok(checks.STORE)
        yield _wire(settings, routes, (store, health), publisher, (observer, sampler, clock or SystemClock()))
    finally:
        await publisher.stop()
        await store.close()


def _wire(
    settings: Settings,
    routes: Routes,
    kept: tuple[SqliteStore, Health],
    publisher: KafkaPublisher,
    watched: tuple[Observer, Sampler, Clock],
) -> Service:
    store, health = kept
    observer, sampler, clock = watched
    handlers = wire_handlers(
        routes,
        store=store,
        publisher=publisher,
        clock=clock,
        observer=observer,
        sampler=sampler,
        group=settings.kafka.group,
    )
    feed = KafkaConsumer(
        settings=settings,
        topics=routes.topics_in,
        owner=_owner(settings),
        handlers=handlers,
        store=store,
        health=health,
        observer=observer,
    )
    return Service(settings, routes, store, publisher, handlers, feed, health, Drain())


def _report(health: Health, check: str, trouble: str | None) -> None:
    """Report how the store does, or the publisher."""
    if trouble is None:
        health.ok(check)
    else:
        health.failing(check, trouble)


def _owner(settings: Settings) -> str:
    """Name this coordinator. One that starts again on the same file takes its own place in the group at once."""
    file = str(settings.sqlite_path.resolve()).encode()
    return f"{settings.kafka.client_id}-{hashlib.sha256(file).hexdigest()[:12]}"
