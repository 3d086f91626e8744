"""The task by which a client of aiokafka learns of brokers and topics. Without it every request waits for ever."""

import asyncio

from aiokafka.client import AIOKafkaClient


def lost(client: AIOKafkaClient) -> BaseException | None:
    """Return what has ended that task, though the client was not closed. aiokafka looks at it nowhere.

    It ends by any exception that aiokafka does not expect, and the client has to be replaced.
    """
    task: asyncio.Task[None] | None = client._sync_task  # noqa: SLF001  there is no other way to it
    if task is None or not task.done() or task.cancelled():
        return None
    return task.exception()
