"""Times, durations, lists and the directions of steps as text for people; text that commands no terminal."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from saga_coordinator.sagas.machine import Direction


def format_time(at: datetime) -> str:
    """Return a time in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def format_duration(length: timedelta) -> str:
    """Return a duration as `45 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min` or `3 d 4 h`."""
    seconds = max(length.total_seconds(), 0.0)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004  a minute
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    whole = round(seconds)
    for unit, size, lesser, lesser_size in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            more = whole % size // lesser_size
            return f"{whole // size} {unit}" + (f" {more} {lesser}" if more else "")
    return f"{whole} s"


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
