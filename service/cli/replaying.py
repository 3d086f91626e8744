"""`saga replay`: recorded histories decided once more, by their own definition or by another. It only reads."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import typer
from pydantic import ValidationError

from saga_coordinator.handlers.records import Entry
from saga_coordinator.handlers.replay import Difference, first_difference, replay
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.machine import freeze
from saga_coordinator.service.cli.console import as_json, fail, remark, say, stamp
from saga_coordinator.service.cli.differing import one_at
from saga_coordinator.service.cli.looking import Look, find, looking
from saga_coordinator.service.storage.sqlite.queries import InstanceFilter, InstanceRow, Reading

PAGE = 500


@dataclass(slots=True)
class Tally:
    """How many histories were decided again, of how many entries, and which differ."""

    instances: int = 0
    entries: int = 0
    differ: list[dict[str, Any]] = field(default_factory=list)


def replay_verb(*, wanted: str | None, saga: str | None, against: str | None, as_json_: bool) -> None:
    """Decide histories again, and print the first decision of each that differs; end with 1 if one does."""
    other = one_at(against) if against else None
    tally = Tally()
    with looking() as look:
        for row in _rows(look, wanted, saga, other):
            _decide(look, row, other, tally)
    if as_json_:
        as_json({"ok": not tally.differ} | asdict(tally))
    else:
        _print(tally)
    if tally.differ:
        raise typer.Exit(1)


def rows_of(reading: Reading, saga: str | None, status: str | None = None) -> Iterator[InstanceRow]:
    """Yield all instances (of one saga, in one status), the newest first, a page at a time."""
    before = None
    while page := reading.instances(InstanceFilter(saga=saga, status=status, before=before), PAGE):
        yield from page
        before = page[-1].number


def _rows(look: Look, wanted: str | None, saga: str | None, other: AnySaga | None) -> Iterator[InstanceRow]:
    if wanted is None:
        return rows_of(look.reading, other.name if other and saga is None else saga)
    row = find(look, wanted, saga or (other.name if other else None)).row
    return iter((row,))


def _decide(look: Look, row: InstanceRow, other: AnySaga | None, tally: Tally) -> None:
    """Decide one history again."""
    if other is not None and other.name != row.saga:
        fail(
            f"instance {row.id} is of saga {row.saga}, not of {other.name}: replay it against a version of its own saga"
        )
    entries = look.reading.history(row, row.revision)
    tally.instances += 1
    tally.entries += len(entries)
    saga = other or look.routes.sagas.get((row.saga, row.version))
    if saga is None:
        tally.differ.append(_named(row) | {"why": f"the catalog has no saga {row.saga} version {row.version}"})
        return
    differs = first_difference(saga, entries)
    if differs is not None:
        tally.differ.append(_told(row, differs))
    elif other is None and (why := _other_state(row, saga, entries)):
        tally.differ.append(_named(row) | {"why": why})


def _other_state(row: InstanceRow, saga: AnySaga, entries: Sequence[Entry]) -> str | None:
    """Say how the state that a history leads to differs from the one that is stored; None: it does not."""
    try:
        stored = freeze(row.instance(saga))
    except ValidationError as error:
        return f"its stored data are not read any more by {error.title}, {error.error_count()} errors"
    again = freeze(replay(saga, entries))
    if again.data != stored.data:
        return "every decision is the same, but it would remember other data: what its functions remember has changed"
    return None if again == stored else "every decision is the same, but its stored state is another: was it edited?"


def _named(row: InstanceRow) -> dict[str, Any]:
    return {"id": row.id, "saga": row.saga, "version": row.version, "key": row.key}


def _told(row: InstanceRow, differs: Difference) -> dict[str, Any]:
    entry = differs.entry
    return _named(row) | {
        "seq": entry.seq,
        "at": entry.at,
        "kind": entry.kind,
        "recorded": json.loads(differs.recorded),
        "now": None if differs.now is None else json.loads(differs.now),
        "why": differs.why,
    }


def _print(tally: Tally) -> None:
    for each in tally.differ:
        say(f"{each['key']}  {each['saga']} v{each['version']}  {each['id']}")
        if "seq" not in each:
            say(f"    {each['why']}")
            continue
        say(f"    entry {each['seq']}, {each['kind']} at {stamp(each['at'])}")
        say(f"    recorded  {_decision(each['recorded'])}")
        say(f"    now       {_decision(each['now']) if each['now'] else each['why']}")
    said = f"{tally.instances} instances, {tally.entries} entries"
    if tally.differ:
        remark(f"{said}: {len(tally.differ)} of them would be decided otherwise.")
    else:
        say(f"{said}: all decided as recorded.")


def _decision(told: dict[str, Any]) -> str:
    """Write a decision in a line."""
    sent = [f"{step} ({direction}, attempt {attempt})" for step, direction, attempt, _ in told.get("sent", ())]
    outcome = [f"tells {told['outcome']}"] if "outcome" in told else []
    return "; ".join([told["status"], *(["sends " + ", ".join(sent)] if sent else []), *outcome])
