"""`saga contracts`: the messages of the catalog as JSON Schemas and an AsyncAPI document."""

from pathlib import Path
from typing import Annotated

import typer

from saga_coordinator.handlers.names import Names
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.service.asyncapi import export as files
from saga_coordinator.service.cli.console import echo, fail, print_json
from saga_coordinator.service.cli.definitions import load_catalog
from saga_coordinator.service.cli.environment import load_settings
from saga_coordinator.service.cli.options import Json, group

contracts = group("The messages of the catalog as JSON Schemas and AsyncAPI.")

Folder = Annotated[Path, typer.Option(help="Holds asyncapi.json and schemas/")]
HERE = Path("contracts")


@contracts.command("export")
def export(*, folder: Folder = HERE, json: Json = False) -> None:
    """Bring the files up to date. A change that would break somebody is refused.

    JSON: {"written": [PATH], "problems": [TEXT]}
    """
    catalog, names = _load()
    written = [str(path) for path in files.export(folder, catalog, names)]
    problems = files.check(folder, catalog, names)
    if json:
        print_json({"written": written, "problems": problems})
    else:
        echo("\n".join(written) or f"{folder}: everything is up to date")
    if problems:
        fail("\n".join(problems))


@contracts.command("check")
def check(*, folder: Folder = HERE, json: Json = False) -> None:
    """Compare the files with the code.

    JSON: {"ok", "problems": [TEXT]}
    """
    problems = files.check(folder, *_load())
    if json:
        print_json({"ok": not problems, "problems": problems})
    elif not problems:
        echo(f"{folder}: the files match the code")
    if problems:
        fail("\n".join(problems))


def _load() -> tuple[tuple[AnySaga, ...], Names]:
    settings = load_settings()
    return load_catalog(settings), Names(settings.name)
