"""`saga doctor`: whether the service can run here."""

import asyncio
from collections.abc import Sequence

import typer
from rich.text import Text

from saga_coordinator.service.app.doctor import examine
from saga_coordinator.service.cli.console import print_json, table
from saga_coordinator.service.cli.environment import load_settings, silence_libraries
from saga_coordinator.service.cli.options import Json
from saga_coordinator.service.health import Finding
from saga_coordinator.service.views.text import escape


def doctor(*, json: Json = False) -> None:
    """Check whether the service can run here.

    It checks definitions, broker, topics and rights on them, database and tracing, and says for each failure what to
    do. What should be changed of a topic of another service is a warning: a check that passes with a remedy.

    JSON: {"ok", "checks": [{"check", "ok", "found", "remedy"}]}
    """
    silence_libraries()
    settings = load_settings()
    findings = asyncio.run(examine(settings))
    is_well = all(each.ok for each in findings)
    if json:
        checks = [
            {"check": each.check, "ok": each.ok, "found": each.detail, "remedy": each.remedy} for each in findings
        ]
        print_json({"ok": is_well, "checks": checks})
    else:
        table(("", "check", "found", "remedy"), [_row(each) for each in findings])
    if not is_well:
        raise typer.Exit(1)


def _row(finding: Finding) -> Sequence[str | Text]:
    warning = Text("!", style="yellow") if finding.remedy else Text("✔", style="green")
    mark = warning if finding.ok else Text("✘", style="bold red")
    return mark, finding.check, finding.detail, Text(escape(finding.remedy or ""), style="yellow")
