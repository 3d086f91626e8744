"""What `saga serve` runs: the service, its API and its telemetry."""

import asyncio
import os
import time
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.service.app.bootstrap import Service, build_service
from saga_coordinator.service.app.run import run
from saga_coordinator.service.clock import SystemClock
from saga_coordinator.service.health import CHECKS, STORE, Health
from saga_coordinator.service.http.app import build_api
from saga_coordinator.service.http.problems import problem
from saga_coordinator.service.http.routes import Actions, build_actions
from saga_coordinator.service.http.server import listen, serve_api
from saga_coordinator.service.settings import ApiSettings, Settings
from saga_coordinator.service.telemetry.logs import logger
from saga_coordinator.service.telemetry.metrics import CONTENT_TYPE
from saga_coordinator.service.telemetry.observer import Telemetry

MEASURE_INTERVAL = 1.0
COUNT_INTERVAL = 5.0
NEVER = datetime.max.replace(tzinfo=UTC)


async def serve(
    settings: Settings,
    catalog: Sequence[AnySaga],
    telemetry: Telemetry,
    stop: asyncio.Event,
    *,
    is_recovering: bool = False,
) -> None:
    """Serve until `stop` is set, then finish the work in progress. Everything is closed again on every path.

    Raises, alone or in a group, with a message for the operator: `BadCatalog`, `StoreError` (also when a sync fails
    later), `NoSuchTopic`, `OSError` for a port that is in use, `ShutdownTimeout` when finishing takes too long.
    """
    telemetry.start()
    health, actions = Health(CHECKS), Actions()
    health.failing(STORE, "the database is being opened, and brought to the schema of this program")
    try:
        async with asyncio.TaskGroup() as servers:
            apis = [servers.create_task(each, name="api") for each in _apis(settings.api, health, telemetry, actions)]
            async with build_service(
                settings, catalog, telemetry, telemetry.sampler, health=health, is_recovering=is_recovering
            ) as service:
                handlers, set_positions = service.handlers, service.positions.set
                bind, drain = settings.api.actions_bind, service.drain
                actions.open(build_actions(handlers.operator, handlers.redrive, set_positions, bind, drain))
                await _run(service, stop, telemetry)
            for api in apis:
                api.cancel()
    finally:
        await telemetry.stop()
    logger().info("drained")


def _apis(
    settings: ApiSettings, health: Health, telemetry: Telemetry, actions: Actions
) -> Sequence[Coroutine[Any, Any, None]]:
    """Return what serves the API. It listens from now on, before the database is open."""
    here: ASGIApp = actions
    servers = []
    if settings.admin_bind is not None:
        elsewhere = f"what changes something is accepted at SAGA_API__ADMIN_BIND={settings.admin_bind} only"
        here = problem(HTTPStatus.FORBIDDEN, elsewhere)
        servers.append(serve_api(actions, listen(settings.admin_bind, "SAGA_API__ADMIN_BIND")))
    api = build_api(health, telemetry.metrics.text, CONTENT_TYPE, here)
    return [*servers, serve_api(api, listen(settings.bind))]


async def _run(service: Service, stop: asyncio.Event, telemetry: Telemetry) -> None:
    """Run the service, and beside it what measures it and writes its WAL back."""
    settings = service.settings
    async with asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(_measure(service, telemetry), name="measures"),
            tasks.create_task(service.store.run_checkpoints(telemetry), name="checkpoints"),
        ]
        binds = {"api": settings.api.bind, "actions": settings.api.actions_bind}
        logger().info("serving", **binds, store=settings.store, pid=os.getpid())
        await run(service, stop, telemetry)
        for task in background:
            task.cancel()


async def _measure(service: Service, telemetry: Telemetry) -> None:
    """Set the gauges at intervals. Counting in the database takes at most a hundredth of the time."""
    measures, clock, next_count = telemetry.measures, SystemClock(), 0.0
    measures.expect(service.routes)
    measures.timers_from = NEVER
    while True:
        measures.set_outbox(service.handlers.relay.pending, service.handlers.relay.age)
        measures.set_lag(service.consumer.lag)
        measures.stopped_partitions = len(service.consumer.stopped)
        measures.set_checks((check.name, check.is_ok) for check in service.health.checks)
        if measures.timers_from == NEVER and service.consumer.caught_up.is_set():
            measures.timers_from = clock.now()
        if (began := time.monotonic()) > next_count:
            try:
                measures.set_counts(await service.store.counts(clock.now()), clock.now())
            except Exception as error:  # noqa: BLE001  the gauges keep their values; nothing else depends on them
                telemetry.on_error("instances were not counted", error)
            next_count = time.monotonic() + max(COUNT_INTERVAL, 100 * (time.monotonic() - began))
        await asyncio.sleep(MEASURE_INTERVAL)
