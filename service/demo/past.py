"""What the demo's coordinator has left in its database: how its instances ended, and the history of one of them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from handlers.rows import Entry, Place, Verdict
from sagas.machine import Status
from service.storage.columns import to_time

_STATUSES = "SELECT status, count(*) FROM instance GROUP BY status"
_HISTORY = (
    "SELECT seq, at, kind, verdict, reason, message_id, message_type, causation_id, value, decided, topic, partition,"
    ' "offset", trace_id, span_id FROM history'
    " WHERE instance = (SELECT number FROM instance WHERE id = ?) ORDER BY seq"
)


def count_by_status(file: Path) -> dict[Status, int]:
    """Return how many instances there are in every status, over or not."""
    with _opened(file) as database:
        found = {Status(name): count for name, count in database.execute(_STATUSES)}
    return {status: found.get(status, 0) for status in Status}


def history(file: Path, instance_id: str) -> list[Entry]:
    """Return all that has happened to an instance, in its order."""
    with _opened(file) as database:
        return [_entry(instance_id, row) for row in database.execute(_HISTORY, (instance_id,))]


def _entry(instance_id: str, row: tuple[Any, ...]) -> Entry:
    seq, at, kind, verdict, *told, topic, partition, offset, trace_id, span_id = row
    place = None if topic is None else Place(topic, partition, offset)
    return Entry(instance_id, seq, to_time(at), kind, Verdict(verdict), *told, place, trace_id, span_id)


@contextmanager
def _opened(file: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database:
        yield database
