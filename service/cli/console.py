"""Output of the command line: text and tables for people, JSON for programs, remarks and errors on standard error."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil
from time import monotonic
from typing import Final, NoReturn

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.table import Table
from rich.text import Text

from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.views.text import STATUS_MARKS, escape
from saga_coordinator.service.views.values import to_json

PIPE_WIDTH = 200
"""Columns where there is no terminal: nothing is cut off for a program that reads along."""

WHITESPACE = "\n\t"
GAP: Final = 2
"""Columns between those of a table."""

MIN_WIDTH: Final = 20

SHORT_CELL: Final = 20
"""Columns of a cell that stays in one line: a number with its unit, a time, a status."""

MIN_PROSE: Final = 12
"""Columns that a longer text has at least."""

MAX_LINES: Final = 4
"""Lines of a cell: where there is no room for a longer text, its row is a block."""

SHORT: Final = 2.0
"""Seconds that a run may take without saying how far it is."""

TERMINAL_INTERVAL: Final = 0.2
PIPE_INTERVAL: Final = 5.0


def echo(text: str | Text, *, indent: int = 0) -> None:
    """Print a paragraph: wrapped at words on a terminal, in one line elsewhere; all lines but the first are indented.

    Control characters in a string are made visible, markup is left as it is.
    """
    _print(text, stderr=False, indent=indent)


def explain(sentences: Sequence[str]) -> None:
    """Print an explanation: a line for each sentence on a terminal, in one line elsewhere."""
    for each in sentences if _is_wrapped(_console(stderr=False)) else [" ".join(sentences)]:
        echo(each, indent=2)


def verbatim(text: str) -> None:
    """Print a value as it is, in its own lines. Control characters are made visible."""
    _console(stderr=False).print(escape(text, WHITESPACE), soft_wrap=True)


def remark(text: str) -> None:
    """Print a paragraph on standard error, as `echo`."""
    _print(text, stderr=True)


def report(problem: str) -> None:
    """Print what is wrong on standard error."""
    remark(f"saga: {problem}")


def fail(reason: str) -> NoReturn:
    """Print the reason on standard error, and exit with 1."""
    report(reason)
    raise typer.Exit(1)


def table(headings: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    """Print a table that breaks no word; where it is too wide, each row as a block of lines.

    A column without content is left out. Control characters in cells are made visible.
    """
    console = _console(stderr=False)
    cells = [[Text(escape(cell)) if isinstance(cell, str) else cell for cell in row] for row in rows]
    shown = [number for number, _ in enumerate(headings) if any(row[number].plain for row in cells)]
    headings, drawn = [headings[each] for each in shown], [[row[each] for each in shown] for row in cells]
    columns = list(zip(*([Text(each) for each in headings], *drawn), strict=True))
    widths = _fit([_extent(column) for column in columns], console.width - GAP * (len(headings) - 1))
    if widths is None:
        for row in drawn:
            _print_block(console, headings, row)
        return
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for heading, width in zip(headings, widths, strict=True):
        grid.add_column(heading, width=width)
    for row in drawn:
        grid.add_row(*row)
    console.print(grid)


def width() -> int:
    """Return how many columns there are to print in."""
    return _console(stderr=False).width


class ProgressLine:
    """Says on standard error how far a long run is: one line on a terminal, elsewhere one every few seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._console = _console(stderr=True)
        self._clock = clock
        self._every = TERMINAL_INTERVAL if self._console.is_terminal else PIPE_INTERVAL
        self._next = clock() + SHORT

    def __call__(self, text: str) -> None:
        """Say it, unless something was said a moment ago."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + self._every
        if self._console.is_terminal:
            self._console.file.write(f"\r{text[: self._console.width - 1].ljust(self._console.width - 1)}\r")
            self._console.file.flush()
        else:
            remark(text)

    def end(self) -> None:
        """Clear the line of a terminal."""
        if self._console.is_terminal:
            self._console.control(Control((ControlType.ERASE_IN_LINE, 2)))


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(to_json(value), indent=2) + "\n")


def status_mark(status: Status, *, is_paused: bool) -> Text:
    """Return a status by icon, word and colour."""
    icon, style = STATUS_MARKS[status]
    return Text(f"{icon} {status}{', paused' if is_paused else ''}", style=style)


def _extent(column: Iterable[Text]) -> tuple[int, int]:
    """Return the length of the longest word of a column, and of its longest line."""
    cells = list(column)
    words = (cell_len(word) for cell in cells for word in cell.plain.split())
    return max(words, default=0), max((cell_len(line) for cell in cells for line in cell.plain.splitlines()), default=0)


def _fit(extents: Sequence[tuple[int, int]], room: int) -> Sequence[int] | None:
    """Return the widths of columns that fit into the room; None if a word would have to be broken, or a short cell."""
    least = [line if line <= SHORT_CELL else max(word, MIN_PROSE, ceil(line / MAX_LINES)) for word, line in extents]
    if sum(least) > room:
        return None
    widths = [line for _, line in extents]
    while (excess := sum(widths) - room) > 0:
        slack = [width - floor for width, floor in zip(widths, least, strict=True)]
        widest = slack.index(max(slack))
        widths[widest] -= min(excess, max(1, slack[widest] // 2))
    return widths


def _print_block(console: Console, headings: Sequence[str], row: Sequence[Text]) -> None:
    """Print a row as a block: its first cell, then each other one behind its heading."""
    named = max(map(len, headings)) + GAP
    for number, (heading, cell) in enumerate(zip(headings, row, strict=True)):
        if not cell.plain:
            continue
        line = cell if number == 0 else Text.assemble((f"  {heading}".ljust(named + 2), "bold"), cell)
        _print_wrapped(console, line, 0 if number == 0 else named + 2)


def _print(text: str | Text, *, stderr: bool, indent: int = 0) -> None:
    console = _console(stderr=stderr)
    shown = Text(escape(text, WHITESPACE)) if isinstance(text, str) else text
    if _is_wrapped(console):
        _print_wrapped(console, shown, indent)
    else:
        console.print(shown, soft_wrap=True)


def _print_wrapped(console: Console, text: Text, indent: int) -> None:
    """Print a paragraph wrapped at words; one that is longer than a line stays whole."""
    for paragraph in text.split("\n", allow_blank=True):
        line_text = paragraph.plain
        hanging = indent or len(line_text) - len(line_text.lstrip())
        breaks = _breaks(line_text, max(console.width, MIN_WIDTH), hanging)
        for number, line in enumerate(paragraph.divide(list(breaks))):
            line.rstrip()
            console.print(Text(" " * hanging if number else "").append_text(line), soft_wrap=True)


def _breaks(line: str, room: int, hanging: int) -> Iterator[int]:
    """Yield where a line is broken, between words, so that its parts fit into the room; all but the first hang."""
    start = 0
    for word in re.finditer(r"\S+", line):
        if word.start() > start and cell_len(line[start : word.end()]) > room - (hanging if start else 0):
            start = word.start()
            yield start


def _is_wrapped(console: Console) -> bool:
    return console.is_terminal or "COLUMNS" in os.environ


def _console(*, stderr: bool) -> Console:
    """Return a console. It has colours on a terminal only, and never with NO_COLOR."""
    console = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not _is_wrapped(console):
        console.width = PIPE_WIDTH
    return console
