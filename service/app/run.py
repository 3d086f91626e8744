"""Runs the service: one TaskGroup, drained on SIGTERM."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from aiokafka.errors import KafkaError

from saga_coordinator.handlers.ports import Observer
from saga_coordinator.service.app.bootstrap import Service
from saga_coordinator.service.health import Health
from saga_coordinator.service.http import checks
from saga_coordinator.service.kafka.publisher import KafkaPublisher

TIMER_INTERVAL = 0.2
INITIAL_BACKOFF = 0.2
MAX_BACKOFF = 5.0


class ShutdownTimeout(Exception):
    """Shutdown took too long: what is not published yet stays in the outbox, and leaves after the next start."""


async def run(service: Service, stop: asyncio.Event, observer: Observer) -> None:
    """Run until `stop` is set, then finish what was begun. Raises `ShutdownTimeout` when that takes too long."""
    _tune_garbage_collector()
    if not await _run_until_stopped(service, stop, observer):
        pending, within = service.handlers.relay.pending, service.settings.shutdown_timeout
        raise ShutdownTimeout(
            f"{pending} messages were not acknowledged within {within} s; "
            "they are safe in the outbox and leave after the next start"
        )


async def _run_until_stopped(service: Service, stop: asyncio.Event, observer: Observer) -> bool:
    """Run until `stop` is set. False: something was left unfinished."""
    async with asyncio.TaskGroup() as tasks:
        connected = tasks.create_task(_connect(service.publisher, service.health, observer), name="connect")
        await _first(connected, stop)
        if not connected.done():
            connected.cancel()
            return True
        service.health.started()
        relay = tasks.create_task(_supervise(service.handlers.relay.run), name="relay")
        timers = tasks.create_task(_supervise(partial(_fire_timers, service, observer, stop)), name="alarms")
        commits = tasks.create_task(_supervise(service.feed.commit_offsets), name="hints")
        watch = tasks.create_task(_supervise(service.feed.watch), name="watch")
        feed = tasks.create_task(_supervise(partial(service.feed.run, stop)), name="feed")
        await stop.wait()
        idle = () if service.feed.caught_up.is_set() else (timers,)
        for loop in (commits, watch, *idle):
            loop.cancel()
        try:
            async with asyncio.timeout(service.settings.shutdown_timeout):
                await feed
                await asyncio.wait({timers})
                await service.drain.close()
                await service.handlers.relay.drained()
        except TimeoutError:
            feed.cancel()
            timers.cancel()
            return False
        finally:
            relay.cancel()
        return True


async def _supervise(loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a loop. A cancellation that nobody has asked for is an error: a TaskGroup would not miss the loop."""
    try:
        await loop()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("a loop was cancelled, and by none of us: the service cannot go on without it") from error


def _tune_garbage_collector() -> None:
    """Let the cyclic collector run seldom: a signal makes many values and no cycles. It took a tenth of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _connect(publisher: KafkaPublisher, health: Health, observer: Observer) -> None:
    """Connect to Kafka, however long it takes; only a missing topic is an error."""
    wait = INITIAL_BACKOFF
    while True:
        try:
            await publisher.start()
        except (OSError, TimeoutError, KafkaError) as error:
            health.failing(checks.PUBLISHER, f"no connection to Kafka: {error}")
            observer.on_error("no connection to Kafka", error)
            await asyncio.sleep(wait)
            wait = min(wait * 2, MAX_BACKOFF)
        else:
            health.ok(checks.PUBLISHER)
            return


async def _fire_timers(service: Service, observer: Observer, stop: asyncio.Event) -> None:
    """Ring what is due, a few times a second, until `stop` is set; but first let what came in a down time be taken in.

    While too much is unsent nothing rings: what is asked again could not leave, and would fill the memory. What rings
    is never cut off: its messages would be written, and nobody would send them before the next start.
    """
    await service.feed.caught_up.wait()
    while not stop.is_set():
        try:
            more = (
                service.handlers.relay.pending <= service.settings.outbox_limit
                and await service.handlers.timers.fire_due()
            )
        except Exception as error:  # noqa: BLE001  the store's trouble is told, waited out and tried again
            observer.on_error("alarms did not ring", error)
            more = False
        if not more:
            await asyncio.sleep(TIMER_INTERVAL)


async def _first(task: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    """Wait until a task is done, or the service is told to stop."""
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
