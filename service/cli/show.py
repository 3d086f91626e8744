"""`saga show`: one instance whole. Its status, its steps in both directions, its history, its data, its trace."""

import json as codec
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.text import Text

from saga_coordinator.handlers.records import Verdict
from saga_coordinator.sagas.language.wording import format_duration
from saga_coordinator.sagas.machine import Direction, Progress
from saga_coordinator.sagas.words import DELAY_WORDS, EVENT_WORDS, NOT_REACHED, describe_command
from saga_coordinator.service.cli.console import echo, explain, print_json, status_mark, table, verbatim, width
from saga_coordinator.service.cli.options import History, Instance, Json, OfSaga
from saga_coordinator.service.cli.reader import open_reader
from saga_coordinator.service.views.instance import InstanceDetail, StepView, find, show_instance
from saga_coordinator.service.views.pending import CommandView, WaitView
from saga_coordinator.service.views.text import escape, format_direction, format_time
from saga_coordinator.service.views.timeline import TimelineEntry

STYLES: Final = {
    Progress.ASKED: "cyan",
    Progress.WAITING: "yellow",
    Progress.DONE: "green",
    Progress.REFUSED: "red",
    Progress.UNKNOWN: "magenta",
}

Cells = Sequence[str | Text]

TWO_LINES_BELOW: Final = 120
"""Columns below which an entry of the history is two lines instead of a row."""


def show(instance: Instance, *, saga: OfSaga = None, history: History = 500, json: Json = False) -> None:
    """Show one instance with its steps, history, data and trace.

    JSON: {"id", "saga", "version", "key", "status", "why", "sentences": [TEXT], "attention", "parked", "started_at",
    "ended_at", "deadline_at", "paused_at", "next_timer_at", "cause", "stall", "choices", "attempts", "trace_id",
    "revision", "home", "data", "steps": [{"name", "kind": "step|receive|delay", "pivot", "compensatable", "forward",
    "compensation"}], "waits": {NAME: {"name", "kind": "event|time", "progress", "since", "due_at", "event_id",
    "event_source"}},
    "history": [{"seq", "at", "kind", "summary", "verdict", "reason", "message_id", "message_type", "message_source",
    "causation_id", "value", "work_s", "status", "sent", "outcome", "place", "trace_id", "span_id"}],
    "records": as `saga records ls`, those that have its key, or are for it, and have not reached it}
    """
    with open_reader() as reader:
        detail = show_instance(reader, find(reader, instance, saga), history, datetime.now(UTC))
    if json:
        print_json(detail)
    else:
        _print(detail)


def _print(detail: InstanceDetail) -> None:
    status = status_mark(detail.status, is_paused=detail.paused_at is not None)
    echo(Text.assemble((escape(f"{detail.key}  "), "bold"), status, f"  {detail.saga} v{detail.version}"))
    explain(detail.sentences)
    echo(f"\ninstance {detail.id}   trace {detail.trace_id}   revision {detail.revision}   home {detail.home}\n")
    times = ("sent", "work", "retry")
    headings = ("step", "forward", *times, "compensation", *times)
    table(headings, [_step(each, detail.waits.get(each.name)) for each in detail.steps])
    is_cut = detail.revision > len(detail.history)
    echo(f"\nhistory, its last {len(detail.history)} of {detail.revision} entries" if is_cut else "\nhistory")
    entries = [_entry(each, detail.started_at) for each in detail.history]
    if width() < TWO_LINES_BELOW:
        for entry in entries:
            _print_entry(*entry)
    else:
        table(("seq", "after", "what came in", "work", "status", "sent", "place"), entries)
    echo("\ndata")
    verbatim(codec.dumps(detail.data, indent=2, ensure_ascii=False))


def _print_entry(seq: str, after: str, what: str, work: str, status: str, sent: str, place: str) -> None:  # noqa: PLR0917  the columns of the table
    """Print an entry in two lines: what came in and the status that follows, what was sent and where the record is."""
    echo(f"{seq:>3}  {after}  {what}{f', after {work}' if work else ''}  → {status}", indent=5)
    if more := "  ".join(filter(None, (f"sent {sent}" if sent else "", place))):
        echo(f"     {more}", indent=5)


def _step(step: StepView, wait: WaitView | None) -> Cells:
    if step.kind != "step":
        return step.name, _wait(wait), *[""] * 7
    title = f"{step.name} (pivot)" if step.pivot else step.name
    undo = _command(step.compensation, Direction.COMPENSATION) if step.compensatable else [""] * 4
    return title, *_command(step.forward, Direction.FORWARD), *undo


def _wait(wait: WaitView | None) -> Text:
    if wait is None:
        return Text(NOT_REACHED, style="dim")
    word = (EVENT_WORDS if wait.kind == "event" else DELAY_WORDS)[wait.progress]
    until = f" until {format_time(wait.due_at)}" if wait.progress is Progress.ASKED else ""
    return Text(word + until, style=STYLES[wait.progress])


def _command(command: CommandView | None, direction: Direction) -> Cells:
    if command is None:
        return Text(describe_command(None, direction), style="dim"), "", "", ""
    text = Text(describe_command(command.progress, direction), style=STYLES[command.progress])
    work = "" if command.work_s is None else format_duration(command.work_s)
    return text, str(command.sendings), work, format_duration(command.retry_s) if command.retry_s else ""


def _entry(entry: TimelineEntry, started_at: datetime) -> tuple[str, str, str, str, str, str, str]:
    verdict = "" if entry.verdict is Verdict.APPLIED else f" [{entry.verdict}]"
    reason = f" {entry.reason.removeprefix(f'{entry.verdict}: ')}" if entry.reason else ""
    work = "" if entry.work_s is None else format_duration(entry.work_s)
    after = f"+{format_duration(entry.at - started_at)}"
    sent = ", ".join(_sent(entry))
    place = "" if entry.place is None else str(entry.place)
    return str(entry.seq), after, entry.summary + verdict + reason, work, entry.status, sent, place


def _sent(entry: TimelineEntry) -> Iterator[str]:
    for sent in entry.sent:
        attempt = f" #{sent.attempt}" if sent.attempt > 1 else ""
        yield format_direction(sent.step, sent.direction) + attempt + (" again" if sent.again else "")
    if entry.outcome:
        yield entry.outcome
