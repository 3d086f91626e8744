"""Recorded histories decided once more, by their own definition or by another: which decisions differ."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from saga_coordinator.handlers.decode import describe_validation_error
from saga_coordinator.handlers.records import Entry
from saga_coordinator.handlers.replay import first_difference, replay
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.machine import freeze
from saga_coordinator.service.storage.queries import InstanceRow
from saga_coordinator.service.views.instance import Reader
from saga_coordinator.service.views.values import view


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayDifference:
    """The first decision of an instance that differs. Without `seq`, `why` says what differs instead."""

    id: str
    saga: str
    version: int
    key: str
    seq: int | None = None
    at: datetime | None = None
    kind: str | None = None
    recorded: Any = None
    now: Any = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayReport:
    """How many histories were decided again, of how many entries, and which differ."""

    ok: bool
    instances: int
    entries: int
    differ: Sequence[ReplayDifference]


def replay_histories(reader: Reader, rows: Iterable[InstanceRow], against: AnySaga | None) -> ReplayReport:
    """Decide histories again, by this definition, or by their own."""
    differ: list[ReplayDifference] = []
    instances = entries = 0
    for row in rows:
        history = reader.queries.history(row, row.revision)
        instances, entries = instances + 1, entries + len(history)
        if difference := _difference(reader, row, history, against):
            differ.append(difference)
    return ReplayReport(ok=not differ, instances=instances, entries=entries, differ=differ)


def _difference(
    reader: Reader, row: InstanceRow, history: Sequence[Entry], against: AnySaga | None
) -> ReplayDifference | None:
    if against is not None and against.name != row.saga:
        raise LookupError(
            f"instance {row.id} is of saga {row.saga}, not of {against.name}: "
            "replay it against a version of its own saga"
        )
    saga = against or reader.routes.sagas.get((row.saga, row.version))
    if saga is None:
        return view(ReplayDifference, row, why=f"the catalog has no saga {row.saga} version {row.version}")
    if found := first_difference(saga, history):
        return view(
            ReplayDifference,
            row,
            seq=found.entry.seq,
            at=found.entry.at,
            kind=found.entry.kind,
            recorded=json.loads(found.recorded),
            now=None if found.now is None else json.loads(found.now),
            why=found.why,
        )
    other_state = None if against else _other_state(row, saga, history)
    return view(ReplayDifference, row, why=other_state) if other_state else None


def _other_state(row: InstanceRow, saga: AnySaga, history: Sequence[Entry]) -> str | None:
    """Return how the state that a history leads to differs from the stored one, None if it does not."""
    try:
        stored = freeze(row.instance(saga))
    except ValidationError as error:
        return f"it cannot be read any more: {describe_validation_error(error, with_words=False)}"
    again = freeze(replay(saga, history))
    if again.data != stored.data:
        return "every decision is the same, but it would remember other data: what its functions remember has changed"
    return None if again == stored else "every decision is the same, but its stored state is another: was it edited?"
