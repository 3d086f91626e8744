"""Publishing rows of one lane, and waiting for the outcome."""

import asyncio
from collections.abc import Sequence

from saga_coordinator.handlers.ports import Lane, Publisher
from saga_coordinator.handlers.records import OutboxMessage


def post(publisher: Publisher, rows: Sequence[OutboxMessage]) -> "asyncio.Future[int]":
    """Post rows of one lane; the future has how many of them are acknowledged, or why none is."""
    outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    lane = rows[0].topic, rows[0].partition

    def done(at: Lane, result: int | Exception) -> None:
        assert at == lane
        if isinstance(result, int):
            outcome.set_result(result)
        else:
            outcome.set_exception(result)

    publisher.post({lane: rows}, done)
    return outcome


async def published(publisher: Publisher, rows: Sequence[OutboxMessage]) -> list[int]:
    """Publish all rows of one lane; returns how many were acknowledged with each batch."""
    counts: list[int] = []
    while len(rows) > sum(counts):
        counts.append(await post(publisher, rows[sum(counts) :]))
    return counts
