"""The figures of two checkouts that ran alternately, side by side."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from rich.table import Table

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of one run, as often as it was measured. The first here was measured beside the first there."""

    run: str
    figure: str
    here: Sequence[float]
    there: Sequence[float]

    @property
    def ratio(self) -> float:
        """The median here as a share of the median there."""
        return median(self.here) / median(self.there)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest ratio of two that were measured one after the other."""
        ratios = [here / there for here, there in zip(self.here, self.there, strict=True)]
        return min(ratios), max(ratios)

    def as_json(self) -> dict[str, object]:
        """Return it as the benchmark's JSON has it."""
        return {
            "run": self.run,
            "figure": self.figure,
            "here": list(self.here),
            "there": list(self.there),
            "ratio": round(self.ratio, 3),
            "spread": [round(each, 3) for each in self.spread],
        }


def alternate(rounds: int, here: Callable[[], T], there: Callable[[], T]) -> tuple[list[T], list[T]]:
    """Measure here, there, there, here, so many times: what changes steadily beside it concerns both alike."""
    ours: list[T] = []
    theirs: list[T] = []
    for _ in range(rounds):
        ours.append(here())
        theirs += (there(), there())
        ours.append(here())
    return ours, theirs


def compare(run: str, here: Sequence[dict[str, float]], there: Sequence[dict[str, float]]) -> Iterator[Comparison]:
    """Yield each figure that both have, in the order of those here; none that was 0 there."""
    for figure in here[0]:
        if all(each.get(figure) for each in there):
            yield Comparison(run, figure, [each[figure] for each in here], [each[figure] for each in there])


def comparison_table(comparisons: Sequence[Comparison], caption: str) -> Table:
    """Return a table of medians and their ratios."""
    table = Table(title="here against there, medians", caption=caption)
    for column in ("figure", "here", "there", "ratio", "spread"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    titled = ""
    for each in comparisons:
        if each.run != titled:
            titled = each.run
            table.add_section()
            table.add_row(f"[bold]{titled}[/]")
        low, high = each.spread
        shown = (f"{median(each.here):.2f}", f"{median(each.there):.2f}", f"{each.ratio:.2f}", f"{low:.2f}-{high:.2f}")
        table.add_row(each.figure.replace("_", " "), *shown)
    return table
