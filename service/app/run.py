"""Runs the service: one TaskGroup, drained on SIGTERM."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from saga_coordinator.handlers.backoff import Backoff
from saga_coordinator.handlers.ports import Observer
from saga_coordinator.service.app import recovery
from saga_coordinator.service.app.bootstrap import Service
from saga_coordinator.service.health import PUBLISHER
from saga_coordinator.service.kafka.errors import ClientError

TIMER_INTERVAL = 0.2


class ShutdownTimeout(Exception):
    """Shutdown took too long: what is not published yet stays in the outbox, and leaves after the next start."""


async def run(service: Service, stop: asyncio.Event, observer: Observer) -> None:
    """Run until `stop` is set, then finish the work in progress. Raises `ShutdownTimeout` when that takes too long."""
    _tune_garbage_collector()
    if not await _run_until_stopped(service, stop, observer):
        pending, seconds = service.handlers.relay.pending, service.settings.shutdown_timeout
        raise ShutdownTimeout(
            f"{pending} messages were not acknowledged within {seconds} s; "
            "they are safe in the outbox and leave after the next start"
        )


async def _run_until_stopped(service: Service, stop: asyncio.Event, observer: Observer) -> bool:
    """Run until `stop` is set. Return whether everything was finished."""
    async with asyncio.TaskGroup() as tasks:
        connecting = tasks.create_task(_connect(service, observer), name="connect")
        await _wait_for_first(connecting, stop)
        if not connecting.done():
            connecting.cancel()
            return True
        service.health.started()
        relay = tasks.create_task(_supervise(service.handlers.relay.run), name="relay")
        timers = tasks.create_task(_supervise(partial(_fire_timers, service, observer, stop)), name="timers")
        commits = tasks.create_task(_supervise(service.consumer.commit_offsets), name="offset commits")
        monitor = tasks.create_task(_supervise(service.consumer.watch), name="broker monitor")
        consumer = tasks.create_task(_supervise(partial(service.consumer.run, stop)), name="consumer")
        recovering = tasks.create_task(_complete_recovery(service), name="recovery")
        await stop.wait()
        idle = () if service.consumer.caught_up.is_set() else (timers,)
        for loop in (commits, monitor, recovering, *idle):
            loop.cancel()
        try:
            async with asyncio.timeout(service.settings.shutdown_timeout):
                await consumer
                await asyncio.wait({timers})
                await service.drain.close()
                await service.handlers.relay.wait_until_drained()
        except TimeoutError:
            consumer.cancel()
            timers.cancel()
            return False
        finally:
            relay.cancel()
        return True


async def _complete_recovery(service: Service) -> None:
    if service.is_recovering:
        await recovery.complete(service)


async def _supervise(loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a loop. That a library cancels it is an error: a TaskGroup would continue without the loop."""
    try:
        await loop()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise RuntimeError("a loop was cancelled by a library: the service cannot continue without it") from error


def _tune_garbage_collector() -> None:
    """Collect cycles less often: a signal makes many values and no cycles, and collecting took a tenth of the CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def _connect(service: Service, observer: Observer) -> None:
    """Connect to Kafka, however long it takes. Raises `NoSuchTopic`."""
    backoff = Backoff()
    while True:
        try:
            await service.publisher.start()
            if service.is_recovering:
                await recovery.prepare(service)
        except (OSError, ClientError) as error:
            reason = str(error) if isinstance(error, ConnectionError) else f"no connection to Kafka: {error}"
            service.health.failing(PUBLISHER, reason)
            observer.on_error("no connection to Kafka", error)
            await asyncio.sleep(backoff.next())
        else:
            service.health.ok(PUBLISHER)
            return


async def _fire_timers(service: Service, observer: Observer, stop: asyncio.Event) -> None:
    """Fire due timers until `stop` is set, after the backlog of a downtime is processed.

    While the outbox is full no timer fires: commands that are sent again could not leave, and would fill the memory.
    A batch of timers is never cancelled: its messages would be committed, and not published before the next start.
    """
    await service.consumer.caught_up.wait()
    relay, settings = service.handlers.relay, service.settings
    while not stop.is_set():
        try:
            is_full = relay.exceeds(settings.outbox_limit, settings.outbox_bytes)
            more = not is_full and await service.handlers.timers.fire_due()
        except Exception as error:  # noqa: BLE001  the store reports its failure, and the timers fire later
            observer.on_error("timers did not fire", error)
            more = False
        if not more:
            await asyncio.sleep(TIMER_INTERVAL)


async def _wait_for_first(task: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
