"""What the database is counted for at intervals, for the metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple


class Unanswered(NamedTuple):
    """The commands of a step that were sent and have no reply: how many, and since when the oldest one waits."""

    saga: str
    step: str
    direction: str
    number: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Numbers of one moment. `overdue` timers should have fired a while ago; `unreadable` were met since the start."""

    instances: Sequence[tuple[str, str, int]] = ()
    """Saga, status and number of the live instances."""
    paused: Sequence[tuple[str, int]] = ()
    unanswered: Sequence[Unanswered] = ()
    overdue: int = 0
    unreadable: int = 0
    dead_letters: int = 0
    parked: int = 0
    database_bytes: int = 0
    wal_bytes: int = 0
