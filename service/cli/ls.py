"""`saga ls`: instances, the one that was started last first, and what each waits for."""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import typer
from rich.text import Text

from saga_coordinator.service.cli.console import echo, print_json, remark, status_mark, table
from saga_coordinator.service.cli.options import Json, OfSaga
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.views.instance import InstanceSummary, list_instances
from saga_coordinator.service.views.pending import SENT_OFTEN, describe
from saga_coordinator.service.views.text import escape, format_duration

MAX_WAITS: Final = 4
"""How many of the things that an instance waits for are in its row: a list may have thousands."""

HEADINGS: Final = ("key", "saga", "status", "age", "waits for", "attention", "id")

Status = Literal["running", "compensating", "stalled", "completed", "compensated"]


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

    --attention: stalled, parked, a timer that is overdue, or a command sent four times without an end.

    JSON: {"instances": [{"number", "id", "saga", "version", "key", "status", "paused_at", "started_at", "ended_at",
    "age_s", "next_timer_at", "waits_for": [{"step", "direction", "progress", "attempt", "sendings", "command_id",
    "asked_at", "due_at"}], "attention": [TEXT], "parked": {"behind", "cause", "since", "waiting"}}],
    "next": NUMBER for --before, "dead_letters", "unpublished_messages"}
    """
    now = datetime.now(UTC)
    with open_reader() as reader:
        page = list_instances(reader, limit, now, saga=saga, status=status, before=before, needs_attention=attention)
    if json:
        print_json(page)
        return
    if page.instances:
        table(HEADINGS, [_row(each, now) for each in page.instances])
    else:
        narrowed = [f"saga {saga}"] if saga else []
        narrowed += [f"status {status}"] if status else []
        echo(_why_empty(f" of {', '.join(narrowed)}" if narrowed else "", before, attention=attention))
    if page.next is not None:
        remark(f"There are more: saga ls --before {page.next}")
    if page.dead_letters:
        remark(f"{page.dead_letters} records are dead-lettered: saga dead-letters ls")


def _row(instance: InstanceSummary, now: datetime) -> tuple[str | Text, ...]:
    is_active = instance.paused_at is None and instance.status in {"running", "compensating"}
    return (
        instance.key,
        f"{instance.saga} v{instance.version}",
        status_mark(instance.status, is_paused=instance.paused_at is not None),
        format_duration(instance.age_s),
        _waits(instance, now) if is_active else "",
        Text(escape(", ".join(instance.attention)), style="bold red"),
        instance.id,
    )


def _waits(instance: InstanceSummary, now: datetime) -> str:
    waits = [describe(each, now) for each in instance.waits_for]
    waits += [describe(each, now) for each in instance.waits_until]
    more = [f"and {len(waits) - MAX_WAITS} more"] if len(waits) > MAX_WAITS else []
    return "; ".join(waits[:MAX_WAITS] + more)


def _why_empty(of: str, before: int | None, *, attention: bool) -> str:
    """Return why the list is empty; `of` says by what it is narrowed."""
    if attention:
        return (
            f"No instance{of} needs attention: none is stalled, parked, overdue or sent {SENT_OFTEN} times without an "
            "end."
        )
    return f"There is no instance{of}" + (f" before {before}." if before is not None else ".")
