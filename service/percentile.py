"""Percentiles of measured durations."""

import math
from collections.abc import Sequence


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile of ascending values: the least that so many per cent do not exceed; or 0."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1] if ordered else 0.0
