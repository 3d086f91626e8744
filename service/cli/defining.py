"""`saga lint` and `saga graph`: definitions, checked and drawn."""

from importlib import import_module
from typing import Any

import typer

from handlers.routing import AnySaga, BadCatalog, Routes
from sagas.machine import Instance, Saga, Step, UnsoundSaga, walk
from sagas.machine.diagram import mermaid
from service.catalog import load_catalog
from service.cli.configuration import load_settings
from service.cli.console import as_json, fail, remark, say
from service.cli.looking import find, looking


def lint(*, name: str | None, as_json_: bool) -> None:
    """Check the catalog, or the saga or sagas at MODULE:NAME; end with 1 if one is unsound."""
    where = name or load_settings().catalog
    sagas: tuple[AnySaga, ...] = ()
    try:
        sagas = _sagas_at(where)
        Routes(sagas)
        problems: list[str] = []
    except (UnsoundSaga, BadCatalog) as error:
        problems = str(error).splitlines()
    if as_json_:
        told = [{"saga": each.name, "version": each.version, "steps": len(_steps(each))} for each in sagas]
        as_json({"ok": not problems, "sagas": told, "problems": problems})
    for problem in () if as_json_ else problems:
        remark(problem)
    if problems:
        raise typer.Exit(1)
    for each in () if as_json_ else sagas:
        say(f"ok: {each.name} v{each.version}, {len(_steps(each))} steps")


def graph(*, name: str | None, instance: str | None, as_json_: bool) -> None:
    """Print sagas as Mermaid, or one with the state of an instance on it."""
    drawn = _with_instance(name, instance) if instance else [(each, None) for each in _chosen(name)]
    told = [
        {"saga": saga.name, "version": saga.version, "instance": run.id if run else None, "mermaid": mermaid(saga, run)}
        for saga, run in drawn
    ]
    if as_json_:
        as_json(told)
        return
    for each in told:
        if len(told) > 1:
            say(f"%% {each['saga']} v{each['version']}")
        typer.echo(each["mermaid"], nl=False)


def _with_instance(name: str | None, wanted: str) -> list[tuple[AnySaga, Instance[Any] | None]]:
    with looking() as look:
        found = find(look, wanted, name)
    return [(found.saga, found.instance)]


def _chosen(name: str | None) -> list[AnySaga]:
    """Return the newest version of a saga of the catalog, or of all."""
    newest = Routes(load_catalog(load_settings().catalog)).newest
    if name is None:
        return list(newest.values())
    if name not in newest:
        fail(f"there is no saga {name!r} in the catalog; it has {', '.join(sorted(newest))}")
    return [newest[name]]


def _sagas_at(where: str) -> tuple[AnySaga, ...]:
    """Return the sagas at MODULE:NAME, where one saga may stand as well as a tuple of them."""
    module, separator, attribute = where.partition(":")
    if not (module and separator and attribute):
        raise typer.BadParameter(f"{where!r} is no place in the code: write MODULE:NAME, such as sagas.catalog:catalog")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BadCatalog(f"{where}: {error}; name a module and a saga, or a tuple of sagas, in it") from error
    sagas = tuple(found) if isinstance(found, tuple | list) else (found,)
    if not sagas or not all(isinstance(each, Saga) for each in sagas):
        raise BadCatalog(f"{where}: it must be a Saga, or a tuple of at least one")
    return sagas


def _steps(saga: AnySaga) -> list[Step[Any]]:
    return [node for node in walk(saga.steps) if isinstance(node, Step)]
