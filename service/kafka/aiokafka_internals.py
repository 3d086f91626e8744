"""Ends clients of aiokafka, which wait for a broker before they end themselves: within seconds, with nothing left."""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any

STOP_TIMEOUT = 3.0
CLOSE_TIMEOUT = 1.0

Task = asyncio.Future[Any]
Close = Callable[[], Coroutine[Any, Any, None]]
Rest = Callable[[], tuple[Collection[Task], Close]]
"""What a client runs, and what closes its connections."""


async def ended(stop: Close, rest: Rest) -> Exception | None:
    """Let a client stop by itself; when it does not, cancel its tasks, close its connections, and return why.

    A client that was left to itself would send for ever, and its heartbeats would hold its place in the group.
    """
    trouble = await _done(stop(), STOP_TIMEOUT)
    if trouble is None:
        return None
    left, close = rest()
    for task in left:
        task.cancel()
    await _done(close(), CLOSE_TIMEOUT)
    if left:
        await asyncio.wait(left, timeout=CLOSE_TIMEOUT)
    for task in left:
        _trouble(task)
    return trouble


async def _done(work: Coroutine[Any, Any, None], seconds: float) -> Exception | None:
    """Do work of aiokafka; return why it is not done.

    It is done by a task of its own: it may end by a cancellation that nobody has asked for, of a fetch that has just
    failed for instance, and whoever awaits it would take that for his own.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=CLOSE_TIMEOUT)
            return TimeoutError(f"not done within {seconds:.0f} s")
        return _trouble(task)
    finally:
        task.cancel()


def _trouble(task: Task) -> Exception | None:
    """Return what was in the way of a task; it may go on."""
    if not task.done():
        return TimeoutError("not done yet")
    if task.cancelled():
        return RuntimeError("aiokafka has cancelled it")
    error = task.exception()
    return error if error is None or isinstance(error, Exception) else RuntimeError(repr(error))
