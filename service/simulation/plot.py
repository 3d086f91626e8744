"""A simulation as a picture: cycle times, and the load of each participant over time.

Nothing is shown by colour alone: statuses differ by their dashes and marks, waiting is hatched.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from saga_coordinator.sagas.diagrams.svg.elements import element, path
from saga_coordinator.sagas.language.wording import format_duration
from saga_coordinator.service.percentile import percentile
from saga_coordinator.service.simulation.agenda import SECOND
from saga_coordinator.service.simulation.engine import Simulation
from saga_coordinator.service.simulation.figures import Figures, cycle_times
from saga_coordinator.service.simulation.participants import SimulatedParticipant

STEPS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600,
    7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000, 2_592_000, 8_640_000, 31_536_000,
)  # fmt: skip
"""Durations that are easy to read, in seconds."""

MARKS = (0.001, 0.01, 0.1, 1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800, 2_592_000, 31_536_000)
"""What is written on a logarithmic axis."""

MAX_MARKS = 9
MIN_SPREAD = 1.5


@dataclass(frozen=True, slots=True)
class Axis:
    """Seconds from `low` to `high`, on the paper from `left` to `right`, by their logarithm or as they are."""

    low: float
    high: float
    left: float
    right: float
    is_logarithmic: bool = False

    def at(self, seconds: float) -> float:
        """Return where a moment lies; what is beyond an end lies at that end."""
        low, high, here = self.low, self.high, min(max(seconds, self.low), self.high)
        if self.is_logarithmic:
            low, high, here = math.log(low), math.log(high), math.log(here)
        return self.left + (here - low) / (high - low) * (self.right - self.left)

    def seconds(self, x: float) -> float:
        """Return which moment lies at a place."""
        share = (x - self.left) / (self.right - self.left)
        if self.is_logarithmic:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)

    def marks(self) -> list[float]:
        """Return the moments that are written beneath."""
        if not self.is_logarithmic:
            step = next((each for each in STEPS if (self.high - self.low) / each <= MAX_MARKS), STEPS[-1])
            return [self.low + step * number for number in range(int((self.high - self.low) / step) + 1)]
        marks = [each for each in MARKS if self.low <= each <= self.high]
        return marks if len(marks) > 2 else [each for each in STEPS if self.low <= each <= self.high]  # noqa: PLR2004


def durations(shortest: float, longest: float, left: float, right: float) -> Axis:
    """Return a logarithmic axis for durations, a little wider than they are; none is shorter than a millisecond."""
    low = max(shortest, 0.001) / MIN_SPREAD
    return Axis(low, max(longest, low) * MIN_SPREAD, left, right, is_logarithmic=True)


def ceiling(most: float) -> int:
    """Return a round number that is not less."""
    if most <= 1:
        return 1
    size = 10 ** math.floor(math.log10(most))
    return int(
        next(size * each for each in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if size * each >= most and size * each % 1 == 0)
    )


Point = tuple[float, float]

INK = "#1f2937"
FAINT = "#6b7280"
GRID = "#e2e5ea"
WORK = "#4a7fb5"

STYLE = f"""<style>
text {{ font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: {INK}; }}
.title {{ font-size: 17px; font-weight: 600; }}
.head {{ font-size: 13px; font-weight: 600; }}
.faint {{ fill: {FAINT}; font-size: 11px; }}
</style>
<defs><pattern id="waiting" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
<rect width="6" height="6" fill="#ffffff"/><rect width="2.2" height="6" fill="{INK}"/></pattern></defs>"""


def document(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    size = f'width="{width:.0f}" height="{height:.0f}"'
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" {size} role="img">'
    paper = f'<rect {size} fill="#ffffff"/>'
    return "\n".join((begin, element("title", title), STYLE, paper, *parts, "</svg>\n"))


def text(x: float, y: float, words: str, *, kind: str | None = None, anchor: str = "start") -> str:
    """Write words at a place; `anchor` is the end that stands there."""
    return element("text", words, x=x, y=y, class_=kind, text_anchor=anchor)


def line(start: Point, end: Point, *, stroke: str = GRID, dash: str | None = None) -> str:
    (x1, y1), (x2, y2) = start, end
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_dasharray=dash)


def curve(points: Sequence[Point], *, dash: str | None = None, width: float = 2.0) -> str:
    return element("path", d=path(points), fill="none", stroke=INK, stroke_width=width, stroke_dasharray=dash)


def area(points: Sequence[Point], floor: float, *, fill: str) -> str:
    """Fill what lies between points and the floor beneath them."""
    around = ((points[0][0], floor), *points, (points[-1][0], floor))
    return element("path", d=f"{path(around)}Z", fill=fill)


def square(x: float, y: float, fill: str, stroke: str | None = None) -> str:
    return element("rect", x=x, y=y, width=12, height=12, fill=fill, stroke=stroke)


def mark(shape: str, x: float, y: float) -> str:
    """Draw a small mark: a circle, a square or a triangle."""
    look = {"fill": "#ffffff", "stroke": INK, "stroke_width": 1.6}
    match shape:
        case "circle":
            return element("circle", cx=x, cy=y, r=4.5, **look)
        case "square":
            return element("rect", x=x - 4, y=y - 4, width=8, height=8, **look)
        case _:
            return element("path", d=f"{path(((x, y - 5), (x + 5, y + 4), (x - 5, y + 4)))}Z", **look)


WIDTH, LEFT, RIGHT = 1000.0, 204.0, 970.0
CURVES_TOP, CURVES_HEIGHT = 92.0, 260.0
ROW, GAP = 84.0, 30.0
BUCKETS = 260
LINES = {"completed": (None, "circle"), "compensated": ("9 5", "square"), "stalled": ("2 4", "triangle")}
"""For each status its dashes and its mark."""

MARKED = (50, 90, 99)


def drawn(simulation: Simulation, figures: Figures) -> str:
    title = f"{figures.saga} v{figures.version}: {share(figures.completion_rate, 2)} completed"
    facts = f"{figures.instances:,} instances, {figures.transitions:,} transitions, seed {figures.seed}"
    loads_top = CURVES_TOP + CURVES_HEIGHT + 92
    height = loads_top + len(simulation.participants) * (ROW + GAP) + 40
    parts = [
        text(24, 34, title, kind="title"),
        text(24, 54, facts, kind="faint"),
        *_curves(cycle_times(simulation)),
        *_loads(simulation, figures, loads_top),
    ]
    return document(WIDTH, height, title, parts)


# --- how long instances took


def _curves(times: dict[str, list[float]]) -> Iterator[str]:
    """Draw for each status which share of its instances was over after which time."""
    yield text(
        24, CURVES_TOP - 14, "Cycle time: share of the instances of each status that was over by then", kind="head"
    )
    if not times:
        yield text(LEFT, CURVES_TOP + 20, "no instance came to an end", kind="faint")
        return
    axis = durations(min(each[0] for each in times.values()), max(each[-1] for each in times.values()), LEFT, RIGHT)
    floor = CURVES_TOP + CURVES_HEIGHT
    for percent in (0, 25, 50, 75, 100):
        y = floor - CURVES_HEIGHT * percent / 100
        yield line((LEFT, y), (RIGHT, y))
        yield text(LEFT - 8, y + 4, f"{percent} %", kind="faint", anchor="end")
    yield from _beneath(axis, CURVES_TOP, floor)
    for number, (status, ordered) in enumerate(times.items()):
        yield from _curve(status, ordered, axis, floor)
        yield from _legend(number, status, ordered)
    yield text(24, CURVES_TOP + 20 + 3 * 58, "marks: p50, p90, p99", kind="faint")


def _curve(status: str, ordered: Sequence[float], axis: Axis, floor: float) -> Iterator[str]:
    dash, shape = LINES[status]
    places = [axis.left + step for step in range(int(axis.right - axis.left) + 1)]
    shares = [bisect_right(ordered, axis.seconds(x) * (1 + 1e-9)) / len(ordered) for x in places]
    yield curve([(x, floor - CURVES_HEIGHT * over) for x, over in zip(places, shares, strict=True)], dash=dash)
    for percent in MARKED:
        yield mark(shape, axis.at(percentile(ordered, percent)), floor - CURVES_HEIGHT * percent / 100)


def _legend(number: int, status: str, ordered: Sequence[float]) -> Iterator[str]:
    dash, shape = LINES[status]
    top = CURVES_TOP + 8 + number * 58
    yield curve([(24, top), (64, top)], dash=dash)
    yield mark(shape, 44, top)
    yield text(72, top + 4, status)
    yield text(24, top + 21, f"{len(ordered):,}, p50 {length(percentile(ordered, 50))}", kind="faint")
    yield text(24, top + 36, f"p99 {length(percentile(ordered, 99))}", kind="faint")


# --- what participants bore


def _loads(simulation: Simulation, figures: Figures, top: float) -> Iterator[str]:
    """Draw for each participant how many commands it had, over the time in which almost all were carried out."""
    yield text(24, top - 40, "Load: commands at each participant, on average over time", kind="head")
    end = _almost_all(simulation)
    yield square(LEFT, top - 31, WORK)
    yield text(LEFT + 18, top - 21, "being carried out")
    yield square(LEFT + 140, top - 31, "url(#waiting)", INK)
    yield text(LEFT + 158, top - 21, "waiting for a place")
    yield line((LEFT + 290, top - 25), (LEFT + 320, top - 25), stroke=INK, dash="6 3")
    yield text(LEFT + 328, top - 21, "places")
    axis = Axis(0.0, end, LEFT, RIGHT)
    for number, (name, participant) in enumerate(simulation.participants.items()):
        begins = top + number * (ROW + GAP)
        yield from _beneath(axis, begins, begins + ROW)
        yield from _load(participant, axis, begins + ROW)
        yield from _beside(name, figures, begins)


def _beside(name: str, figures: Figures, top: float) -> Iterator[str]:
    """Write the name of a participant and the figures of its load."""
    load = figures.participants[name]
    busy = f"{load.at_once:.1f} at once" if load.busy is None else f"{share(load.busy, 0)} busy"
    yield text(24, top + 14, name)
    yield text(24, top + 31, f"{load.requests:,} requests", kind="faint")
    yield text(24, top + 46, f"{busy}, peak {load.peak:,}", kind="faint")
    yield text(24, top + 61, f"wait p99 {length(load.waited_p99)}", kind="faint")


def _load(participant: SimulatedParticipant, axis: Axis, floor: float) -> Iterator[str]:
    """Draw what is carried out, and upon it what waits."""
    log, end = participant.log, axis.high * SECOND
    worked = _averages(log[1::3], log[2::3], end)
    there = _averages(log[0::3], log[2::3], end)
    places = participant.model.concurrency
    most = ceiling(max(*there, *worked))
    for value in (0, most):
        y = floor - ROW * value / most
        yield line((axis.left, y), (axis.right, y))
        yield text(axis.left - 8, y + 4, f"{value:,}", kind="faint", anchor="end")
    yield area(_points(there, axis, floor, most), floor, fill="url(#waiting)")
    yield area(_points(worked, axis, floor, most), floor, fill=WORK)
    yield curve(_points(there, axis, floor, most), width=1.0)
    if places is not None and places <= most:
        y = floor - ROW * places / most
        yield line((axis.left, y), (axis.right, y), stroke=INK, dash="6 3")
        yield text(axis.right + 5, y + 4, f"{places:,}", kind="faint")


def _averages(begins: Sequence[int], ends: Sequence[int], end: float) -> list[float]:
    """Return how many intervals cover each of the buckets up to the end, on average over the bucket."""
    width = end / BUCKETS
    part, whole = [0.0] * (BUCKETS + 1), [0] * (BUCKETS + 1)
    for began, ended in zip(begins, ends, strict=True):
        first, last = min(began / width, BUCKETS), min(ended / width, BUCKETS)
        part[int(first)] -= first - int(first)
        part[int(last)] += last - int(last)
        whole[int(first)] += 1
        whole[int(last)] -= 1
    averages, covering = [], 0
    for number in range(BUCKETS):
        covering += whole[number]
        averages.append(max(covering + part[number], 0.0))
    return averages


def _points(values: Sequence[float], axis: Axis, floor: float, most: float) -> list[tuple[float, float]]:
    step = (axis.right - axis.left) / len(values)
    return [(axis.left + step * (number + 0.5), floor - ROW * value / most) for number, value in enumerate(values)]


def _almost_all(simulation: Simulation) -> float:
    """Return until when instances started and 99 % of all commands were carried out, in seconds."""
    ends = sorted(end for each in simulation.participants.values() for end in each.log[2::3])
    return max(percentile(ends, 99), simulation.last_start, SECOND // 1000) / SECOND


def _beneath(axis: Axis, top: float, floor: float) -> Iterator[str]:
    """Draw the lines of an axis of time, and write what they are."""
    for each in axis.marks():
        x = axis.at(each)
        yield line((x, top), (x, floor))
        yield text(x, floor + 15, length(each) if each else "0", kind="faint", anchor="middle")
    yield line((axis.left, floor), (axis.right, floor), stroke=FAINT)


def length(seconds: float) -> str:
    """Return a duration in seconds as text."""
    return format_duration(timedelta(seconds=seconds))


def share(value: float, digits: int) -> str:
    return f"{value * 100:.{digits}f} %"
