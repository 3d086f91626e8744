"""A demo from its first line to its last: what is played, the picture of it, its result, the story of one order."""

import asyncio
import json
import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console

from saga_coordinator.service.app.run import ShutdownTimeout
from saga_coordinator.service.demo import display, programme
from saga_coordinator.service.demo.participants import Participants
from saga_coordinator.service.demo.result import as_object, is_good, summary
from saga_coordinator.service.demo.script import Script
from saga_coordinator.service.demo.stage import DemoResult, run_demo
from saga_coordinator.service.demo.tally import Tally
from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.kafka.broker_error import BrokerError
from saga_coordinator.service.telemetry.environment import Kind, endpoint
from saga_coordinator.service.telemetry.logs import configure

_LIBRARIES: Final = ("aiokafka", "asyncio")
_MAX_WARNINGS: Final = 5
_SIGNALLED: Final = 128
"""What a shell adds to the number of the signal that has ended a program."""


def show(script: Script, *, as_json: bool, participants_class: type[Participants] = Participants) -> int:
    """Play a script, show it, and return the exit code: 0 good, 1 not, 130 after Ctrl-C.

    `cast` carries out the commands. With `as_json` standard output gets one JSON object at the end, nothing else.
    """
    shown, remarks = _console(), _console(stderr=True)
    tally, received = Tally(), list[int]()
    result = None
    if endpoint(Kind.TRACES) is not None:
        configure("error")
    if not as_json:
        shown.print(programme.opening(script))
    try:
        with _collecting_logs(tally):
            result = asyncio.run(_run(script, tally, None if as_json else shown, received, participants_class))
    except* (BrokerError, NotReady, ShutdownTimeout, OSError) as group:
        for error in _leaves(group):
            remarks.print(f"saga demo: {error}", style="red", soft_wrap=True)
    _print_warnings(remarks, tally)
    if received:
        remarks.print(f"Stopped after {tally.over} of {script.orders} orders; nothing is left behind.", soft_wrap=True)
        return _SIGNALLED + received[0]
    if result is None:
        return 1
    _print_result(shown, script, tally, result, as_json=as_json)
    return 0 if is_good(result) else 1


async def _run(
    script: Script, tally: Tally, shown: Console | None, received: list[int], participants_class: type[Participants]
) -> DemoResult:
    """Play, with the picture beside it; a signal lets it come to its end early."""
    stop_early = threading.Event()
    with _stop_on_signals(stop_early, received):
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(display.follow(shown, script, tally)) if shown else None
            result = await run_demo(script, tally, stop_early, participants_class)
            if watching is not None:
                watching.cancel()
    return result


def _print_result(shown: Console, script: Script, tally: Tally, result: DemoResult, *, as_json: bool) -> None:
    if as_json:
        shown.file.write(json.dumps(as_object(script, tally, result)) + "\n")
        return
    shown.print(summary(script, tally, result))
    if result.story is not None:
        shown.print(programme.story(result.story))
    shown.print(programme.closing())


def _print_warnings(remarks: Console, tally: Tally) -> None:
    """Tell what did not work and was tried again; the result says whether it did any harm."""
    for sentence in tally.warnings[:_MAX_WARNINGS]:
        remarks.print(f"saga demo: {sentence}", style="yellow", soft_wrap=True)
    if len(tally.warnings) > _MAX_WARNINGS:
        remarks.print(f"saga demo: and {len(tally.warnings) - _MAX_WARNINGS} more of this kind", style="yellow")


def _leaves(group: BaseExceptionGroup) -> Iterator[BaseException]:
    """Yield the errors in a group, and in the groups within it."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


@contextmanager
def _stop_on_signals(stop_early: threading.Event, received: list[int]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM set `leave`, and note which of them has come. Other threads get no signals."""
    loop = asyncio.get_running_loop()
    awaited = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()

    def came(number: int) -> None:
        received.append(number)
        stop_early.set()

    for each in awaited:
        loop.add_signal_handler(each, came, each)
    try:
        yield
    finally:
        for each in awaited:
            loop.remove_signal_handler(each)


@contextmanager
def _collecting_logs(tally: Tally) -> Iterator[None]:
    """Let the warnings of libraries go to the tally: on the terminal they would tear the picture."""
    collector = _Collector(tally)
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    before = [each.propagate for each in loggers]
    for each in loggers:
        each.addHandler(collector)
        each.propagate = False
    try:
        yield
    finally:
        for each, propagated in zip(loggers, before, strict=True):
            each.removeHandler(collector)
            each.propagate = propagated


class _Collector(logging.Handler):
    """Takes what libraries log from warnings on."""

    def __init__(self, tally: Tally) -> None:
        super().__init__(logging.WARNING)
        self._tally = tally

    def emit(self, record: logging.LogRecord) -> None:
        """Note one sentence, with the error that it came with."""
        error = record.exc_info[1] if record.exc_info else None
        self._tally.warn(f"{record.name}: {record.getMessage()}" + (f" ({error!r})" if error else ""))


def _console(*, stderr: bool = False) -> Console:
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)
