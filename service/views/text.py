"""Times, lists, statuses, places and the directions of steps as text for people; text that commands no terminal."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from saga_coordinator.handlers.records import Place
from saga_coordinator.sagas.language.wording import format_duration
from saga_coordinator.sagas.machine import Direction, Status

STATUS_MARKS: Final[Mapping[Status, tuple[str, str]]] = {
    Status.RUNNING: ("▶", "cyan"),
    Status.COMPLETED: ("✔", "green"),
    Status.COMPENSATING: ("↩", "yellow"),
    Status.COMPENSATED: ("↺", "magenta"),
    Status.STALLED: ("■", "bold red"),
}
"""The icon and the colour of each status."""


_PLACE: Final = re.compile(r"([\w.-]{1,249}(?:@[\w-]{1,64})?):(\d{1,10}):(\d{1,18})", re.ASCII)


def parse_place(text: str) -> Place:
    """Return the place that TOPIC:PARTITION:OFFSET names. Raises `ValueError`."""
    parts = _PLACE.fullmatch(text)
    if parts is None:
        raise ValueError(f"{text!r} is no place: write TOPIC:PARTITION:OFFSET, such as orders.events.v1:0:17")
    topic, partition, offset = parts.groups()
    return Place(topic, int(partition), int(offset))


def as_text(raw: bytes | None) -> str | None:
    """Return bytes as text; what is not UTF-8, or commands a terminal, is escaped."""
    return None if raw is None else escape(raw.decode(errors="backslashreplace"))


def format_time(at: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def format_ago(at: datetime, now: datetime) -> str:
    """Return a time, and how long ago it was."""
    return f"{format_time(at)} ({format_duration(now - at)} ago)"


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
