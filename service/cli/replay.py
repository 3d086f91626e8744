"""`saga replay`: recorded histories decided once more, by their own definition or by another. It only reads."""

from typing import Annotated, Any

import typer

from saga_coordinator.service.cli.console import echo, print_json, remark
from saga_coordinator.service.cli.definitions import saga_at
from saga_coordinator.service.cli.options import Json, OfSaga
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.views.instance import all_instances, find
from saga_coordinator.service.views.replays import ReplayReport, replay_histories
from saga_coordinator.service.views.text import format_time


def replay(
    instance: Annotated[
        str | None, typer.Argument(metavar="ID|KEY", help="The instance's id or its business key; without it all")
    ] = None,
    *,
    saga: OfSaga = None,
    against: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="Decide by this definition; without it by their own")
    ] = None,
    json: Json = False,
) -> None:
    """Decide recorded histories once more.

    Nothing is changed. Of each instance the first decision that differs is shown; ends with 1 if there is one.

    JSON: {"ok", "instances", "entries", "differ": [{"id", "saga", "version", "key", "seq", "at", "kind",
    "recorded", "now": {"status", "sent", "outcome"}, "why" if nothing can be decided}]}
    """
    definition = saga_at(against) if against else None
    name = saga or (definition.name if definition else None)
    with open_reader() as reader:
        rows = all_instances(reader, saga=name) if instance is None else [find(reader, instance, name)]
        report = replay_histories(reader, rows, definition)
    if json:
        print_json(report)
    else:
        _print(report)
    if not report.ok:
        raise typer.Exit(1)


def _print(report: ReplayReport) -> None:
    for each in report.differ:
        echo(f"{each.key}  {each.saga} v{each.version}  {each.id}")
        if each.at is None:
            echo(f"    {each.why}")
            continue
        echo(f"    entry {each.seq}, {each.kind} at {format_time(each.at)}")
        echo(f"    recorded  {_decision(each.recorded)}")
        echo(f"    now       {_decision(each.now) if each.now else each.why}")
    counts = f"{report.instances} instances, {report.entries} entries"
    if report.ok:
        echo(f"{counts}: all decided as recorded.")
    else:
        remark(f"{counts}: {len(report.differ)} of them would be decided otherwise.")


def _decision(decided: dict[str, Any]) -> str:
    sent = [f"{step} ({direction}, attempt {attempt})" for step, direction, attempt, _ in decided.get("sent", ())]
    sends = ["sends " + ", ".join(sent)] if sent else []
    outcome = [f"publishes {decided['outcome']}"] if "outcome" in decided else []
    return "; ".join([decided["status"], *sends, *outcome])
