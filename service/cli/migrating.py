"""`saga migrate --plan`: what would become of live instances in another version of their saga. It only reads."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer
from pydantic import ValidationError
from rich.text import Text

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.versions.mapping import SAME_NAMES, VersionMapping, faults
from saga_coordinator.sagas.versions.migration import Disposition, Migration, plan_migration
from saga_coordinator.service.cli.console import as_json, fail, plain, remark, say, table
from saga_coordinator.service.cli.differing import version_of
from saga_coordinator.service.cli.looking import Look, looking
from saga_coordinator.service.cli.replaying import rows_of
from saga_coordinator.service.storage.sqlite.queries import InstanceRow

STYLES: Final = {
    Disposition.MOVES: "green",
    Disposition.ASKS: "yellow",
    Disposition.DRAINS: "cyan",
    Disposition.REFUSED: "bold red",
}
LIVE: Final = [status for status in Status if not status.is_final]

Judged = tuple[InstanceRow, Migration]


def migrate(*, name: str, old: int, new: int, mapping: Path | None, as_json_: bool) -> None:
    """Print what becomes of each live instance; end with 1 if an undo would be lost, or a step done twice."""
    by = SAME_NAMES if mapping is None else _mapping(mapping)
    with looking() as look:
        was, now = version_of(look.routes, name, old), version_of(look.routes, name, new)
        if problems := list(faults(was, now, by)):
            fail(f"the mapping {mapping} does not fit these versions:\n" + "\n".join(problems))
        judged = [(row, _judged(row, was, now, by)) for row in _live(look, was)]
    is_refused = any(judgement.fate is Disposition.REFUSED for _, judgement in judged)
    if as_json_:
        as_json(_told(was, now, judged) | {"ok": not is_refused})
    else:
        _print(was, now, judged)
    if is_refused:
        remark("saga: the plan is refused: put those steps back, name what they are now, or let those instances drain")
        raise typer.Exit(1)


def _mapping(path: Path) -> VersionMapping:
    """Read the mapping; end with 1 if it is none."""
    try:
        return VersionMapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        fail(f"cannot read the mapping {path}: {error.strerror}; name a TOML file with [steps], [fields] or [data]")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fail(f"the mapping {path} is no TOML: {error}")
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        fail(f"the mapping {path} cannot be read: {told}; it has [steps], [fields], [data] and drains")


def _live(look: Look, saga: AnySaga) -> Iterator[InstanceRow]:
    for status in LIVE:
        yield from (row for row in rows_of(look.reading, saga.name, status) if row.version == saga.version)


def _judged(row: InstanceRow, was: AnySaga, now: AnySaga, by: VersionMapping) -> Migration:
    try:
        instance = row.instance(was)
    except ValidationError as error:
        told = f"its stored data are not read any more by version {was.version}: {error.error_count()} errors"
        return Migration(Disposition.REFUSED, (told,))
    return plan_migration(was, now, instance, by)


def _told(was: AnySaga, now: AnySaga, judged: list[Judged]) -> dict[str, Any]:
    return {
        "saga": was.name,
        "from": was.version,
        "to": now.version,
        "sum": _sum(judged),
        "instances": [
            {
                "id": row.id,
                "key": row.key,
                "status": row.status,
                "fate": each.fate,
                "reasons": each.reasons,
                "dropped": each.dropped,
            }
            for row, each in judged
        ],
    }


def _sum(judged: list[Judged]) -> dict[str, int]:
    counted = Counter(judgement.fate for _, judgement in judged)
    return {fate.value: counted[fate] for fate in Disposition}


def _print(was: AnySaga, now: AnySaga, judged: list[Judged]) -> None:
    rows = [
        (row.key, row.status, Text(each.fate, style=STYLES[each.fate]), plain("; ".join(_reasons(each))))
        for row, each in judged
    ]
    if rows:
        table(("key", "status", "then", "why"), rows)
    told = ", ".join(f"{count} {fate}" for fate, count in _sum(judged).items() if count)
    say(f"{len(judged)} live instances of {was.name} v{was.version} -> v{now.version}{': ' + told if told else ''}")


def _reasons(judgement: Migration) -> Iterator[str]:
    yield from judgement.reasons
    yield from (f"drops the data field {name}" for name in judgement.dropped)
