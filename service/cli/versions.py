"""The verbs about versions of a saga: `saga diff`, `saga replay` and `saga migrate`, and their options."""

# ruff: noqa: PLC0415  a verb imports what it needs when it runs: `saga --help` has nothing to wait for

from pathlib import Path
from typing import Annotated

import typer

from saga_coordinator.service.cli.options import Json, OfSaga


def diff(
    first: Annotated[str, typer.Argument(metavar="SAGA|MODULE:NAME", help="A saga of the catalog, or one in the code")],
    second: Annotated[
        str, typer.Argument(metavar="V1|MODULE:NAME", help="Its old version, or the new one in the code")
    ],
    third: Annotated[str | None, typer.Argument(metavar="[V2]", help="Its new version")] = None,
    *,
    json: Json = False,
) -> None:
    """Say what differs between two versions of a saga.

    And what each difference means for instances in flight. What functions do is not compared.

    JSON: {"from", "to": {"saga", "version"}, "changes": [{"what": "added|removed|moved|changed", "subject", "detail",
    "means"}]}
    """
    from saga_coordinator.service.cli import differing

    differing.diff(first=first, second=second, third=third, as_json_=json)


def replay(
    instance: Annotated[
        str | None, typer.Argument(metavar="[ID|KEY]", help="The instance's id or its business key; without it all")
    ] = None,
    *,
    saga: OfSaga = None,
    against: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="Decide by this definition; without it by their own")
    ] = None,
    json: Json = False,
) -> None:
    """Decide recorded histories once more.

    Nothing is changed. Of each instance it tells the first decision that differs, and ends with 1 if there is one.

    JSON: {"ok", "instances", "entries", "differ": [{"id", "saga", "version", "key", "seq", "at", "kind",
    "recorded", "now": {"status", "sent", "outcome"}, "why" if nothing can be decided}]}
    """
    from saga_coordinator.service.cli import replaying

    replaying.replay_verb(wanted=instance, saga=saga, against=against, as_json_=json)


def migrate(
    name: Annotated[str, typer.Argument(metavar="SAGA", help="A saga of the catalog")],
    *,
    old: Annotated[int, typer.Option("--from", min=1, help="The version of the live instances")],
    new: Annotated[int, typer.Option("--to", min=1, help="The version that they are to go on in")],
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would become of each instance")] = False,
    mapping: Annotated[Path | None, typer.Option(help="A TOML file that says which names have changed")] = None,
    json: Json = False,
) -> None:
    """Plan how live instances move to another version.

    Each moves by itself, needs a mapping, drains (ends in its own version), or is refused since an undo would be lost
    or a step done twice: then it ends with 1. The mapping has [steps] and [fields] OLD = "NEW" (a field "" is
    dropped), [data] FIELD = VALUE, and drains = [STEP].

    JSON: {"ok", "saga", "from", "to", "sum": {FATE: NUMBER}, "instances": [{"id", "key", "status", "fate":
    "moves|needs a mapping|drains|refused", "reasons": [TEXT], "dropped": [FIELD]}]}
    """
    from saga_coordinator.service.cli import migrating

    if not plan:
        raise typer.BadParameter("only a plan can be made in this version: add --plan")
    migrating.migrate(name=name, old=old, new=new, mapping=mapping, as_json_=json)
