"""Writes to a connection that the broker has closed a moment ago, as when it is restarted.

asyncio drops what is written there, uvloop raises `RuntimeError`, and aiokafka expects `OSError`: at one restart in ten
it lost the task by which a client learns of brokers (aio-libs/aiokafka#1038). uvloop saves a sixth of the service's CPU
(decision 27), so aiokafka is told.
"""

from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError


def expect_closed_connections() -> None:
    """Let every connection of aiokafka take such a write for what it is: the connection is broken."""
    write = AIOKafkaConnection.send
    if hasattr(write, "__wrapped__"):
        return

    @wraps(write)
    def send(self: AIOKafkaConnection, *request: Any, **options: Any) -> Any:  # noqa: ANN401  aiokafka carries no types
        try:
            return write(self, *request, **options)
        except RuntimeError as error:
            if isinstance(error, KafkaError):
                raise
            self.close(reason=CloseReason.CONNECTION_BROKEN, exc=error)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} broken: {error}") from error

    AIOKafkaConnection.send = send
