"""The verbs about versions of a saga: `saga diff`, `saga replay` and `saga migrate`, and their options."""

# ruff: noqa: PLC0415  a verb imports what it needs when it runs: `saga --help` has nothing to wait for

from typing import Annotated

import typer

from service.cli.options import Json


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
    from service.cli import differing

    differing.diff(first=first, second=second, third=third, as_json_=json)
