"""The command line `saga`: its verbs, their options, and what each prints.

Exit code 0: done. 1: failed, with the reason on standard error. 2: a wrong command line or a wrong setting. What is
asked for is on standard output, and with `--json` nothing else is.
"""

# ruff: noqa: PLC0415  a verb imports what it needs when it runs: `saga --help` has nothing to wait for

from pathlib import Path
from typing import Annotated, Literal

import typer

from saga_coordinator.service.cli.contracts import contracts
from saga_coordinator.service.cli.dead_letters import dead_letters
from saga_coordinator.service.cli.demo import demo
from saga_coordinator.service.cli.failing import Verbs
from saga_coordinator.service.cli.options import HELP, Instance, Json, OfSaga
from saga_coordinator.service.cli.simulating import simulate
from saga_coordinator.service.cli.versions import diff, migrate, replay
from saga_coordinator.service.cli.wishing import add_interventions

app = typer.Typer(
    cls=Verbs,
    help="Runs business processes that span services: sagas over Kafka, durable, compensated and traced.",
    context_settings=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
topics = typer.Typer(help="The Kafka topics that the catalog needs.", context_settings=HELP, no_args_is_help=True)

Partitions = Annotated[int, typer.Option(min=1, max=1000, help="Partitions of a topic that is created")]
Status = Literal["running", "compensating", "stalled", "completed", "compensated"]
Form = Literal["mermaid", "svg"]
History = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many entries of the history, the newest")]


def main() -> None:
    """Run the command line."""
    app()


@app.callback(invoke_without_command=True)
def saga(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version, and end")] = False,
) -> None:
    """Run business processes that span services: sagas over Kafka, durable, compensated and traced."""
    from saga_coordinator.service.cli.start import import_from_working_directory

    import_from_working_directory()
    if show_version:
        version()
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@app.command("serve")
def serve() -> None:
    """Run the coordinator until SIGTERM or SIGINT.

    It then drains, and ends with 0. A second signal ends it at once.
    """
    from saga_coordinator.service.cli import serve as serving

    serving.serve()


@app.command("doctor")
def doctor(*, json: Json = False) -> None:
    """Look whether the service can run here.

    It looks at definitions, broker, topics, database and tracing, and says of each failure what to do.

    JSON: {"ok", "checks": [{"check", "ok", "told", "remedy"}]}
    """
    from saga_coordinator.service.cli import checking

    checking.doctor(as_json_=json)


@topics.command("plan")
def topics_plan(*, partitions: Partitions = 4, json: Json = False) -> None:
    """Show which topics exist, are missing, or differ.

    JSON: [{"name", "purpose", "state": "exists|missing|differs", "partitions", "wanted"}]
    """
    from saga_coordinator.service.cli import checking

    checking.topics_plan(partitions, as_json_=json)


@topics.command("apply")
def topics_apply(
    *,
    partitions: Partitions = 4,
    replication: Annotated[
        int | None, typer.Option(min=1, max=100, help="Replicas; without it 3, or one for each broker if fewer")
    ] = None,
    json: Json = False,
) -> None:
    """Create the missing topics.

    Nothing that is there is changed or deleted.

    JSON: as `plan`, and beside each topic that could not be created "refused", the reason.
    """
    from saga_coordinator.service.cli import checking

    checking.topics_apply(partitions, replication, as_json_=json)


@app.command("lint")
def lint(
    where: Annotated[str | None, typer.Argument(metavar="[MODULE:NAME]", help="A saga, or a tuple of sagas")] = None,
    *,
    json: Json = False,
) -> None:
    """Check the sagas of the catalog.

    Or those at MODULE:NAME.

    JSON: {"ok", "sagas": [{"saga", "version", "steps"}], "problems": [TEXT]}
    """
    from saga_coordinator.service.cli import defining

    defining.lint(name=where, as_json_=json)


@app.command("test")
def try_faults(
    saga: Annotated[str, typer.Argument(metavar="NAME|MODULE:NAME", help="A saga of the catalog, or where one stands")],
    *,
    depth: Annotated[int, typer.Option(min=0, max=3, help="So many faults at once, there and back")] = 1,
    samples: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="Messages to try it with, besides generated ones")
    ] = None,
    max_states: Annotated[int, typer.Option(min=1, help="Look at no more states than these")] = 200_000,
    json: Json = False,
) -> None:
    """Try a saga with every fault at every moment, on virtual time.

    Every step refuses, fails, times out, answers late; every undo too; it is cancelled, its deadline passes, events
    stay away, copies come, it is written and read again. Ends with 1 if an invariant is violated, with the
    shortest test that shows it, or if there are more states than --max-states.

    JSON: {"ok", "complete", "saga", "version", "depth", "states", "transitions", "unreached": [NAME], "ignored": {WHAT:
    COUNT}, "cells": [{"step", "direction", "fault", "hits", "completed", "compensated", "stalled"}],
    "violations": [{"invariant", "problem", "test"}]}
    """
    from saga_coordinator.service.cli import proving

    proving.try_faults(name=saga, depth=depth, samples=samples, max_states=max_states, as_json_=json)


@app.command("graph")
def graph(
    saga: Annotated[
        str | None, typer.Argument(metavar="[SAGA|MODULE:NAME]", help="Only this saga, or those at a place in the code")
    ] = None,
    *,
    instance: Annotated[str | None, typer.Option(help="Draw the state of this instance (id or key) on it")] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="What to draw; without it mermaid, or what the file's name says")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write it to this file")] = None,
    json: Json = False,
) -> None:
    """Draw sagas as Mermaid flowcharts, or one as an SVG picture.

    JSON: [{"saga", "version", "instance", "mermaid" or "svg"}]
    """
    from saga_coordinator.service.cli import drawing

    drawing.graph(name=saga, instance=instance, form=form, output=output, as_json_=json)


@app.command("ls")
def ls(
    *,
    saga: OfSaga = None,
    status: Annotated[Status | None, typer.Option(help="Only those in this status")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many")] = 20,
    before: Annotated[
        int | None, typer.Option(help="Started before the instance of this number (the next page)")
    ] = None,
    attention: Annotated[bool, typer.Option("--attention", help="Only those that a person should look at")] = False,
    json: Json = False,
) -> None:
    """List instances, the newest first.

    --attention: stalled, parked, an alarm that has not rung, or a command sent four times without an end.

    JSON: {"instances": [{"number", "id", "saga", "version", "key", "status", "paused_at", "started_at", "ended_at",
    "age_s", "next_timer_at", "waits_for": [{"step", "direction", "progress", "attempt", "sendings", "command_id",
    "asked_at", "due_at"}], "attention": [TEXT], "parked": {"behind", "cause", "since", "waiting"}}],
    "next": NUMBER for --before, "dead_letters", "unpublished_messages"}
    """
    from saga_coordinator.service.cli import listing

    listing.ls(saga=saga, status=status, before=before, limit=limit, needing_attention=attention, json=json)


@app.command("show")
def show(instance: Instance, *, saga: OfSaga = None, history: History = 500, json: Json = False) -> None:
    """Show one instance whole.

    Its steps and compensations, its history with timings, its data and its trace.

    JSON: {"id", "saga", "version", "key", "status", "why", "attention", "started_at", "ended_at", "deadline_at",
    "paused_at", "next_timer_at", "parked", "cause", "stall", "choices", "trace_id", "revision", "home", "data",
    "steps": [{"name", "pivot", "forward", "compensation"}], "history": [{"seq", "at", "kind", "told", "verdict",
    "reason", "message_id", "message_type", "causation_id", "value", "took_s", "status", "sent", "outcome", "place",
    "trace_id", "span_id"}]}
    """
    from saga_coordinator.service.cli import showing

    showing.show(wanted=instance, saga=saga, most=history, as_json_=json)


@app.command("why")
def why(instance: Instance, *, saga: OfSaga = None, history: History = 500, json: Json = False) -> None:
    """Say why an instance stands where it stands.

    In one paragraph: what it waits for, since when, and what happens next; or how it came to its end.

    JSON: {"id", "status", "why"}
    """
    from saga_coordinator.service.cli import showing

    showing.why(wanted=instance, saga=saga, most=history, as_json_=json)


@app.command("explain")
def explain(
    place: Annotated[str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="Where the record stands")],
    *,
    json: Json = False,
) -> None:
    """Say what became of a record, and why.

    And which instances come nearest to it.

    JSON: [{"place", "verdict", "reason", "at", "message_id", "message_type", "instances": [ID], "audit": [TEXT],
    "candidates": [{"id", "saga", "key", "status", "waits_for": [TEXT]}], "record": {"key", "headers", "value"} of one
    that is kept}], where the verdict is applied, duplicate, ignored, buffered, unmatched, dead-lettered; or "not
    processed yet", "not read", "no record". The audit says what was done to a dead letter.
    """
    from saga_coordinator.service.cli import explaining

    explaining.explain(place=place, as_json_=json)


@app.command("config")
def config(
    *,
    json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table of all settings, as in the README")
    ] = False,
) -> None:
    """Show all settings and where they come from.

    Secrets are masked.

    JSON: [{"name", "value", "default", "origin": "environment|default", "description", "secret"}]
    """
    from saga_coordinator.service.cli import configuration

    configuration.config(as_json_=json, markdown=markdown)


@app.command("version")
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as version_of

    typer.echo(f"saga-coordinator {version_of('saga-coordinator')}")


app.add_typer(topics, name="topics")
app.add_typer(demo, name="demo")
app.add_typer(contracts, name="contracts")
app.add_typer(dead_letters, name="dead-letters")
add_interventions(app)
app.command("simulate")(simulate)
app.command("diff")(diff)
app.command("replay")(replay)
app.command("migrate")(migrate)
