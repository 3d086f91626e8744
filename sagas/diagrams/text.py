"""The words in which a picture tells rules, limits and what others have written."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from saga_coordinator.sagas.diagrams.moments import describe_duration
from saga_coordinator.sagas.language.nodes import ForEach
from saga_coordinator.sagas.language.retry import Retry

MAX_LETTERS = 200
"""How much of a message, a key or a name that somebody else wrote stands in a picture."""


def in_a_line(text: str) -> str:
    """Write what others have written as one line that ends somewhere."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_LETTERS else line[: MAX_LETTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"


def describe_list(node: ForEach[Any]) -> str:
    """Tell what a for-each goes through, and how many of it at once."""
    usual = {None: "all at once", 1: "one at a time"}
    return f"for each of {node.items.__name__}, {usual.get(node.limit, f'at most {node.limit} at once')}"


def sendings(retry: Retry) -> str:
    """Tell how often a command is sent; nothing if it is sent once."""
    if retry.is_endless:
        return ", until answered"
    often = f", {retry.attempts} sendings" if retry.attempts not in {None, 1} else ""
    return often + (f", for {describe_duration(retry.total)}" if retry.total else "")


def limit(deadline: timedelta | Callable[..., Any]) -> str:
    """Tell a deadline; one that a function takes from the data by the function's name."""
    return deadline.__name__ if callable(deadline) else f"{describe_duration(deadline)} after the start"


def ordinal(number: int) -> str:
    """Count as people do, from a number that begins with 0."""
    place = number + 1
    ending = "th" if place % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{ending}"
