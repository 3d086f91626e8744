"""Lengths of time and moments, as a picture tells them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

_UNITS = (("day", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))


def describe_duration(length: timedelta | Callable[..., Any]) -> str:
    """Tell a length of time, such as `1 h 30 min`; one that a function takes from the data by the function's name."""
    if callable(length):
        return length.__name__
    words, rest = [], length
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}")
    if rest or not words:
        words.append(f"{rest.total_seconds():g} s")
    return " ".join(words)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Tells moments, in UTC; those of the first day without their date."""

    first: datetime

    def format(self, at: datetime) -> str:
        """Tell a moment to the second."""
        here, first = at.astimezone(UTC), self.first.astimezone(UTC)
        time = f"{here:%H:%M:%S}"
        return time if here.date() == first.date() else f"{here:%Y-%m-%d} {time}"

    def format_full(self, at: datetime) -> str:
        """Tell a moment with its date."""
        return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
