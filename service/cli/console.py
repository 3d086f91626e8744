"""Output of the command line: text and tables for people, JSON for programs, remarks and errors on standard error."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.views.text import escape
from saga_coordinator.service.views.values import to_json

PIPE_WIDTH = 200
"""Columns where there is no terminal: nothing is cut off for a program that reads along."""

WHITESPACE = "\n\t"

MARKS: Final = {
    Status.RUNNING: ("▶", "cyan"),
    Status.COMPENSATING: ("↩", "yellow"),
    Status.STALLED: ("■", "bold red"),
    Status.COMPLETED: ("✔", "green"),
    Status.COMPENSATED: ("↺", "magenta"),
}


def echo(text: str | Text) -> None:
    """Print a paragraph. Control characters in a string are made visible, markup is left as it is."""
    _console(stderr=False).print(escape(text, WHITESPACE) if isinstance(text, str) else text, soft_wrap=True)


def remark(text: str) -> None:
    """Print a line on standard error."""
    _console(stderr=True).print(escape(text, WHITESPACE), soft_wrap=True)


def report(problem: str) -> None:
    """Print what is wrong on standard error."""
    remark(f"saga: {problem}")


def fail(reason: str) -> NoReturn:
    """Print the reason on standard error, and exit with 1."""
    report(reason)
    raise typer.Exit(1)


def table(headings: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table. Control characters in its cells are made visible."""
    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        drawn.add_column(heading, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(escape(cell)) if isinstance(cell, str) else cell for cell in row))
    _console(stderr=False).print(drawn)


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(to_json(value), indent=2) + "\n")


def status_mark(status: Status, *, is_paused: bool) -> Text:
    """Return a status by icon, word and colour."""
    icon, style = MARKS[status]
    return Text(f"{icon} {status}{', paused' if is_paused else ''}", style=style)


def _console(*, stderr: bool) -> Console:
    """Return a console. It has colours on a terminal only, and never with NO_COLOR."""
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console
