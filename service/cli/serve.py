"""`saga serve`: the coordinator as a process, from its settings to a drained end."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from typing import Final

import typer
from aiokafka.errors import KafkaError

from handlers.ports import Observer
from handlers.routing import AnySaga
from service.api import checks
from service.api.app import build_api
from service.api.server import listen, serve_api
from service.bootstrap import Service, built
from service.catalog import load_catalog
from service.cli.configuration import load_settings, unknown_variables
from service.cli.console import remark
from service.kafka.publisher import NoSuchTopic
from service.kafka.topics import State, plan
from service.run import FIRST_WAIT, LONGEST_WAIT, run
from service.settings import Settings
from service.telemetry.logs import Format, configure, logger
from service.telemetry.metrics import CONTENT_TYPE
from service.telemetry.observer import Telemetry

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def serve() -> None:
    """Run the coordinator until a signal. Raises what keeps it from starting, or from ending well."""
    settings = load_settings()
    configure(settings.log.level, Format(settings.log.format))
    for problem in unknown_variables():
        logger().warning(problem)
    catalog = load_catalog(settings.catalog)
    telemetry = _telemetry(settings)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, catalog, telemetry))


async def _serve(settings: Settings, catalog: Sequence[AnySaga], telemetry: Telemetry) -> None:
    """Put everything together, run it, and take it apart again on every path."""
    stop = asyncio.Event()
    _stop_on_signals(stop)
    telemetry.start()
    try:
        async with built(settings, catalog, telemetry, telemetry.sampler) as service, asyncio.TaskGroup() as tasks:
            api = build_api(service.health, telemetry.metrics.text, CONTENT_TYPE)
            serving = tasks.create_task(serve_api(api, listen(settings.api.bind)), name="api")
            logger().info("serving", api=settings.api.bind, store=str(settings.sqlite_path), pid=os.getpid())
            looking = tasks.create_task(_topics_there(service, telemetry), name="topics")
            stopping = tasks.create_task(stop.wait(), name="stop")
            await asyncio.wait({looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            looking.cancel()
            await run(service, stop, telemetry)
            serving.cancel()
    finally:
        await telemetry.stop()
    logger().info("drained")


async def _topics_there(service: Service, observer: Observer) -> None:
    """Wait for Kafka, however long it takes, and see that every topic is there before a client could make one unasked.

    Raises `NoSuchTopic`, which names all that are missing: who creates them wants to do it once.
    """
    wait = FIRST_WAIT
    while True:
        try:
            topics = await plan(service.settings.kafka, service.routes)
        except (OSError, KafkaError) as error:
            service.health.failing(checks.PUBLISHER, str(error))
            observer.troubled("no connection to Kafka", error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT)
            continue
        missing = [topic.name for topic in topics if topic.state is State.MISSING]
        if missing:
            raise NoSuchTopic(f"topics are missing: {', '.join(missing)}; create them by `saga topics apply`")
        return


def _telemetry(settings: Settings) -> Telemetry:
    """Set telemetry up as the OTEL_* variables say; end with 2 if one of them is wrong."""
    try:
        return Telemetry(settings.kafka.group)
    except ValueError as error:
        remark(f"saga: {error}")
        raise typer.Exit(2) from error


def _stop_on_signals(stop: asyncio.Event) -> None:
    """Let the first signal begin the drain, and the second end the process at once."""

    def ask(name: str) -> None:
        if stop.is_set():
            remark(f"saga: {name}, a second signal: ending at once; what is unpublished leaves after the next start")
            os._exit(1)
        logger().info("draining", signal=name)
        stop.set()

    for each in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(each, ask, each.name)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop where it is installed."""
    try:
        import uvloop  # noqa: PLC0415  it is not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
