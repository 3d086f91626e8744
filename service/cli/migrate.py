"""`saga migrate --plan`: what would become of live instances in another version of their saga. It only reads."""

import tomllib
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError
from rich.text import Text

from saga_coordinator.sagas.language.wording import format_count
from saga_coordinator.sagas.versions.mapping import SAME_NAMES, VersionMapping, faults
from saga_coordinator.sagas.versions.migration import Disposition
from saga_coordinator.service.cli.console import echo, fail, print_json, remark, table
from saga_coordinator.service.cli.definitions import version_of
from saga_coordinator.service.cli.options import Json
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.views.migrations import PlannedMigration, plan_migrations
from saga_coordinator.service.views.values import to_json

STYLES: Final = {
    Disposition.MOVES: "green",
    Disposition.ASKS: "yellow",
    Disposition.DRAINS: "cyan",
    Disposition.REFUSED: "bold red",
}


def migrate(
    name: Annotated[str, typer.Argument(metavar="SAGA", help="A saga of the catalog")],
    *,
    old: Annotated[int, typer.Option("--from", min=1, help="The version of the live instances")],
    new: Annotated[int, typer.Option("--to", min=1, help="The version that they are to continue in")],
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would become of each instance")] = False,
    mapping: Annotated[Path | None, typer.Option(help="A TOML file that says which names have changed")] = None,
    json: Json = False,
) -> None:
    """Plan how live instances move to another version.

    Each moves without help, needs a mapping, drains (ends in its own version), or is refused since an undo would be
    lost or a step done twice: then it ends with 1. The mapping has [steps] and [fields] OLD = "NEW" (a field "" is
    dropped), [data] FIELD = VALUE, and drains = [STEP].

    JSON: {"ok", "saga", "from", "to", "counts": {FATE: NUMBER}, "instances": [{"id", "key", "status", "fate":
    "moves|needs a mapping|drains|refused", "reasons": [TEXT], "dropped": [FIELD]}]}
    """
    if not plan:
        raise typer.BadParameter("only a plan can be made in this version: add --plan")
    names = SAME_NAMES if mapping is None else _read(mapping)
    with open_reader() as reader:
        before, after = version_of(reader.routes, name, old), version_of(reader.routes, name, new)
        if problems := list(faults(before, after, names)):
            fail(f"the mapping {mapping} does not fit these versions:\n" + "\n".join(problems))
        planned = plan_migrations(reader, before, after, names)
    if json:
        print_json({"saga": name, "from": old, "to": new, **to_json(planned)})
    else:
        if planned.instances:
            table(("key", "status", "then", "why"), [_row(each) for each in planned.instances])
        counts = ", ".join(f"{count} {fate}" for fate, count in planned.counts.items() if count)
        live = format_count(len(planned.instances), "live instance")
        echo(f"{live} of {name} v{old} -> v{new}{': ' + counts if counts else ''}")
    if not planned.ok:
        remark("saga: the plan is refused: put those steps back, name what they are now, or let those instances drain")
        raise typer.Exit(1)


def _read(path: Path) -> VersionMapping:
    """Return the mapping of a file; exit with 1 if it has none."""
    try:
        return VersionMapping.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        fail(f"cannot read the mapping {path}: {error.strerror}; name a TOML file with [steps], [fields] or [data]")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fail(f"the mapping {path} is no TOML: {error}")
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        fail(f"the mapping {path} cannot be read: {wrong}; it has [steps], [fields], [data] and drains")


def _row(planned: PlannedMigration) -> tuple[str | Text, ...]:
    reasons = [*planned.reasons, *(f"drops the data field {name}" for name in planned.dropped)]
    return planned.key, planned.status, Text(planned.fate, style=STYLES[planned.fate]), "; ".join(reasons)
