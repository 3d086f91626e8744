"""`saga ls`: instances, the one that was started last first, and what each waits for."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.text import Text

from saga_coordinator.sagas.machine import Instance, Status
from saga_coordinator.service.cli.console import as_json, plain, remark, say, span, table
from saga_coordinator.service.cli.looking import Look, command_state_to_json, known, looking
from saga_coordinator.service.cli.parking import as_told as parked_told
from saga_coordinator.service.cli.parking import behind
from saga_coordinator.service.cli.waiting import (
    SENT_OFTEN,
    TIMER_LATE,
    attention,
    describe_pending,
    pending,
    told,
    waits,
)
from saga_coordinator.service.storage.sqlite.dead_letter_queries import ParkedBehind, parked_behind
from saga_coordinator.service.storage.sqlite.queries import InstanceFilter, InstanceRow

MARKS: Final = {
    Status.RUNNING: ("▶", "cyan"),
    Status.COMPENSATING: ("↩", "yellow"),
    Status.STALLED: ("■", "bold red"),
    Status.COMPLETED: ("✔", "green"),
    Status.COMPENSATED: ("↺", "magenta"),
}


MAX_WAITS: Final = 4
"""How many of the things that an instance waits for stand in its row: a list may have thousands."""


def ls(
    *, saga: str | None, status: str | None, before: int | None, limit: int, needing_attention: bool, json: bool
) -> None:
    """Print a page of instances; `limit` 1 to 1000."""
    now = datetime.now(UTC)
    late = now - TIMER_LATE if needing_attention else None
    with looking() as look:
        which = InstanceFilter(saga=saga, status=status, before=before, late=late, sendings=SENT_OFTEN)
        rows = look.reading.instances(which, limit + 1)
        page, more = rows[:limit], len(rows) > limit
        parked = parked_behind(look.reading, [row.id for row in page])
        described = [_told(look, row, now, parked.get(row.id)) for row in page]
        beside = _beside(look)
    if json:
        as_json({"instances": described, "next": page[-1].number if more else None, **beside})
        return
    _print(page, look, now, parked)
    if more:
        remark(f"There are more: saga ls --before {page[-1].number}")
    if not page:
        say(_why_empty(which))
    if beside["dead_letters"]:
        remark(f"{beside['dead_letters']} records were set aside: saga dead-letters ls")


def marked(instance: Instance[Any] | None, status: Status) -> Text:
    """Write a status by icon, word and colour."""
    icon, style = MARKS[status]
    paused = ", paused" if instance and instance.paused_at else ""
    return Text(f"{icon} {status}{paused}", style=style)


def _print(page: Sequence[InstanceRow], look: Look, now: datetime, parked: Mapping[str, ParkedBehind]) -> None:
    if page:
        headings = ("key", "saga", "status", "age", "waits for", "look", "id")
        table(headings, [_row(row, known(look, row), now, parked.get(row.id)) for row in page])


def _row(
    row: InstanceRow, instance: Instance[Any] | None, now: datetime, head: ParkedBehind | None
) -> Sequence[str | Text]:
    """Write an instance as a row."""
    if instance is None:
        waiting, look = "", f"version {row.version} is not in the catalog"
    else:
        waiting = "; ".join(_waiting(instance, now)) if instance.is_active else ""
        look = ", ".join([*attention(instance, now), *([behind(head)] if head else [])])
    age = span((row.ended_at or now) - row.started_at)
    status = marked(instance, Status(row.status))
    return row.key, f"{row.saga} v{row.version}", status, age, waiting, Text(plain(look), style="bold red"), row.id


def _waiting(instance: Instance[Any], now: datetime) -> Iterator[str]:
    """Say what an instance waits for, at most `MAX_WAITS` things."""
    told_all = [told(wait, now) for wait in waits(instance)]
    told_all += [describe_pending(name, wait, now) for name, wait in pending(instance)]
    yield from told_all[:MAX_WAITS]
    if len(told_all) > MAX_WAITS:
        yield f"and {len(told_all) - MAX_WAITS} more"


def _told(look: Look, row: InstanceRow, now: datetime, head: ParkedBehind | None) -> dict[str, object]:
    """Return what a program is told of an instance."""
    instance = known(look, row)
    return {
        "number": row.number,
        "id": row.id,
        "saga": row.saga,
        "version": row.version,
        "key": row.key,
        "status": row.status,
        "paused_at": instance.paused_at if instance else None,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "age_s": (row.ended_at or now) - row.started_at,
        "next_timer_at": row.next_timer_at,
        "waits_for": [
            {"step": wait.step, "direction": wait.direction, **command_state_to_json(wait.command_state)}
            for wait in (waits(instance) if instance else ())
        ],
        "waits_until": [
            {"name": name, "since": wait.since, "due_at": wait.due_at, "for": "an event" if wait.address else "a time"}
            for name, wait in (pending(instance) if instance else ())
        ],
        "attention": [*(attention(instance, now) if instance else ()), *([behind(head)] if head else [])],
        "parked": parked_told(head),
    }


def _beside(look: Look) -> dict[str, int]:
    return {"dead_letters": look.reading.dead_letters(), "unpublished_messages": look.reading.owed()}


def _why_empty(which: InstanceFilter) -> str:
    """Say why there is nothing to see."""
    narrowed = [f"saga {which.saga}"] if which.saga else []
    narrowed += [f"status {which.status}"] if which.status else []
    of = f" of {', '.join(narrowed)}" if narrowed else ""
    if which.late is not None:
        return (
            f"No instance{of} needs attention: none is stalled, parked, late or sent {SENT_OFTEN} times without an end."
        )
    return f"There is no instance{of}" + (f" before {which.before}." if which.before is not None else ".")
