"""`saga db`: backup, restore and check of the database file, and the schema of a database on a server."""

from pathlib import Path
from typing import Annotated

import typer

from saga_coordinator.service.app import database
from saga_coordinator.service.cli.console import echo, print_json, remark
from saga_coordinator.service.cli.environment import load_settings
from saga_coordinator.service.cli.options import Json, group

REMEDY = "restore a backup (`saga db restore FILE`), or use the one that `saga db check FILE` finds whole"
RECOVER = "If the coordinator has worked since that backup, start it by `saga serve --recover`."

db = group("The database: backup, restore, check, upgrade.")


@db.command("backup")
def backup(file: Annotated[Path, typer.Argument(help="The new file; one that exists is never replaced")]) -> None:
    """Copy the database, as it is at this moment, to a new file.

    The coordinator may run, under load too. The copy is on disk when the command ends.
    """
    size = database.backup(load_settings(), file)
    echo(f"{file}: {size} bytes. `saga db check {file}` reads all of it; keep it on another disk.")


@db.command("restore")
def restore(file: Annotated[Path, typer.Argument(help="A backup of this coordinator's database")]) -> None:
    """Replace the database by a backup, while no coordinator runs.

    The backup is checked before. The database that it replaces is kept beside it under another name.
    """
    settings = load_settings()
    restored = database.restore(settings, file)
    kept = f" What was there before is {restored.replaced}." if restored.replaced else ""
    content = f"schema {restored.content.schema}, {restored.content.instances} instances"
    echo(f"{database.path_of(settings)} is now {file}: {content}.{kept} {RECOVER}")


@db.command("upgrade")
def upgrade(*, json: Json = False) -> None:
    """Bring a PostgreSQL database to the schema of this program.

    The user of SAGA_STORE needs the right to create a schema in it. A file is brought up to date by `saga serve`.

    JSON: {"applied": [NUMBER]}
    """
    settings = load_settings()
    applied = database.upgrade(settings)
    if json:
        print_json({"applied": applied})
    elif applied:
        echo(f"{settings.store} is brought up to date: migrations {', '.join(map(str, applied))}.")
    else:
        echo(f"{settings.store} is up to date.")


@db.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="A database; without it the one of SAGA_STORE")] = None,
    *,
    json: Json = False,
) -> None:
    """Read a whole database file, and say whether it is intact.

    The coordinator may run.

    JSON: {"file", "ok", "schema", "instances", "problems": [TEXT]}
    """
    path, found = database.check(load_settings(), file)
    if json:
        print_json({"file": str(path), "ok": not found.problems, **found._asdict()})
    elif not found.problems:
        echo(f"{path} is whole: schema {found.schema}, {found.instances} instances.")
    for problem in () if json else found.problems:
        remark(f"saga: {path}: {problem}")
    if found.problems:
        remark(f"saga: {path} is not whole: {REMEDY}")
        raise typer.Exit(1)
