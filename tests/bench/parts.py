"""Where the CPU time of the service goes, by part of its loop: `python -m tests.bench.parts serve` is `saga serve`.

The instruments wrap the functions of `PARTS` from outside: nothing in the measured code refers to them, so they cost
nothing where they are not installed; where they are, some 1 us a call. A part has the time of its functions without
that of the parts which they call, also when SQLite's thread works for them. What no part has is the rest: the event
loop, and whatever runs beside it. A function that is renamed is renamed here too; a test says so.

On SIGUSR1 the process writes the seconds that each part has taken so far into the file that `SAGA_BENCH_PARTS` names.
"""

import functools
import importlib
import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Mapping
from inspect import iscoroutinefunction
from pathlib import Path
from time import process_time, thread_time
from typing import Any, Final

from saga_coordinator.service.cli.main import main

VARIABLE: Final = "SAGA_BENCH_PARTS"

_HANDLERS: Final = "saga_coordinator.handlers"
_SQLITE: Final = "saga_coordinator.service.storage.sqlite"
_KAFKA: Final = "saga_coordinator.service.kafka"

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "fetch": (
        f"{_KAFKA}.consumer:KafkaConsumer._poll",
        "aiokafka.consumer.fetcher:Fetcher._proc_fetch_request",
        "aiokafka.consumer.fetcher:Fetcher._fetch_requests_routine",
    ),
    "read": (f"{_HANDLERS}.intake:read",),
    "load": (
        f"{_HANDLERS}.unit_of_work:UnitOfWork.recall",
        f"{_HANDLERS}.unit_of_work:UnitOfWork.load",
        f"{_SQLITE}.transaction:SqliteTransaction.advance",
    ),
    "decide": (f"{_HANDLERS}.dispatch:Dispatcher.dispatch", f"{_HANDLERS}.dispatch:Dispatcher.release"),
    "save": (
        f"{_SQLITE}.transaction:SqliteTransaction.save",
        f"{_SQLITE}.store:statements_of",
        f"{_SQLITE}.rows:run_all",
    ),
    "commit": (
        f"{_SQLITE}.store:SqliteStore.transact",
        f"{_SQLITE}.store:SqliteStore.commit",
        f"{_SQLITE}.store:SqliteStore._transact",
        f"{_SQLITE}.short_form:commit",
    ),
    "publish": (
        f"{_HANDLERS}.relay:Relay.push",
        f"{_KAFKA}.publisher:KafkaPublisher._on_acknowledged",
        f"{_KAFKA}.publisher:KafkaPublisher._publish",
        "aiokafka.producer.sender:Sender._sender_routine",
        "aiokafka.producer.sender:Sender._send_produce_req",
    ),
    "telemetry": (
        "saga_coordinator.service.telemetry.observer:Telemetry.on_commit",
        "saga_coordinator.service.telemetry.export:SpanExport._export_queue",
    ),
}
"""The functions of each part, as MODULE:NAME. `commit` has the rest of a transaction: BEGIN, COMMIT, the trips."""

REST: Final = "rest"


class PartClock:
    """The CPU time of each part, in seconds; each thread has a stack of parts, of which the topmost is running."""

    def __init__(self) -> None:
        self._threads: list[_ThreadClock] = []
        self._local = threading.local()

    @property
    def here(self) -> "_ThreadClock":
        """The clock of the running thread."""
        clock: _ThreadClock | None = getattr(self._local, "clock", None)
        if clock is None:
            clock = self._local.clock = _ThreadClock()
            self._threads.append(clock)
        return clock

    def read(self) -> dict[str, float]:
        """Return the seconds of each part so far, and of the rest of the process."""
        total: Counter[str] = Counter()
        for thread in self._threads:
            total.update(thread.seconds.copy())
        seconds = {part: total[part] for part in PARTS}
        return {**seconds, REST: process_time() - sum(seconds.values())}


class _ThreadClock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)
        self._stack: list[str] = []
        self._since = 0.0

    @property
    def part(self) -> str | None:
        """The part that is running."""
        return self._stack[-1] if self._stack else None

    def enter(self, part: str) -> None:
        self._charge()
        self._stack.append(part)

    def leave(self) -> None:
        self._charge()
        self._stack.pop()

    def _charge(self) -> None:
        now = thread_time()
        if self._stack:
            self.seconds[self._stack[-1]] += now - self._since
        self._since = now


def install() -> PartClock:
    """Wrap the functions of all parts. Raises `LookupError` if one is gone."""
    clock = PartClock()
    for part, targets in PARTS.items():
        for target in targets:
            owner, name, function = find(target)
            setattr(owner, name, _timed(clock, part, function))
    _follow_to_thread(clock)
    return clock


def find(target: str) -> tuple[Any, str, Callable[..., Any]]:
    """Return the owner, the name and the function that MODULE:NAME means. Raises `LookupError` if there is none."""
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    try:
        owner: Any = functools.reduce(getattr, owners, importlib.import_module(module))
        return owner, name, getattr(owner, name)
    except (ImportError, AttributeError) as error:
        raise LookupError(f"{target} is gone: name what does its work now in tests/bench/parts.py") from error


def _timed(clock: PartClock, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function, or a coroutine function, whose CPU time goes to a part."""
    if iscoroutinefunction(function):

        @functools.wraps(function)
        async def steps(*args: object, **named: object) -> object:
            return await _Steps(clock, part, function(*args, **named))

        return steps

    @functools.wraps(function)
    def call(*args: object, **named: object) -> object:
        here = clock.here
        here.enter(part)
        try:
            return function(*args, **named)
        finally:
            here.leave()

    return call


class _Steps:
    """A coroutine of a part: its clock runs only while one of its steps does."""

    def __init__(self, clock: PartClock, part: str, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._clock = clock
        self._part = part
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        step, argument = self._coroutine.send, None
        here = self._clock.here
        while True:
            here.enter(self._part)
            try:
                awaited = step(argument)
            except StopIteration as end:
                return end.value
            finally:
                here.leave()
            try:
                step, argument = self._coroutine.send, (yield awaited)
            except BaseException as error:  # noqa: BLE001  a cancellation, too, is the coroutine's own
                step, argument = self._coroutine.throw, error


def _follow_to_thread(clock: PartClock) -> None:
    """Let what SQLite's thread does count for the part that waits for it: all its work passes through one method."""
    owner, name, execute = find("aiosqlite:Connection._execute")

    @functools.wraps(execute)
    async def follow(self: object, work: Callable[..., Any], *args: object, **named: object) -> object:
        part = clock.here.part
        return await execute(self, work if part is None else _timed(clock, part, work), *args, **named)

    setattr(owner, name, follow)


def _write_on_signal(clock: PartClock, file: Path) -> None:
    """Write what was measured whenever SIGUSR1 comes, from a thread of its own."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})

    def wait() -> None:
        while True:
            signal.sigwait({signal.SIGUSR1})
            written = file.with_suffix(".new")
            written.write_text(json.dumps(clock.read()), encoding="utf-8")
            written.replace(file)

    threading.Thread(target=wait, name="parts", daemon=True).start()


if __name__ == "__main__":
    _write_on_signal(install(), Path(os.environ.pop(VARIABLE)))
    main()
