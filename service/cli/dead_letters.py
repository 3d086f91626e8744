"""`saga dead-letters`: what was set aside, and what becomes of it."""

# ruff: noqa: PLC0415  a verb imports what it needs when it runs: `saga --help` has nothing to wait for

from typing import Annotated

import typer

from saga_coordinator.service.cli.options import HELP, Json, Reason, Who

dead_letters = typer.Typer(
    help="Records that were set aside: look, edit, redrive, discard.", context_settings=HELP, no_args_is_help=True
)

Place = Annotated[str, typer.Argument(metavar="TOPIC:PARTITION:OFFSET", help="Where the record stands")]
Places = Annotated[list[str] | None, typer.Argument(metavar="[TOPIC:PARTITION:OFFSET]...", help="Where they stand")]
OfInstance = Annotated[str | None, typer.Option(metavar="ID", help="Only those that failed for this instance")]
Cause = Annotated[str | None, typer.Option(metavar="TEXT", help="Only those with this text in their cause")]


@dead_letters.command("ls")
def ls(
    *,
    topic: Annotated[str | None, typer.Option(help="Only those of this topic")] = None,
    instance: OfInstance = None,
    cause: Cause = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many")] = 20,
    before: Annotated[
        str | None, typer.Option(metavar="CURSOR", help="The next page, as the last one names it")
    ] = None,
    json: Json = False,
) -> None:
    """List dead letters, the newest first.

    JSON: {"dead_letters": [{"place", "at", "cause", "instance", "parks", "waiting"}], "next": CURSOR for --before}
    """
    from saga_coordinator.service.cli import set_aside

    set_aside.ls(set_aside.Wanted(topic, instance, cause, before), limit, is_json=json)


@dead_letters.command("show")
def show(place: Place, *, json: Json = False) -> None:
    """Show one whole.

    Its cause, headers and value, what was done to it, and what waits behind it.

    JSON: [{"place", "at", "cause", "instance", "parks", "record": {"key", "headers", "value"}, "audit": [{"at", "who",
    "why", "action", "value", "cause"}], "queue": [PLACE]}], one for each instance for which it failed
    """
    from saga_coordinator.service.cli import set_aside

    set_aside.show(place, is_json=json)


@dead_letters.command("edit")
def edit(
    place: Place,
    *,
    value: Annotated[str, typer.Option(metavar="FILE|-", help="The value that it shall have")],
    reason: Reason,
    force: Annotated[bool, typer.Option("--force", help="Take a value that cannot be read, too")] = False,
    instance: OfInstance = None,
    who: Who = None,
    json: Json = False,
) -> None:
    """Give one another value, and show the difference.

    It has to be what its message's contract says. The original is kept in the audit.

    JSON: {"place", "end": "done|refused", "why", "difference": [LINE]}
    """
    from saga_coordinator.service.cli import redriving

    redriving.edit(place, value, redriving.Asking(who, reason, instance, json), is_forced=force)


@dead_letters.command("redrive")
def redrive(
    places: Places = None,
    *,
    instance: OfInstance = None,
    all_: Annotated[bool, typer.Option("--all", help="All with --cause, the oldest first, at most 1000")] = False,
    cause: Cause = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; not needed for a dry run")] = None,
    who: Who = None,
    json: Json = False,
) -> None:
    """Decide records again.

    Those at the places, the one that an instance is parked behind (--instance), or all with a cause (--all --cause).
    A parked instance goes on with what waits for it, in order.

    JSON: [{"place", "end": "done|failed again|refused", "why", "records": [{"place", "verdict", "reason"}],
    "sent": [TYPE], "parked_behind": PLACE}]
    """
    from saga_coordinator.service.cli import redriving

    if not dry_run and reason is None:
        raise typer.BadParameter("say why by --reason: it is kept with what is done")
    asking = redriving.Asking(who, reason or "dry run", instance, json)
    chosen = redriving.chosen(places or [], instance, cause, is_all=all_)
    redriving.redrive(chosen, asking, is_dry=dry_run)


@dead_letters.command("discard")
def discard(place: Place, *, reason: Reason, instance: OfInstance = None, who: Who = None, json: Json = False) -> None:
    """Give one up, and let what waits behind it go on.

    JSON: as `redrive`
    """
    from saga_coordinator.service.cli import redriving

    redriving.discard(place, redriving.Asking(who, reason, instance, json))
