"""What `saga serve` runs: the service, with its API and its telemetry around it."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence

from aiokafka.errors import KafkaError

from saga_coordinator.handlers.ports import Observer
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.service.app.bootstrap import Service, build_service
from saga_coordinator.service.app.run import INITIAL_BACKOFF, MAX_BACKOFF, run
from saga_coordinator.service.http import checks
from saga_coordinator.service.http.app import build_api
from saga_coordinator.service.http.routes import add_action_routes
from saga_coordinator.service.http.server import listen, serve_api
from saga_coordinator.service.kafka.admin import State, plan
from saga_coordinator.service.kafka.publisher import NoSuchTopic
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.storage.sqlite.checkpoint import checkpoint
from saga_coordinator.service.telemetry.logs import logger
from saga_coordinator.service.telemetry.measures import Measures
from saga_coordinator.service.telemetry.metrics import CONTENT_TYPE
from saga_coordinator.service.telemetry.observer import Telemetry

MEASURE_INTERVAL = 1.0
COUNT_INTERVAL = 5.0


async def serve(settings: Settings, catalog: Sequence[AnySaga], telemetry: Telemetry, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then finish what was begun. Takes everything apart again on every path.

    Raises, alone or in a group, with a text for whoever has started it: `BadCatalog`, `StoreUnusable` (also when a sync
    has failed later on), `NoSuchTopic`, `OSError` for a port that is in use, `ShutdownTimeout` when finishing took
    too long.
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
            beside = [
                tasks.create_task(serve_api(api, listen(settings.api.bind)), name="api"),
                tasks.create_task(_measure(service, telemetry), name="measures"),
                tasks.create_task(checkpoint(service.store, telemetry), name="write back"),
            ]
            logger().info("serving", api=settings.api.bind, store=str(settings.sqlite_path), pid=os.getpid())
            looking = tasks.create_task(_check_topics(service, telemetry), name="topics")
            stopping = tasks.create_task(stop.wait(), name="stop")
            await asyncio.wait({looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            looking.cancel()
            await run(service, stop, telemetry)
            for task in beside:
                task.cancel()
    finally:
        await telemetry.stop()
    logger().info("drained")


async def _check_topics(service: Service, observer: Observer) -> None:
    """Wait for Kafka, however long it takes, and see that every topic is there before a client could make one unasked.

    Raises `NoSuchTopic`, which names all that are missing: who creates them wants to do it once.
    """
    wait = INITIAL_BACKOFF
    while True:
        try:
            topics = await plan(service.settings.kafka, service.routes)
        except (OSError, KafkaError) as error:
            service.health.failing(checks.PUBLISHER, str(error))
            observer.on_error("no connection to Kafka", error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, MAX_BACKOFF)
            continue
        missing = [topic.name for topic in topics if topic.state is State.MISSING]
        if missing:
            raise NoSuchTopic(f"topics are missing: {', '.join(missing)}; create them by `saga topics apply`")
        return


async def _measure(service: Service, telemetry: Telemetry) -> None:
    """Tell the gauges what only the loops know, for ever."""
    measures, counted = telemetry.measures, -COUNT_INTERVAL
    while True:
        measures.set_outbox(service.handlers.relay.pending, service.handlers.relay.age)
        _report_lag(measures, service.feed.lag)
        if time.monotonic() - counted > COUNT_INTERVAL:
            counted = time.monotonic()
            try:
                measures.set_instances(await service.store.count_by_status())
                measures.set_dead_letters(*await service.store.count_dead_letters())
            except Exception as error:  # noqa: BLE001  a gauge stands still; nothing else depends on it
                telemetry.on_error("instances were not counted", error)
        await asyncio.sleep(MEASURE_INTERVAL)


def _report_lag(measures: Measures, lag: Mapping[tuple[str, int], int]) -> None:
    for topic, partition in {(topic, int(number)) for topic, number in measures.lag} - lag.keys():
        measures.remove_lag(topic, partition)
    for (topic, partition), records in lag.items():
        measures.set_lag(topic, partition, records)
