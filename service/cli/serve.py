"""`saga serve`: the coordinator as a process, from its settings until it is drained."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from threading import Timer
from typing import Annotated, Final

import typer

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.service.app import serve as serving
from saga_coordinator.service.catalog import demo_note, load_catalog
from saga_coordinator.service.cli import console
from saga_coordinator.service.cli.embedded import embedded_kafka
from saga_coordinator.service.cli.environment import load_settings
from saga_coordinator.service.cli.failures import reasons
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.telemetry.logs import Format, configure, logger, on_loop_error
from saga_coordinator.service.telemetry.observer import Telemetry

Report = Callable[[str], None]
"""How a sentence about what failed is reported."""

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
CLOSE_TIMEOUT: Final = 10.0
"""Seconds that closing may take, once what was begun is finished or given up."""


Embedded = Annotated[
    bool,
    typer.Option("--embedded", help="For development: a Kafka broker in this process, and an empty database"),
]


Recover = Annotated[
    bool,
    typer.Option("--recover", help="The database went back: what was decided since stalls, and is not decided again"),
]


def serve(*, embedded: Embedded = False, recover: Recover = False) -> None:
    """Run the coordinator until SIGTERM or SIGINT.

    It then drains, and ends with 0. A second signal ends it at once.
    """
    if embedded and recover:
        raise typer.BadParameter("the database of --embedded is empty, and did not go back", param_hint="--recover")
    report = _reporter()
    settings = load_settings(report)
    configure(settings.log.level, Format(settings.log.format))
    try:
        _serve(settings, report, embedded=embedded, recover=recover)
    except Exception as error:
        sentences = [each for each in reasons(error) if each is not None]
        if len(sentences) < len(list(reasons(error))):
            raise
        for each in sentences:
            report(each)
        raise typer.Exit(1) from error


def _reporter() -> Report:
    """Return how a failure is reported: a line of the log for a program that reads it, a sentence on a terminal."""
    if sys.stderr.isatty() or os.environ.get("SAGA_LOG__FORMAT") == Format.CONSOLE:
        return console.report
    configure()
    return lambda problem: logger().error(problem)


def _serve(settings: Settings, report: Report, *, embedded: bool, recover: bool) -> None:
    catalog = load_catalog(settings.catalog)
    if note := demo_note(settings):
        logger().info(note)
    telemetry = _telemetry(settings, report)
    broker = embedded_kafka(settings, catalog) if embedded else nullcontext(settings)
    with broker as served, asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_until_signal(served, catalog, telemetry, report, recover=recover))


async def _until_signal(
    settings: Settings, catalog: Sequence[AnySaga], telemetry: Telemetry, report: Report, *, recover: bool
) -> None:
    asyncio.get_running_loop().set_exception_handler(on_loop_error)
    stop = asyncio.Event()
    _stop_on_signals(stop, settings.shutdown_timeout + CLOSE_TIMEOUT, report)
    await serving.serve(settings, catalog, telemetry, stop, is_recovering=recover)


def _telemetry(settings: Settings, report: Report) -> Telemetry:
    """Set up telemetry as the OTEL_* variables say; exit with 2 if one of them is wrong."""
    try:
        return Telemetry(settings.kafka.group)
    except ValueError as error:
        report(str(error))
        raise typer.Exit(2) from error


def _stop_on_signals(stop: asyncio.Event, within: float, report: Report) -> None:
    """Start the drain on the first signal, for at most so many seconds; end the process at once on the second."""

    def ask(name: str) -> None:
        if stop.is_set():
            report(f"{name}, a second signal: ending at once; what is unpublished leaves after the next start")
            os._exit(1)
        logger().info("draining", signal=name)
        stop.set()
        _end_after(within, report)

    for each in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(each, ask, each.name)


def _end_after(seconds: float, report: Report) -> None:
    """End the process if it has not ended by then: a disk that does not answer would keep it."""

    def end() -> None:
        report(
            f"not ended within {seconds:g} s, so ending at once: does the disk of the database answer? "
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
