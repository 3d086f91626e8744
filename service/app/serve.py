"""What `saga serve` runs: the service, its API and its telemetry."""

import asyncio
import os
import time
from collections.abc import Sequence

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.service.app.bootstrap import Service, build_service
from saga_coordinator.service.app.run import run
from saga_coordinator.service.http.app import build_api
from saga_coordinator.service.http.routes import add_action_routes
from saga_coordinator.service.http.server import listen, serve_api
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.telemetry.logs import logger
from saga_coordinator.service.telemetry.metrics import CONTENT_TYPE
from saga_coordinator.service.telemetry.observer import Telemetry

MEASURE_INTERVAL = 1.0
COUNT_INTERVAL = 5.0


async def serve(settings: Settings, catalog: Sequence[AnySaga], telemetry: Telemetry, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then finish the work in progress. Everything is closed again on every path.

    Raises, alone or in a group, with a message for the operator: `BadCatalog`, `StoreError` (also when a sync fails
    later), `NoSuchTopic`, `OSError` for a port that is in use, `ShutdownTimeout` when finishing takes too long.
    """
    telemetry.start()
    try:
        async with (
            build_service(settings, catalog, telemetry, telemetry.sampler) as service,
            asyncio.TaskGroup() as tasks,
        ):
            api = build_api(service.health, telemetry.metrics.text, CONTENT_TYPE)
            add_action_routes(
                api, service.handlers.operator, service.handlers.redrive, settings.api.bind, service.drain
            )
            background = [
                tasks.create_task(serve_api(api, listen(settings.api.bind)), name="api"),
                tasks.create_task(_measure(service, telemetry), name="measures"),
                tasks.create_task(service.store.run_checkpoints(telemetry), name="checkpoints"),
            ]
            logger().info("serving", api=settings.api.bind, store=str(settings.sqlite_path), pid=os.getpid())
            await run(service, stop, telemetry)
            for task in background:
                task.cancel()
    finally:
        await telemetry.stop()
    logger().info("drained")


async def _measure(service: Service, telemetry: Telemetry) -> None:
    measures, counted = telemetry.measures, -COUNT_INTERVAL
    while True:
        measures.set_outbox(service.handlers.relay.pending, service.handlers.relay.age)
        measures.set_lag(service.consumer.lag)
        if time.monotonic() - counted > COUNT_INTERVAL:
            counted = time.monotonic()
            try:
                measures.set_instances(await service.store.count_by_status())
                measures.set_dead_letters(*await service.store.count_dead_letters())
            except Exception as error:  # noqa: BLE001  the gauges keep their values; nothing else depends on them
                telemetry.on_error("instances were not counted", error)
        await asyncio.sleep(MEASURE_INTERVAL)
