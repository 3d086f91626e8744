"""The demo's door: runs a demo, shows it while it runs, prints its result, and returns an exit code."""

import asyncio
import json
import logging
import signal
import threading
from collections.abc import Iterator
from typing import Final

from rich.console import Console

from saga_coordinator.service.app.run import ShutdownTimeout
from saga_coordinator.service.demo.live_view import follow
from saga_coordinator.service.demo.report import as_object, opening, summary
from saga_coordinator.service.demo.run import DemoResult, run_demo
from saga_coordinator.service.demo.script import Script
from saga_coordinator.service.demo.tally import DemoTally
from saga_coordinator.service.errors import BrokerError, NotReady
from saga_coordinator.service.telemetry.environment import ExportKind, endpoint
from saga_coordinator.service.telemetry.logs import configure

_LIBRARIES: Final = ("aiokafka", "asyncio")
_MAX_WARNINGS: Final = 5
_SIGNALLED: Final = 128
"""What a shell adds to the number of the signal that has ended a program."""


def demo(orders: int, *, as_json: bool) -> int:
    """Run a demo of so many orders, and return the exit code: 0 good, 1 not, 130 after Ctrl-C.

    With `as_json` standard output gets one JSON object at the end, nothing else. Raises `ValueError` for less than one
    order.
    """
    script, tally, received = Script.for_orders(orders), DemoTally(), list[int]()
    shown, remarks = _console(), _console(stderr=True)
    result = None
    if endpoint(ExportKind.TRACES) is not None:
        configure("error")
    _collect_logs(tally)
    if not as_json:
        shown.print(opening(script))
    try:
        result = asyncio.run(_run(script, tally, None if as_json else shown, received))
    except* (BrokerError, NotReady, ShutdownTimeout, OSError) as group:
        for error in _leaves(group):
            remarks.print(f"saga demo: {error}", style="red", soft_wrap=True)
    _print_warnings(remarks, tally)
    if received:
        remarks.print(f"Stopped after {tally.ended} of {script.orders} orders; nothing is left behind.", soft_wrap=True)
        return _SIGNALLED + received[0]
    if result is None:
        return 1
    if as_json:
        shown.file.write(json.dumps(as_object(script, tally, result)) + "\n")
    else:
        shown.print(summary(script, tally, result))
    return 0 if result.ok else 1


async def _run(script: Script, tally: DemoTally, shown: Console | None, received: list[int]) -> DemoResult:
    """Run, with the picture beside it; SIGINT and SIGTERM end it early, and are noted."""
    stop_early, loop = threading.Event(), asyncio.get_running_loop()

    def on_signal(number: int) -> None:
        received.append(number)
        stop_early.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, on_signal, each)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(follow(shown, script, tally)) if shown else None
        result = await run_demo(script, tally, stop_early)
        if watching is not None:
            watching.cancel()
    return result


def _print_warnings(remarks: Console, tally: DemoTally) -> None:
    """Print what failed and was tried again; the result says whether it did any harm."""
    for sentence in tally.warnings[:_MAX_WARNINGS]:
        remarks.print(f"saga demo: {sentence}", style="yellow", soft_wrap=True)
    if len(tally.warnings) > _MAX_WARNINGS:
        remarks.print(f"saga demo: and {len(tally.warnings) - _MAX_WARNINGS} more of this kind", style="yellow")


def _leaves(group: BaseExceptionGroup) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _collect_logs(tally: DemoTally) -> None:
    """Let the warnings of libraries go to the tally: on the terminal they would tear the picture."""
    for name in _LIBRARIES:
        logger = logging.getLogger(name)
        logger.addHandler(_Collector(tally))
        logger.propagate = False


class _Collector(logging.Handler):
    """Notes what libraries log from warnings on."""

    def __init__(self, tally: DemoTally) -> None:
        super().__init__(logging.WARNING)
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._tally.warn(f"{record.name}: {record.getMessage()}" + (f" ({error!r})" if error else ""))


def _console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)
