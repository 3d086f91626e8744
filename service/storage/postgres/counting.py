"""Counts what the metrics show, on a session of its own: some of it is in the JSON of every live instance."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

from saga_coordinator.service.counts import Counts, Unanswered
from saga_coordinator.service.storage.postgres.session import Row

OVERDUE_AFTER: Final = timedelta(seconds=10)

Query = Callable[..., Awaitable[Sequence[Row]]]

_BY_STATUS: Final = "SELECT saga, status, count(*) FROM saga.instance WHERE ended_at IS NULL GROUP BY saga, status"
_PAUSED: Final = (
    "SELECT saga, count(*) FROM saga.instance"
    " WHERE ended_at IS NULL AND state::json ->> 'paused_at' IS NOT NULL GROUP BY saga"
)
_SINGLE: Final = (
    "SELECT (SELECT count(*) FROM saga.instance WHERE wake_at < $1), (SELECT count(*) FROM saga.dead_letter),"
    " (SELECT count(*) FROM saga.dead_letter WHERE parks), pg_database_size(current_database())"
)
_UNANSWERED: Final = """
SELECT saga, step, direction, total, asked_at,
    (SELECT min(at) FROM saga.history WHERE instance = number AND strpos(decided, command_id) > 0)
FROM (
    SELECT saga, step, direction, number, command_id, count(*) OVER alike AS total,
        min(asked_at) OVER alike AS asked_at, row_number() OVER (alike ORDER BY number) AS place
    FROM (
        SELECT saga, number, split_part(run.key, '[', 1) AS step, command.key AS direction,
            command.value ->> 'command_id' AS command_id, (command.value ->> 'asked_at')::timestamptz AS asked_at
        FROM saga.instance, json_each(state::json -> 'steps') AS run, json_each(run.value) AS command
        WHERE ended_at IS NULL AND open_commands <> '{}' AND command.value ->> 'progress' = 'asked'
    ) AS asked
    WINDOW alike AS (PARTITION BY saga, step, direction)
) AS sent
WHERE place = 1
"""
"""A command that is sent again has a later time: the first one is in the history, read for the oldest instance."""


async def count(query: Query, now: datetime, unreadable: int) -> Counts:
    """Return the counts of a database."""
    [(overdue, dead_letters, parked, size)] = await query(_SINGLE, now - OVERDUE_AFTER)
    return Counts(
        instances=[(saga, status, number) for saga, status, number in await query(_BY_STATUS)],
        paused=[(saga, number) for saga, number in await query(_PAUSED)],
        unanswered=[_unanswered(row) for row in await query(_UNANSWERED)],
        overdue=overdue,
        unreadable=unreadable,
        dead_letters=dead_letters,
        parked=parked,
        database_bytes=size,
    )


def _unanswered(row: Row) -> Unanswered:
    saga, step, direction, number, asked_at, first = row
    return Unanswered(saga, step, direction, number, asked_at if first is None else min(asked_at, first))
