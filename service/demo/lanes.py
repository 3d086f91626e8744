"""One order's history from the database: what came in, and what was decided, in two lanes: there and back."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from pydantic_core import from_json
from rich.table import Table
from rich.text import Text

from saga_coordinator.contracts import Failure
from saga_coordinator.handlers.records import Entry, Verdict
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.machine import Direction, Status
from saga_coordinator.service.demo.story import Story
from saga_coordinator.service.demo.words import brief, listed

LEGEND: Final = "→ sent, ✓ done, ✗ refused, » outcome"


class _SentCommand(NamedTuple):
    """A command that was sent: of which step, in which direction, and what it is called."""

    step: str
    direction: Direction
    name: str


class _Row(NamedTuple):
    """One signal of the history, and what stands for it in each lane."""

    entry: Entry
    came: str
    there: list[str]
    back: list[str]


def history_lanes(story: Story) -> Table:
    """Return the history with a column of times: milliseconds since the order was placed."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    drawn.add_column("at ms", justify="right", no_wrap=True)
    drawn.add_column("what came in", no_wrap=True, overflow="ellipsis", ratio=5)
    drawn.add_column("forward", no_wrap=True, overflow="ellipsis", ratio=4, style="green")
    drawn.add_column("compensation", no_wrap=True, overflow="ellipsis", ratio=4, style="magenta")
    for row in _rows(story):
        at = f"{row.entry.at.timestamp() * 1000 - story.placed_at / 1e6:,.0f}"
        drawn.add_row(at, Text(row.came), Text("\n".join(row.there)), Text("\n".join(row.back)))
    return drawn


def _rows(story: Story) -> Iterator[_Row]:
    asked: dict[str, _SentCommand] = {}
    for entry in story.entries:
        decided = from_json(entry.decided)
        sent = _sent(story.saga, decided)
        row = _Row(entry, _incoming(entry, [command.step for command, _, _ in sent]), [], [])
        lanes = {Direction.FORWARD: row.there, Direction.COMPENSATION: row.back}
        answered = asked.get(entry.causation_id or "")
        if answered is not None and entry.verdict is Verdict.APPLIED:
            lanes[answered.direction].append(f"{'✗' if _code(entry) else '✓'} {answered.name}")
        for command, command_id, attempt in sent:
            again = " again" if command_id in asked else f", attempt {attempt}" if attempt > 1 else ""
            lanes[command.direction].append(f"→ {command.name}{again}")
            asked[command_id] = command
        if "outcome" in decided:
            lane = row.back if decided["status"] == Status.COMPENSATED else row.there
            lane.append(f"» {brief(decided['outcome'])}")
        yield row


def _sent(saga: AnySaga, decided: dict[str, Any]) -> list[tuple[_SentCommand, str, int]]:
    """Return the commands that a decision has sent, each with its id and attempt."""
    return [
        (_SentCommand(step, Direction(direction), _name(saga, step, Direction(direction))), command_id, attempt)
        for step, direction, attempt, command_id in decided.get("sent", ())
    ]


def _name(saga: AnySaga, step: str, direction: Direction) -> str:
    step_plan = saga.plan.step(step)
    command = step_plan.command if direction is Direction.FORWARD else step_plan.undo
    return step if command is None else brief(command.message_type)


def _incoming(entry: Entry, steps: list[str]) -> str:
    """Say what came in; of an alarm, what it was about."""
    if entry.kind == "wake":
        return f"alarm: {listed(steps)} is due" if steps else "alarm"
    code = _code(entry)
    told = brief(entry.message_type) if entry.message_type else entry.kind
    verdict = "" if entry.verdict is Verdict.APPLIED else f" ({entry.verdict})"
    return f"{told}{f': {code}' if code else ''}{verdict}"


def _code(entry: Entry) -> str | None:
    """Return the code of a failure, None if it is none."""
    if entry.message_type != Failure.message_type:
        return None
    return Failure.model_validate_json(entry.value or b"").code
