"""Counts what the metrics show, on the connection that reads: some of it is in the JSON of every live instance."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from saga_coordinator.service.counts import Counts, Unanswered
from saga_coordinator.service.storage.columns import from_time, to_time
from saga_coordinator.service.storage.sqlite.wal import size_of, wal_of

OVERDUE_AFTER: Final = timedelta(seconds=10)

Query = Callable[[str, Mapping[str, object] | None], Awaitable[Sequence[Sequence[Any]]]]

_BY_STATUS: Final = "SELECT saga, status, count(*) FROM instance WHERE ended_at IS NULL GROUP BY saga, status"
_PAUSED: Final = """
SELECT saga, count(*) FROM instance
WHERE ended_at IS NULL AND json_extract(state, '$.paused_at') IS NOT NULL GROUP BY saga
"""
_SINGLE: Final = """
SELECT (SELECT count(*) FROM instance WHERE wake_at < :late),
    (SELECT count(*) FROM dead_letter), (SELECT count(*) FROM dead_letter WHERE parks = 1)
"""
_UNANSWERED: Final = """
SELECT saga, step, direction, total, asked_at, (
    SELECT min(at) FROM history WHERE history.instance = sent.number AND instr(decided, sent.command_id) > 0)
FROM (
    SELECT saga, step, direction, number, command_id, count(*) OVER alike AS total,
        min(asked_at) OVER alike AS asked_at, row_number() OVER (alike ORDER BY number) AS place
    FROM (
        SELECT instance.saga, instance.number, substr(run.key, 1, instr(run.key || '[', '[') - 1) AS step,
            command.key AS direction, json_extract(command.value, '$.command_id') AS command_id,
            json_extract(command.value, '$.asked_at') AS asked_at
        FROM instance, json_each(state, '$.steps') AS run, json_each(run.value) AS command
        WHERE ended_at IS NULL AND json_extract(command.value, '$.progress') = 'asked')
    WINDOW alike AS (PARTITION BY saga, step, direction)
) AS sent
WHERE place = 1
"""
"""A command that is sent again has a later time: the first one is in the history, read for the oldest instance."""


async def count(query: Query, path: Path, now: datetime, unreadable: int) -> Counts:
    """Return the counts of a database."""
    [(overdue, dead_letters, parked)] = await query(_SINGLE, {"late": from_time(now - OVERDUE_AFTER)})
    return Counts(
        instances=[(saga, status, number) for saga, status, number in await query(_BY_STATUS, None)],
        paused=[(saga, number) for saga, number in await query(_PAUSED, None)],
        unanswered=[_unanswered(row) for row in await query(_UNANSWERED, None)],
        overdue=overdue,
        unreadable=unreadable,
        dead_letters=dead_letters,
        parked=parked,
        database_bytes=size_of(path),
        wal_bytes=size_of(wal_of(path)),
    )


def _unanswered(row: Sequence[Any]) -> Unanswered:
    saga, step, direction, number, asked_at, first = row
    since = datetime.fromisoformat(asked_at)
    return Unanswered(saga, step, direction, number, since if first is None else min(since, to_time(first)))
