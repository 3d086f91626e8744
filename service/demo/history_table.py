"""One order's history from the database as a table: what came in, and what was decided in each direction."""

from typing import Final

from rich.table import Table
from rich.text import Text

from saga_coordinator.contracts import Failure
from saga_coordinator.handlers.records import Verdict
from saga_coordinator.sagas.machine import Direction, Status
from saga_coordinator.service.demo.story import Story
from saga_coordinator.service.demo.words import brief, listed
from saga_coordinator.service.views.timeline import TimelineEntry, timeline

LEGEND: Final = "→ sent, ✓ done, ✗ refused, » outcome"


def history_table(story: Story) -> Table:
    """Return the history with a column of times: milliseconds since the order was placed."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    drawn.add_column("at ms", justify="right", no_wrap=True)
    drawn.add_column("what came in", no_wrap=True, overflow="ellipsis", ratio=5)
    drawn.add_column("forward", no_wrap=True, overflow="ellipsis", ratio=4, style="green")
    drawn.add_column("compensation", no_wrap=True, overflow="ellipsis", ratio=4, style="magenta")
    for entry in timeline(story.entries).entries:
        at = f"{entry.at.timestamp() * 1000 - story.placed_at / 1e6:,.0f}"
        decided = [Text("\n".join(_decided(story, entry, direction))) for direction in Direction]
        drawn.add_row(at, Text(_incoming(entry)), *decided)
    return drawn


def _decided(story: Story, entry: TimelineEntry, direction: Direction) -> list[str]:
    """Return what was decided in one direction: the reply that was accepted, commands that were sent, the outcome."""
    decided = []
    answered = entry.answers
    if answered is not None and answered.direction is direction and entry.verdict is Verdict.APPLIED:
        decided.append(f"{'✗' if _code(entry) else '✓'} {_command(story, answered.step, direction)}")
    for sent in entry.sent:
        if sent.direction is direction:
            again = " again" if sent.again else f", attempt {sent.attempt}" if sent.attempt > 1 else ""
            decided.append(f"→ {_command(story, sent.step, direction)}{again}")
    if entry.outcome and (entry.status == Status.COMPENSATED) is (direction is Direction.COMPENSATION):
        decided.append(f"» {brief(entry.outcome)}")
    return decided


def _command(story: Story, step: str, direction: Direction) -> str:
    plan = story.saga.plan.step(step)
    command = plan.command if direction is Direction.FORWARD else plan.undo
    return step if command is None else brief(command.message_type)


def _incoming(entry: TimelineEntry) -> str:
    """Return what came in; for a timer, the steps that were due."""
    if entry.kind == "wake":
        steps = [sent.step for sent in entry.sent]
        return f"timer: {listed(steps)} is due" if steps else "timer"
    code = _code(entry)
    message = brief(entry.message_type) if entry.message_type else entry.kind
    verdict = "" if entry.verdict is Verdict.APPLIED else f" ({entry.verdict})"
    return f"{message}{f': {code}' if code else ''}{verdict}"


def _code(entry: TimelineEntry) -> str | None:
    """Return the code of a failure, None if it is none."""
    return entry.value["code"] if entry.message_type == Failure.message_type else None
