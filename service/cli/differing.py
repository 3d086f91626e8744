"""`saga diff`: what has changed from one version of a saga to another."""

from typing import Final

import typer
from rich.text import Text

from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.sagas.versions.diff import Change, ChangeKind, differences
from saga_coordinator.service.catalog import load_catalog
from saga_coordinator.service.cli.configuration import load_settings
from saga_coordinator.service.cli.console import as_json, fail, plain, say
from saga_coordinator.service.cli.defining import sagas_at

STYLES: Final = {
    ChangeKind.ADDED: "green",
    ChangeKind.REMOVED: "red",
    ChangeKind.MOVED: "yellow",
    ChangeKind.CHANGED: "cyan",
}


def diff(*, first: str, second: str, third: str | None, as_json_: bool) -> None:
    """Print what has changed from one definition to the other."""
    old, new = _pair(first, second, third)
    changes = differences(old, new)
    if as_json_:
        as_json({"from": _named(old), "to": _named(new), "changes": changes})
        return
    say(f"{old.name} v{old.version} -> {new.name} v{new.version}")
    if not changes:
        say("Nothing that is declared has changed. What the functions do is not compared.")
    for change in changes:
        say(_line(change))
        say(Text(f"    {plain(change.means)}", style="dim"))


def version_of(routes: Routes, name: str, version: int) -> AnySaga:
    """Return one version of a saga of the catalog; end with 1 if it is not there."""
    known = sorted(number for each, number in routes.sagas if each == name)
    if not known:
        fail(f"there is no saga {name!r} in the catalog; it has {', '.join(sorted(routes.newest))}")
    if version not in known:
        has = ", ".join(map(str, known))
        fail(f"the catalog has no version {version} of saga {name}; it has {has}: put it beside them, or correct it")
    return routes.sagas[name, version]


def one_at(where: str) -> AnySaga:
    """Return the saga at MODULE:NAME. A tuple there is a wrong command line."""
    found = sagas_at(where)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise typer.BadParameter(f"{where} holds several sagas ({names}): name the one that is meant")
    return found[0]


def _pair(first: str, second: str, third: str | None) -> tuple[AnySaga, AnySaga]:
    """Return the two definitions of SAGA V1 V2, or of two places in the code."""
    if third is None:
        return one_at(first), one_at(second)
    if not (second.isdecimal() and third.isdecimal()):
        raise typer.BadParameter(f"{second!r} and {third!r} have to be numbers of versions, such as 1 and 2")
    routes = Routes(load_catalog(load_settings().catalog))
    return version_of(routes, first, int(second)), version_of(routes, first, int(third))


def _line(change: Change) -> Text:
    detail = plain(f" {change.subject}: {change.detail}")
    return Text.assemble((f"{change.what:>8}", STYLES[change.what]), detail)


def _named(saga: AnySaga) -> dict[str, object]:
    return {"saga": saga.name, "version": saga.version}
