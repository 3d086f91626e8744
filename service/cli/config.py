"""`saga config`: all settings by the names of their variables, with value, default, origin and meaning."""

from dataclasses import dataclass
from functools import reduce
from typing import Annotated

import typer

from saga_coordinator.service.cli.console import print_json, table
from saga_coordinator.service.cli.environment import (
    fields,
    format_value,
    is_secret,
    load_settings,
    origin,
)
from saga_coordinator.service.cli.options import Json
from saga_coordinator.service.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting. `value` and `default` are text, None if not set; those of a secret are masked."""

    name: str
    value: str | None
    default: str | None
    origin: str
    description: str
    secret: bool


def config(
    *,
    json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table of all settings, as in docs/settings.md")
    ] = False,
) -> None:
    """Show all settings and where they come from.

    Secrets are masked.

    JSON: [{"name", "value", "default", "origin": "environment|file|default", "description", "secret"}]
    """
    settings = describe_settings(load_settings())
    if json:
        print_json(settings)
    elif markdown:
        typer.echo(settings_table(), nl=False)
    else:
        rows = [(each.name, each.value or "", each.default or "", each.origin, each.description) for each in settings]
        table(("variable", "value", "default", "from", "meaning"), rows)


def describe_settings(settings: Settings) -> tuple[Setting, ...]:
    return tuple(
        Setting(
            name=name,
            value=format_value(reduce(getattr, path, settings)),
            default=format_value(field.default),
            origin=origin(path) or "default",
            description=field.description or "",
            secret=is_secret(field),
        )
        for name, path, field in fields()
    )


def settings_table() -> str:
    """Return the Markdown table of all settings, as it is in docs/settings.md."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, _, field in fields():
        default = "" if field.default is None else f"`{format_value(field.default)}`"
        meaning = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{name}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"
