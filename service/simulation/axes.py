"""Axes of time: where a moment lies on the paper, and which moments are written beneath."""

import math
from dataclasses import dataclass

STEPS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600,
    7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000, 2_592_000, 8_640_000, 31_536_000,
)  # fmt: skip
"""Lengths of time that are easy to read, in seconds."""

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
