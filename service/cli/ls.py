"""`saga ls`: instances, the one that was started last first, and what each waits for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer
from rich.text import Text

from saga_coordinator.sagas.language.wording import format_count, format_duration
from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.cli.console import echo, print_json, remark, status_mark, table, width
from saga_coordinator.service.cli.options import Cursor, Json, OfSaga
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.views.instance import InstanceSummary, list_instances
from saga_coordinator.service.views.pending import SENT_OFTEN, describe_place
from saga_coordinator.service.views.text import escape

MAX_WAITS: Final = 4
"""How many of the things that an instance waits for are in its row: a list may have thousands."""

HEADINGS: Final = ("key", "saga", "status", "where", "since", "sent", "attention", "id")

MIN_WIDTH: Final = 100
"""Columns below which the saga is left out if all instances are of one."""

LIVE: Final = {Status.RUNNING, Status.COMPENSATING}


def ls(
    *,
    saga: OfSaga = None,
    status: Annotated[Status | None, typer.Option(help="Only those in this status")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many")] = 20,
    cursor: Cursor = None,
    wide: Annotated[bool, typer.Option("--wide", help="With the ids, too")] = False,
    attention: Annotated[bool, typer.Option("--attention", help="Only those that a person should look at")] = False,
    json: Json = False,
) -> None:
    """List instances, the newest first.

    --attention: stalled, parked, a timer that is overdue, or a command sent four times without an end.

    JSON: {"instances": [{"number", "id", "saga", "version", "key", "status", "paused_at", "stall", "started_at",
    "ended_at", "age_s", "next_timer_at", "waits_for": [{"step", "direction", "progress", "attempt", "sendings",
    "command_id", "asked_at", "due_at"}], "attention": [TEXT], "parked": {"behind", "cause", "since", "waiting"}}],
    "next": CURSOR, "dead_letters", "unpublished_messages"}
    """
    now = datetime.now(UTC)
    before = None if cursor is None else _number(cursor)
    with open_reader() as reader:
        page = list_instances(reader, limit, now, saga=saga, status=status, before=before, needs_attention=attention)
    if json:
        print_json(page)
        return
    if page.instances:
        _print(page.instances, now, wide=wide)
    else:
        narrowed = [f"saga {saga}"] if saga else []
        narrowed += [f"status {status}"] if status else []
        echo(_why_empty(f" of {', '.join(narrowed)}" if narrowed else "", before, attention=attention))
    if page.next is not None:
        remark(f"There are more: saga ls --cursor {page.next}")
    if page.dead_letters:
        remark(f"{format_count(page.dead_letters, 'dead letter')}: saga dead-letters ls")


def _number(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit()):
        raise typer.BadParameter(f"{cursor!r} is no cursor: take it from the end of the page before")
    return int(cursor)


def _print(instances: Sequence[InstanceSummary], now: datetime, *, wide: bool) -> None:
    """Print the columns that there is room for."""
    hidden = set() if wide else {"id"}
    if width() < MIN_WIDTH and len({(each.saga, each.version) for each in instances}) == 1:
        hidden.add("saga")
    shown = [heading for heading in HEADINGS if heading not in hidden]
    rows = [dict(zip(HEADINGS, _row(each, now), strict=True)) for each in instances]
    table(shown, [[row[heading] for heading in shown] for row in rows])


def _row(instance: InstanceSummary, now: datetime) -> tuple[str | Text, ...]:
    return (
        instance.key,
        f"{instance.saga} v{instance.version}",
        status_mark(instance.status, is_paused=instance.paused_at is not None),
        _where(instance, now),
        format_duration(_since(instance, now)),
        str(max((each.sendings for each in instance.waits_for), default="")),
        Text(escape(", ".join(instance.attention)), style="bold red"),
        instance.id,
    )


def _where(instance: InstanceSummary, now: datetime) -> str:
    """Return what an instance waits for, at most `MAX_WAITS` things, or where it stalled."""
    if instance.stall is not None:
        return f"{instance.stall.step or 'it'}: {instance.stall.code}"
    waits = [describe_place(each, now) for each in instance.waits_for]
    waits += [describe_place(each, now) for each in instance.waits_until]
    more = [f"and {len(waits) - MAX_WAITS} more"] if len(waits) > MAX_WAITS else []
    return ", ".join(waits[:MAX_WAITS] + more) if instance.status in LIVE else ""


def _since(instance: InstanceSummary, now: datetime) -> timedelta:
    """Return how long it has waited, or how long ago it ended."""
    if instance.ended_at is not None:
        return now - instance.ended_at
    began = [each.asked_at for each in instance.waits_for] + [each.since for each in instance.waits_until]
    return now - min(began, default=instance.started_at)


def _why_empty(of: str, before: int | None, *, attention: bool) -> str:
    """Return why the list is empty; `of` says by what it is narrowed."""
    if attention:
        return (
            f"No instance{of} needs attention: none is stalled, parked, overdue or sent {SENT_OFTEN} times without an "
            "end."
        )
    return f"There is no instance{of}" + (f" before {before}." if before is not None else ".")
