"""How a picture writes durations, times, rules, limits and texts of others."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from saga_coordinator.sagas import Retry
from saga_coordinator.sagas.language.nodes import ForEach
from saga_coordinator.sagas.language.wording import format_duration


def describe_duration(length: timedelta | Callable[..., Any]) -> str:
    """Return a duration such as `1 h 30 min`; the name of the function if one takes it from the data."""
    return length.__name__ if callable(length) else format_duration(length)


@dataclass(frozen=True, slots=True)
class Calendar:
    """Formats times in UTC; those of the first day without their date."""

    first: datetime

    def format(self, at: datetime) -> str:
        """Return a time to the second."""
        here, first = at.astimezone(UTC), self.first.astimezone(UTC)
        time = f"{here:%H:%M:%S}"
        return time if here.date() == first.date() else f"{here:%Y-%m-%d} {time}"

    def format_full(self, at: datetime) -> str:
        """Return a time with its date."""
        return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


MAX_LETTERS = 200
"""How many characters of a message, a key or a name from outside a picture shows."""


def in_a_line(text: str) -> str:
    """Return a text from outside as one line of limited length."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_LETTERS else line[: MAX_LETTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"


def describe_list(node: ForEach[Any]) -> str:
    """Return what a for-each goes through, and how many items at once."""
    usual = {None: "all at once", 1: "one at a time"}
    return f"for each of {node.items.__name__}, {usual.get(node.limit, f'at most {node.limit} at once')}"


def sendings(retry: Retry) -> str:
    """Return how often a command is sent; nothing if it is sent once."""
    if retry.is_endless:
        return ", until answered"
    often = f", {retry.attempts} sendings" if retry.attempts not in {None, 1} else ""
    return often + (f", for {describe_duration(retry.total)}" if retry.total else "")


def limit(deadline: timedelta | Callable[..., Any]) -> str:
    """Return a deadline; the name of the function if one takes it from the data."""
    return deadline.__name__ if callable(deadline) else f"{describe_duration(deadline)} after the start"


def ordinal(number: int) -> str:
    """Return the ordinal of a number that begins with 0."""
    place = number + 1
    ending = "th" if place % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"
