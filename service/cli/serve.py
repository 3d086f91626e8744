"""`saga serve`: the coordinator as a process, from its settings until it is drained."""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from threading import Timer
from typing import Annotated, Final

import typer

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.service.app import serve as serving
from saga_coordinator.service.catalog import load_catalog
from saga_coordinator.service.cli.console import remark
from saga_coordinator.service.cli.embedded import embedded_kafka
from saga_coordinator.service.cli.environment import load_settings
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.telemetry.logs import Format, configure, logger
from saga_coordinator.service.telemetry.observer import Telemetry

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
CLOSE_TIMEOUT: Final = 10.0
"""Seconds that closing may take, once what was begun is finished or given up."""


Embedded = Annotated[
    bool,
    typer.Option("--embedded", help="For development: a Kafka broker in this process, and an empty database"),
]


def serve(*, embedded: Embedded = False) -> None:
    """Run the coordinator until SIGTERM or SIGINT.

    It then drains, and ends with 0. A second signal ends it at once.
    """
    settings = load_settings()
    configure(settings.log.level, Format(settings.log.format))
    catalog = load_catalog(settings.catalog)
    telemetry = _telemetry(settings)
    broker = embedded_kafka(settings, catalog) if embedded else nullcontext(settings)
    with broker as served, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_until_signal(served, catalog, telemetry))


async def _until_signal(settings: Settings, catalog: Sequence[AnySaga], telemetry: Telemetry) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop, settings.shutdown_timeout + CLOSE_TIMEOUT)
    await serving.serve(settings, catalog, telemetry, stop)


def _telemetry(settings: Settings) -> Telemetry:
    """Set up telemetry as the OTEL_* variables say; exit with 2 if one of them is wrong."""
    try:
        return Telemetry(settings.kafka.group)
    except ValueError as error:
        remark(f"saga: {error}")
        raise typer.Exit(2) from error


def _stop_on_signals(stop: asyncio.Event, within: float) -> None:
    """Start the drain on the first signal, for at most so many seconds; end the process at once on the second."""

    def ask(name: str) -> None:
        if stop.is_set():
            remark(f"saga: {name}, a second signal: ending at once; what is unpublished leaves after the next start")
            os._exit(1)
        logger().info("draining", signal=name)
        stop.set()
        _end_after(within)

    for each in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(each, ask, each.name)


def _end_after(seconds: float) -> None:
    """End the process if it has not ended by then: a disk that does not answer would keep it."""

    def end() -> None:
        remark(
            f"saga: not ended within {seconds:g} s, so ending at once: does the disk of the database answer? "
            "What was committed before is safe, and what is unpublished leaves after the next start"
        )
        os._exit(1)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  it is not there on every platform
    except ImportError:
        return None
    return uvloop.new_event_loop
