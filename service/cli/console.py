"""How the command line speaks: text and tables for people, JSON for programs, errors on standard error."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 200
"""Columns where there is no terminal to ask: nothing is cut off for a program that reads along."""

LAYOUT = "\n\t"


def to_stdout() -> Console:
    """Return the console for what was asked. Colours on a terminal only, and never with NO_COLOR."""
    return _console(stderr=False)


def to_stderr() -> Console:
    """Return the console for remarks and errors."""
    return _console(stderr=True)


def say(text: str | Text) -> None:
    """Print a paragraph. Control characters in a string are made visible, markup is left as it is."""
    to_stdout().print(plain(text, LAYOUT) if isinstance(text, str) else text, soft_wrap=True)


def remark(text: str) -> None:
    """Print a line beside the output, on standard error."""
    to_stderr().print(plain(text, LAYOUT), soft_wrap=True)


def fail(reason: str) -> NoReturn:
    """Say on standard error why it was not done, and end with 1."""
    remark(f"saga: {reason}")
    raise typer.Exit(1)


def table(headings: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table. Control characters in its cells are made visible."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        drawn.add_column(heading, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(plain(cell)) if isinstance(cell, str) else cell for cell in row))
    to_stdout().print(drawn)


def as_json(value: object) -> None:
    """Print a value as indented JSON. Times are RFC 3339 in UTC, durations seconds; dataclasses are objects."""
    sys.stdout.write(json.dumps(_told(value), indent=2) + "\n")


def plain(text: str, kept: str = "") -> str:
    """Return a text that no terminal takes for a command: control characters as escapes, save those that are `kept`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in kept else ascii(each)[1:-1] for each in text)


def stamp(at: datetime) -> str:
    """Write a time for people, in UTC, to the second."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def span(length: timedelta) -> str:
    """Write a duration for people: `45 ms`, `3.2 s`, `4 min 10 s`, `2 h 5 min`, `3 d 4 h`."""
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


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    return console


def _told(value: Any) -> Any:  # noqa: ANN401  whatever JSON can hold, and what stands for it
    """Return a value in the terms of JSON."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.decode(errors="replace")
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return round(value.total_seconds(), 6)
        case dict():
            return {str(key): _told(each) for key, each in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _told(asdict(value))
        case _:
            return [_told(each) for each in value]
