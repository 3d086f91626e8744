"""Finds the definitions that a command line names: in the catalog, or at a place in the code."""

from collections.abc import Iterable

import typer

from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.service import catalog
from saga_coordinator.service.cli.console import fail, remark
from saga_coordinator.service.cli.environment import load_settings
from saga_coordinator.service.settings import Settings


def load_routes(settings: Settings) -> Routes:
    """Return the routes of the catalog, with a remark if it is that of the demo."""
    _remark_demo(settings)
    return catalog.load_routes(settings)


def load_catalog(settings: Settings) -> tuple[AnySaga, ...]:
    """Return the sagas of the catalog, with a remark if it is that of the demo."""
    _remark_demo(settings)
    return catalog.load_catalog(settings.catalog)


def newest(name: str) -> AnySaga:
    """Return the newest version of a saga of the catalog; exit with 1 if there is none."""
    sagas = load_routes(load_settings()).newest
    if name not in sagas:
        fail(_no_saga(name, sagas))
    return sagas[name]


def choose(name: str | None) -> list[AnySaga]:
    """Return the sagas at MODULE:NAME, or the newest version of a saga of the catalog, or of all."""
    if name is None:
        return list(load_routes(load_settings()).newest.values())
    return list(sagas_at(name)) if ":" in name else [newest(name)]


def version_of(routes: Routes, name: str, version: int) -> AnySaga:
    """Return one version of a saga of the catalog; exit with 1 if it is not there."""
    known = sorted(number for each, number in routes.sagas if each == name)
    if not known:
        fail(_no_saga(name, routes.newest))
    if version not in known:
        has = ", ".join(map(str, known))
        fail(f"the catalog has no version {version} of saga {name}; it has {has}: put it beside them, or correct it")
    return routes.sagas[name, version]


def saga_at(where: str) -> AnySaga:
    """Return the saga at MODULE:NAME; exit with 2 if a tuple of several is there."""
    found = sagas_at(where)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise typer.BadParameter(f"{where} holds several sagas ({names}): name the one that is meant")
    return found[0]


def sagas_at(where: str) -> tuple[AnySaga, ...]:
    """Return the sagas at MODULE:NAME, where one saga may be as well as a tuple of them."""
    module, separator, attribute = where.partition(":")
    if not (module and separator and attribute):
        raise typer.BadParameter(f"{where!r} is no place in the code: write MODULE:NAME, such as sagas.catalog:catalog")
    return catalog.sagas_at(where)


def _no_saga(name: str, sagas: Iterable[str]) -> str:
    return f"there is no saga {name!r} in the catalog; it has {', '.join(sorted(sagas))}"


def _remark_demo(settings: Settings) -> None:
    if note := catalog.demo_note(settings):
        remark(note)
