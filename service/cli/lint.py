"""`saga lint`: checks definitions, and prints every problem with its remedy."""

from typing import Annotated

import typer

from saga_coordinator.handlers.routing import AnySaga, BadCatalog, Routes
from saga_coordinator.sagas import UnsoundSaga
from saga_coordinator.service.cli.console import echo, print_json, remark
from saga_coordinator.service.cli.definitions import load_catalog, sagas_at
from saga_coordinator.service.cli.environment import load_settings
from saga_coordinator.service.cli.options import Json


def lint(
    where: Annotated[str | None, typer.Argument(metavar="MODULE:NAME", help="A saga, or a tuple of sagas")] = None,
    *,
    json: Json = False,
) -> None:
    """Check the sagas of the catalog.

    Or those at MODULE:NAME. Ends with 1 if one is unsound.

    JSON: {"ok", "sagas": [{"saga", "version", "steps"}], "problems": [TEXT]}
    """
    sagas: tuple[AnySaga, ...] = ()
    problems: list[str] = []
    try:
        sagas = sagas_at(where) if where else load_catalog(load_settings())
        Routes(sagas)
    except UnsoundSaga as error:
        problems = str(error).splitlines()
    except BadCatalog as error:
        problems = [str(error)]
    if json:
        checked = [{"saga": each.name, "version": each.version, "steps": len(each.plan.steps)} for each in sagas]
        print_json({"ok": not problems, "sagas": checked, "problems": problems})
    else:
        for problem in problems:
            remark(problem)
        for each in () if problems else sagas:
            echo(f"ok: {each.name} v{each.version}, {len(each.plan.steps)} steps")
    if problems:
        raise typer.Exit(1)
