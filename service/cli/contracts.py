"""`saga contracts`: the messages of the catalog, written down as JSON Schemas and an AsyncAPI document."""

# ruff: noqa: PLC0415  a verb imports what it needs when it runs: `saga --help` has nothing to wait for

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saga_coordinator.service.cli.options import HELP, Json

if TYPE_CHECKING:
    from saga_coordinator.handlers.routing import AnySaga

contracts = typer.Typer(help="The messages of the catalog, written down.", context_settings=HELP, no_args_is_help=True)

Folder = Annotated[Path, typer.Option(help="Holds asyncapi.json and schemas/")]
HERE = Path("contracts")


@contracts.command("export")
def contracts_export(*, folder: Folder = HERE, json: Json = False) -> None:
    """Bring the files up to date. A change that would break somebody is refused.

    JSON: {"written": [PATH], "problems": [TEXT]}
    """
    from saga_coordinator.service.asyncapi.export import check, export
    from saga_coordinator.service.cli.console import as_json, say

    catalog = _catalog()
    written = [str(path) for path in export(folder, catalog)]
    problems = check(folder, catalog)
    if json:
        as_json({"written": written, "problems": problems})
    else:
        say("\n".join(written) or f"{folder}: everything is up to date")
    _end(problems)


@contracts.command("check")
def contracts_check(*, folder: Folder = HERE, json: Json = False) -> None:
    """Compare the files with the code.

    JSON: {"ok", "problems": [TEXT]}
    """
    from saga_coordinator.service.asyncapi.export import check
    from saga_coordinator.service.cli.console import as_json, say

    problems = check(folder, _catalog())
    if json:
        as_json({"ok": not problems, "problems": problems})
    elif not problems:
        say(f"{folder}: the files match the code")
    _end(problems)


def _catalog() -> "tuple[AnySaga, ...]":
    from saga_coordinator.service.catalog import load_catalog
    from saga_coordinator.service.cli.configuration import load_settings

    return load_catalog(load_settings().catalog)


def _end(problems: list[str]) -> None:
    from saga_coordinator.service.cli.console import fail

    if problems:
        fail("\n".join(problems))
