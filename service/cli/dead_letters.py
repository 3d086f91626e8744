"""`saga dead-letters`: records that were dead-lettered, why, what waits behind them, and what is done to them."""

import difflib
import json as codec
import textwrap
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from saga_coordinator.handlers.records import Place
from saga_coordinator.handlers.redrive import Outcome
from saga_coordinator.sagas.language.wording import format_duration
from saga_coordinator.service.cli.client import call
from saga_coordinator.service.cli.console import echo, fail, print_json, remark, table, verbatim
from saga_coordinator.service.cli.options import (
    Cursor,
    Json,
    Reason,
    RecordPlace,
    RecordPlaces,
    Who,
    actor,
    group,
    read,
)
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.cli.records import print_record
from saga_coordinator.service.views.dead_letters import (
    DeadLetterDetail,
    DeadLetterSummary,
    choose,
    list_dead_letters,
    show_dead_letters,
    value_of,
)
from saga_coordinator.service.views.text import format_time

MAX_SHOWN: Final = 20
MAX_AT_ONCE: Final = 1_000
MAX_CAUSE_LENGTH: Final = 100

dead_letters = group("Dead-lettered records: look, edit, redrive, discard.")

OfInstance = Annotated[str | None, typer.Option(metavar="ID", help="Only those that failed for this instance")]
Cause = Annotated[str | None, typer.Option(metavar="TEXT", help="Only those with this text in their cause")]


@dead_letters.command("ls")
def ls(
    *,
    topic: Annotated[str | None, typer.Option(help="Only those of this topic")] = None,
    instance: OfInstance = None,
    cause: Cause = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many")] = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List dead letters, the newest first.

    JSON: {"dead_letters": [{"place", "at", "cause", "instance", "parks", "waiting"}], "next": CURSOR}
    """
    with open_reader() as reader:
        try:
            page = list_dead_letters(reader.queries, limit, topic=topic, instance=instance, cause=cause, before=cursor)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    if json:
        print_json(page)
        return
    if page.dead_letters:
        table(("place", "age", "cause", "instance", "waiting"), [_row(each) for each in page.dead_letters])
    else:
        echo("There is no dead letter" + (" like this." if topic or instance or cause or cursor else "."))
    if page.next:
        remark(f"There are more: saga dead-letters ls --cursor {page.next}")


@dead_letters.command("show")
def show(place: RecordPlace, *, json: Json = False) -> None:
    """Show one whole.

    Its cause, headers and value, what was done to it, and what waits behind it.

    JSON: [{"place", "at", "cause", "instance", "parks", "record": {"key", "headers", "value"}, "audit": [{"at", "who",
    "reason", "action", "value", "cause"}], "queue": [PLACE]}], one for each instance for which it failed
    """
    with open_reader() as reader:
        found = show_dead_letters(reader.queries, place)
    if json:
        print_json(found)
        return
    for each in found:
        _print_letter(each)


@dead_letters.command("edit")
def edit(
    place: RecordPlace,
    *,
    value: Annotated[str, typer.Option(metavar="FILE|-", help="The value that it shall have")],
    reason: Reason,
    force: Annotated[bool, typer.Option("--force", help="Accept a value that cannot be read, too")] = False,
    instance: OfInstance = None,
    who: Who = None,
    json: Json = False,
) -> None:
    """Give one another value, and show the difference.

    It has to be what its message's contract says. The original is kept in the audit.

    JSON: {"place", "end": "done|refused", "why", "difference": [LINE]}
    """
    after = read(value)
    with open_reader() as reader:
        before = value_of(reader.queries, place)
    by = actor(who, reason)
    result = _post(place, "edit", by, instance=instance, value=b64encode(after).decode(), force=force)
    lines = list(difflib.unified_diff(_lines(before or b""), _lines(after), "before", "after", lineterm="", n=2))
    if json:
        print_json({"place": place, "end": result["end"], "why": result["why"], "difference": lines})
    else:
        verbatim("\n".join(lines) or "Nothing is different.")
        _print_result(result)
    _exit([result])


@dead_letters.command("redrive")
def redrive(
    places: RecordPlaces = None,
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
    A parked instance continues with what waits for it, in order.

    JSON: [{"place", "end": "done|failed again|refused", "why", "records": [{"place", "verdict", "reason"}],
    "sent": [TYPE], "parked_behind": PLACE}]
    """
    if not dry_run and reason is None:
        raise typer.BadParameter("say why by --reason: it is kept with what is done")
    if all_ == bool(places) and (all_ or not instance):
        raise typer.BadParameter("name records, or --instance ID, or --all --cause TEXT")
    if all_ != bool(cause):
        raise typer.BadParameter("--all goes with --cause TEXT: which of them are to be redriven?")
    by, results = actor(who, reason or "dry run"), []
    for place in places or _choose(instance, cause):
        result = _post(place, "redrive", by, instance=instance, dry_run=dry_run)
        results.append(result)
        if not json:
            _print_result(result, "would be " if dry_run else "")
    if json:
        print_json(results)
    elif not results:
        echo("No dead letter has this cause.")
    _exit(results)


@dead_letters.command("discard")
def discard(
    place: RecordPlace, *, reason: Reason, instance: OfInstance = None, who: Who = None, json: Json = False
) -> None:
    """Give one up, and let what waits behind it continue.

    JSON: as `redrive`
    """
    result = _post(place, "discard", actor(who, reason), instance=instance)
    if json:
        print_json(result)
    else:
        _print_result(result)
    _exit([result])


def _post(place: Place, verb: str, by: Mapping[str, object], **body: object) -> dict[str, Any]:
    path = f"dead-letters/{place.topic}/{place.partition}/{place.offset}/{verb}"
    return {"place": str(place), **call(path, {**by, **body})}


def _choose(instance: str | None, cause: str | None) -> Sequence[Place]:
    with open_reader() as reader:
        places = choose(reader.queries, instance, cause, MAX_AT_ONCE)
    if not places and cause is None:
        fail(f"instance {instance} is not parked, and no record failed for it: `saga dead-letters ls` lists all")
    return places


def _exit(results: Sequence[Mapping[str, Any]]) -> None:
    """Exit with 1 if not all is done."""
    if any(each["end"] != Outcome.DONE for each in results):
        raise typer.Exit(1)


def _row(letter: DeadLetterSummary) -> Sequence[str]:
    age = format_duration(datetime.now(UTC) - letter.at)
    waiting = str(letter.waiting) if letter.parks else ""
    return (
        str(letter.place),
        age,
        textwrap.shorten(letter.cause, MAX_CAUSE_LENGTH, placeholder=" …"),
        letter.instance or "",
        waiting,
    )


def _print_letter(letter: DeadLetterDetail) -> None:
    echo(f"{letter.place}: dead-lettered at {format_time(letter.at)}")
    echo(f"  cause: {letter.cause}", indent=9)
    if letter.instance:
        echo(f"  instance: {letter.instance}{', which is parked behind it' if letter.parks else ''}")
    print_record(letter.record)
    if letter.audit:
        echo("\nwhat was done")
        for audit in letter.audit:
            echo(f"  {audit.summary}")
    if letter.queue:
        echo(f"\nwaiting behind it: {len(letter.queue)}")
        for each in letter.queue[:MAX_SHOWN]:
            echo(f"  {each}")


def _print_result(result: Mapping[str, Any], would: str = "") -> None:
    why = f": {result['why']}" if result["why"] else ""
    subject = "" if why.startswith(f": {result['place']} ") else f"{result['place']}: "
    (echo if result["end"] == Outcome.DONE else remark)(f"{subject}{would}{result['end']}{why}")
    for each in result["records"]:
        reason = f": {each['reason']}" if each["reason"] else ""
        echo(f"  {each['place']} {would}{each['verdict']}{reason}")
    if result["sent"]:
        echo(f"  {would}sent: {', '.join(result['sent'])}")
    if result["parked_behind"]:
        echo(f"  the instance is parked behind {result['parked_behind']}")


def _lines(value: bytes) -> list[str]:
    """Return a value in lines: one field a line, if it is JSON."""
    text = value.decode(errors="backslashreplace")
    try:
        return codec.dumps(codec.loads(text), indent=2, ensure_ascii=False).splitlines()
    except (ValueError, RecursionError):
        return text.splitlines()
