"""`saga records`: records that have reached no instance, or wait for one, and why."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Final

import typer

from saga_coordinator.handlers.records import Verdict
from saga_coordinator.sagas.language.wording import format_duration
from saga_coordinator.service.cli.console import echo, print_json, remark, table, verbatim
from saga_coordinator.service.cli.options import Cursor, Json, group
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.views.record import RecordView
from saga_coordinator.service.views.records import RecordSummary, list_records

MAX_SHOWN: Final = 10_000
"""Characters of a value that are shown to people; JSON has all of it."""

records = group("Records that have reached no instance, or wait for one.")


class ListedVerdict(StrEnum):
    """The verdicts of records that are listed; all others are in the history of an instance."""

    BUFFERED = Verdict.BUFFERED
    UNMATCHED = Verdict.UNMATCHED
    IGNORED = Verdict.IGNORED
    DEAD_LETTERED = Verdict.DEAD_LETTERED


@records.callback()
def _group() -> None:
    """Records that have reached no instance, or wait for one."""


@records.command("ls")
def ls(
    *,
    verdict: Annotated[ListedVerdict | None, typer.Option(help="Only those with this verdict")] = None,
    key: Annotated[str | None, typer.Option(help="Only those with this key, or for an instance that has it")] = None,
    topic: Annotated[str | None, typer.Option(help="Only those of this topic")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many")] = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """List records that have reached no instance, or wait for one, the newest first.

    Buffered: an event that came early, or a record queued behind a dead letter. Unmatched: there was no instance for
    it. Ignored: its instance has ended and cannot be read; of records of a type that no saga wants nothing is stored.

    JSON: {"records": [{"place", "at", "verdict", "why", "key", "message_type", "instance", "until"}], "next": CURSOR}
    """
    wanted = None if verdict is None else Verdict(verdict)
    with open_reader() as reader:
        try:
            page = list_records(*reader, limit, verdict=wanted, topic=topic, key=key, before=cursor)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    if json:
        print_json(page)
        return
    if page.records:
        now = datetime.now(UTC)
        table(("place", "verdict", "age", "key", "type", "why"), [_row(each, now) for each in page.records])
    else:
        echo("There is no record" + (" like this." if verdict or key or topic or cursor else " without an instance."))
    if page.next:
        remark(f"There are more: saga records ls --cursor {page.next}")


def print_record(record: RecordView) -> None:
    """Print a record: its key, a header a line, its value."""
    verbatim(f"  key: {record.key}")
    for name, value in record.headers:
        verbatim(f"  {name}: {value}")
    verbatim(f"\n{(record.value or '')[:MAX_SHOWN]}")


def _row(record: RecordSummary, now: datetime) -> Sequence[str]:
    return (
        str(record.place),
        record.verdict,
        format_duration(now - record.at),
        record.key or "",
        record.message_type or "",
        record.why if record.until is None else f"{record.why}; kept for {format_duration(record.until - now)} more",
    )
