"""What `saga serve` does: the service with its API and its telemetry around it."""

import asyncio
import time

from service.api.app import build_api
from service.api.server import listen, serve_api
from service.bootstrap import Service, built
from service.catalog import load_catalog
from service.run import run
from service.settings import Settings
from service.telemetry.measures import Measures
from service.telemetry.metrics import CONTENT_TYPE
from service.telemetry.observer import Telemetry

MEASURE_EVERY = 1.0
COUNT_EVERY = 5.0


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then finish what was begun.

    Raises, with a text for whoever has started it: `BadCatalog`, `UnsoundSaga`, `StoreTaken`, `BadSchema`,
    `NoSuchTopic`, `OSError` for a port that is in use, `Abandoned` when finishing took too long.
    """
    telemetry = Telemetry(settings.kafka.group)
    listener = listen(settings.api.bind)
    try:
        async with built(settings, load_catalog(settings.catalog), telemetry, telemetry.sampler) as service:
            telemetry.start()
            try:
                api = build_api(service.health, telemetry.metrics.text, CONTENT_TYPE)
                async with asyncio.TaskGroup() as tasks:
                    beside = [
                        tasks.create_task(serve_api(api, listener), name="api"),
                        tasks.create_task(_measure(service, telemetry.measures), name="measures"),
                    ]
                    try:
                        await run(service, stop, telemetry)
                    finally:
                        for task in beside:
                            task.cancel()
            finally:
                await telemetry.stop()
    finally:
        listener.close()


async def _measure(service: Service, measures: Measures) -> None:
    """Tell the gauges what only the loops know, for ever."""
    counted = -COUNT_EVERY
    while True:
        measures.set_outbox(service.relay.pending, service.relay.age)
        lag = service.feed.lag
        for topic, partition in {(topic, int(number)) for topic, number in measures.lag} - lag.keys():
            measures.drop_lag(topic, partition)
        for (topic, partition), records in lag.items():
            measures.set_lag(topic, partition, records)
        if time.monotonic() - counted > COUNT_EVERY:
            measures.set_instances(await service.store.count_by_status())
            counted = time.monotonic()
        await asyncio.sleep(MEASURE_EVERY)
