"""Shows a demo while it runs: a live picture on a terminal, a line a second elsewhere."""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final, NamedTuple

from rich.bar import Bar
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.demo.script import Script
from saga_coordinator.service.demo.tally import DemoTally
from saga_coordinator.service.views.text import STATUS_MARKS

COLOURS: Final[Mapping[Status, str]] = {status: colour for status, (_, colour) in STATUS_MARKS.items()}

_PICTURE_EVERY_S: Final = 0.125
_LINE_EVERY_S: Final = 1.0
_RATE_OVER_S: Final = 2.0
_LINES_WITHOUT_EVENTS: Final = 15
_MIN_EVENTS, _MAX_EVENTS = 3, 20


async def follow(console: Console, script: Script, tally: DemoTally) -> None:
    """Show the tally until cancelled: lines where a terminal cannot be overwritten, or colours are not wanted."""
    rates = _Rates()
    if not console.is_terminal or console.is_dumb_terminal or console.no_color:
        while True:
            console.print(_line(script, tally, rates.sample(tally)), soft_wrap=True)
            await asyncio.sleep(_LINE_EVERY_S)
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            live.update(_picture(console, script, tally, rates.sample(tally)), refresh=True)
            await asyncio.sleep(_PICTURE_EVERY_S)


class _Sample(NamedTuple):
    at: float
    commands: int
    replies: int
    spans: int


class _Rates:
    """How many commands, replies and spans there were a second, over the last samples."""

    def __init__(self) -> None:
        self._samples: deque[_Sample] = deque()

    def sample(self, tally: DemoTally) -> _Sample:
        """Note the figures of the tally, and return their growth a second."""
        self._samples.append(_Sample(tally.seconds, tally.commands, tally.replies, tally.spans))
        while self._samples[-1].at - self._samples[0].at > _RATE_OVER_S:
            self._samples.popleft()
        first, last = self._samples[0], self._samples[-1]
        seconds = (last.at - first.at) or 1.0
        return _Sample(seconds, *(round((now - then) / seconds) for then, now in zip(first[1:], last[1:], strict=True)))


def _line(script: Script, tally: DemoTally, per_s: _Sample) -> Text:
    if not tally.placed:
        return Text(f"{tally.seconds:4.0f} s  {tally.phase}")
    count = tally.count()
    statuses = ", ".join(f"{count[status]} {status}" for status in Status if count[status])
    done = f"{tally.ended} of {script.orders} orders have ended"
    return Text(f"{tally.seconds:4.0f} s  {done}: {statuses}; {per_s.commands} commands/s")


def _picture(console: Console, script: Script, tally: DemoTally, per_s: _Sample) -> RenderableType:
    events = _notable_events(console, tally)
    return Group(_progress(script, tally), Text(), _figures(script, tally, per_s), Text(), *events)


def _progress(script: Script, tally: DemoTally) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    bar = ProgressBar(total=script.orders, completed=tally.ended, complete_style="green", finished_style="green")
    done = f"{tally.ended} of {script.orders} orders have ended, {tally.seconds:.0f} s"
    grid.add_row(bar, done if tally.placed else tally.phase)
    return grid


def _figures(script: Script, tally: DemoTally, per_s: _Sample) -> Table:
    """Lay statuses, with bars, beside what is counted."""
    count = tally.count()
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", width=6)
    grid.add_column(ratio=1)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", width=7)
    grid.add_column(justify="right", width=7, style="dim")
    counted = (
        ("commands", tally.commands, f"{per_s.commands}/s"),
        ("replies", tally.replies, f"{per_s.replies}/s"),
        ("spans", tally.spans, f"{per_s.spans}/s"),
        ("sent again", tally.sent_again, ""),
        ("compensations", tally.compensations, ""),
    )
    for (status, colour), (name, figure, rate) in zip(COLOURS.items(), counted, strict=True):
        bar = Bar(script.orders, 0, count[status], color=colour.split()[-1])
        grid.add_row(Text(status, colour), f"{count[status]:,}", bar, name, f"{figure:,}", rate)
    return grid


def _notable_events(console: Console, tally: DemoTally) -> list[Text]:
    """Return the last notable events, as many as the terminal has room for, and the last warning: one line each."""
    room = min(max(console.height - _LINES_WITHOUT_EVENTS, _MIN_EVENTS), _MAX_EVENTS)
    lines = [
        Text.assemble((f"{at:5.1f} s  ", "dim"), (event.key, COLOURS[event.status]), "  ", event.text)
        for at, event in list(tally.notable_events)[-room:]
    ]
    lines += [Text(f"         {warning}", "red") for warning in tally.warnings[-1:]]
    for line in lines:
        line.truncate(console.width, overflow="ellipsis")
    return lines
