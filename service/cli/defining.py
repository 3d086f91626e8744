"""`saga lint`: definitions, checked."""

from importlib import import_module

import typer

from saga_coordinator.handlers.routing import AnySaga, BadCatalog, Routes
from saga_coordinator.sagas import Saga, UnsoundSaga
from saga_coordinator.service.catalog import load_catalog
from saga_coordinator.service.cli.configuration import load_settings
from saga_coordinator.service.cli.console import as_json, fail, remark, say


def lint(*, name: str | None, as_json_: bool) -> None:
    """Check the catalog, or the saga or sagas at MODULE:NAME; end with 1 if one is unsound."""
    where = name or load_settings().catalog
    sagas: tuple[AnySaga, ...] = ()
    try:
        sagas = sagas_at(where)
        Routes(sagas)
        problems: list[str] = []
    except (UnsoundSaga, BadCatalog) as error:
        problems = str(error).splitlines()
    if as_json_:
        told = [{"saga": each.name, "version": each.version, "steps": len(each.plan.steps)} for each in sagas]
        as_json({"ok": not problems, "sagas": told, "problems": problems})
    for problem in () if as_json_ else problems:
        remark(problem)
    if problems:
        raise typer.Exit(1)
    for each in () if as_json_ else sagas:
        say(f"ok: {each.name} v{each.version}, {len(each.plan.steps)} steps")


def chosen(name: str | None) -> list[AnySaga]:
    """Return the sagas at MODULE:NAME, or the newest version of a saga of the catalog, or of all."""
    if name is not None and ":" in name:
        return list(sagas_at(name))
    newest = Routes(load_catalog(load_settings().catalog)).newest
    if name is None:
        return list(newest.values())
    if name not in newest:
        fail(f"there is no saga {name!r} in the catalog; it has {', '.join(sorted(newest))}")
    return [newest[name]]


def sagas_at(where: str) -> tuple[AnySaga, ...]:
    """Return the sagas at MODULE:NAME, where one saga may stand as well as a tuple of them."""
    module, separator, attribute = where.partition(":")
    if not (module and separator and attribute):
        raise typer.BadParameter(
            f"{where!r} is no place in the code: write MODULE:NAME, such as saga_coordinator.sagas.catalog:catalog"
        )
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BadCatalog(f"{where}: {error}; name a module and a saga, or a tuple of sagas, in it") from error
    sagas = tuple(found) if isinstance(found, tuple | list) else (found,)
    if not sagas or not all(isinstance(each, Saga) for each in sagas):
        raise BadCatalog(f"{where}: it must be a Saga, or a tuple of at least one")
    return sagas
