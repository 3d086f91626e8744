"""Durations, numbers and the nearest name as text for people."""

from collections.abc import Iterable
from datetime import timedelta
from difflib import get_close_matches

_UNITS = (
    (timedelta(days=1), "day", timedelta(hours=1), "h"),
    (timedelta(hours=1), "h", timedelta(minutes=1), "min"),
    (timedelta(minutes=1), "min", timedelta(seconds=1), "s"),
)


def format_duration(length: timedelta) -> str:
    """Return a duration in three digits or two units: `88 ms`, `2.03 s`, `4 min 10 s`, `2 h 5 min`, `14 days`."""
    length = max(length, timedelta(0))
    if length < timedelta(seconds=1):
        return f"{length / timedelta(milliseconds=1):.0f} ms"
    if length < timedelta(seconds=59.95):
        return f"{length.total_seconds():.3g} s"
    whole = timedelta(seconds=round(length.total_seconds()))
    size, unit, smaller, smaller_unit = next(each for each in _UNITS if whole >= each[0])
    count, more = whole // size, whole % size // smaller
    unit += "s" if unit == "day" and count > 1 else ""
    return f"{count} {unit}" + (f" {more} {smaller_unit}" if more else "")


def format_times(count: int) -> str:
    """Return how often something happened: `once`, `4 times`."""
    return "once" if count == 1 else f"{count} times"


def format_count(count: int, noun: str) -> str:
    """Return how many there are: `1 instance`, `4 instances`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def suggest(name: str, known: Iterable[str], otherwise: str, cutoff: float = 0.6) -> str:
    """Return the question whether a known name was meant that begins so or is near, `otherwise` if there is none."""
    names = list(known)
    near = [each for each in names if each.startswith(name)] or get_close_matches(name, names, 1, cutoff)
    return f"did you mean {near[0]}?" if near else otherwise
