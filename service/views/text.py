"""Times, lists, statuses and the directions of steps as text for people; text that commands no terminal."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from saga_coordinator.sagas.machine import Direction, Status

STATUS_MARKS: Final[Mapping[Status, tuple[str, str]]] = {
    Status.RUNNING: ("▶", "cyan"),
    Status.COMPLETED: ("✔", "green"),
    Status.COMPENSATING: ("↩", "yellow"),
    Status.COMPENSATED: ("↺", "magenta"),
    Status.STALLED: ("■", "bold red"),
}
"""The icon and the colour of each status."""


def format_time(at: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def format_list(names: Sequence[str], word: str = "and") -> str:
    """Return `a`, `a and b`, `a, b and c`, or `none`."""
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names) or "none"


def format_direction(step: str, direction: Direction) -> str:
    """Return the name of a step, or of its compensation."""
    return step if direction is Direction.FORWARD else f"undo {step}"


def escape(text: str, kept: str = "") -> str:
    """Return a text that commands no terminal: control characters as escapes, except those that are `kept`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in kept else ascii(each)[1:-1] for each in text)
