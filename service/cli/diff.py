"""`saga diff`: what has changed from one version of a saga to another."""

from typing import Annotated, Final

import typer
from rich.text import Text

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.versions.diff import Change, ChangeKind, differences
from saga_coordinator.service.cli.console import echo, print_json
from saga_coordinator.service.cli.definitions import load_routes, saga_at, version_of
from saga_coordinator.service.cli.environment import load_settings
from saga_coordinator.service.cli.options import Json
from saga_coordinator.service.views.text import escape

STYLES: Final = {
    ChangeKind.ADDED: "green",
    ChangeKind.REMOVED: "red",
    ChangeKind.MOVED: "yellow",
    ChangeKind.CHANGED: "cyan",
}


def diff(
    first: Annotated[str, typer.Argument(metavar="SAGA|MODULE:NAME", help="A saga of the catalog, or one in the code")],
    second: Annotated[
        str, typer.Argument(metavar="V1|MODULE:NAME", help="Its old version, or the new one in the code")
    ],
    third: Annotated[str | None, typer.Argument(metavar="V2", help="Its new version")] = None,
    *,
    json: Json = False,
) -> None:
    """Say what differs between two versions of a saga.

    And what each difference means for instances in flight. What functions do is not compared.

    JSON: {"from", "to": {"saga", "version"}, "changes": [{"what": "added|removed|moved|changed", "subject", "detail",
    "means"}]}
    """
    old, new = _pair(first, second, third)
    changes = differences(old, new)
    if json:
        print_json({"from": _named(old), "to": _named(new), "changes": changes})
        return
    echo(f"{old.name} v{old.version} -> {new.name} v{new.version}")
    if not changes:
        echo("Nothing that is declared has changed. What the functions do is not compared.")
    for change in changes:
        echo(_line(change))
        echo(Text(f"    {escape(change.means)}", style="dim"))


def _pair(first: str, second: str, third: str | None) -> tuple[AnySaga, AnySaga]:
    if third is None:
        return saga_at(first), saga_at(second)
    if not (second.isdecimal() and third.isdecimal()):
        raise typer.BadParameter(f"{second!r} and {third!r} have to be numbers of versions, such as 1 and 2")
    routes = load_routes(load_settings())
    return version_of(routes, first, int(second)), version_of(routes, first, int(third))


def _line(change: Change) -> Text:
    detail = escape(f" {change.subject}: {change.detail}")
    return Text.assemble((f"{change.what:>8}", STYLES[change.what]), detail)


def _named(saga: AnySaga) -> dict[str, object]:
    return {"saga": saga.name, "version": saga.version}
