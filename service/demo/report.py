"""What a load run measured: throughput in its steady part, latency from order to outcome, and counts."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """The figures of one run.

    Attributes:
        orders: Orders placed.
        completed: Orders whose outcome was confirmed.
        compensated: Orders whose outcome was rejected.
        missing: Orders without an outcome when patience ended.
        duplicates_of_outcome: Copies of an outcome event, under the same id. No fault.
        second_outcomes: Outcome events of another id for an order that had its outcome. Must be 0.
        seconds: From the first order to the last outcome.
        sagas_per_s: Outcomes a second in the steady part: without the first and last window, at least a tenth each.
        p50_ms: Half of the orders had their outcome within so many milliseconds.
        p99_ms: 99 of 100 orders had it.
    """

    orders: int
    completed: int
    compensated: int
    missing: int
    duplicates_of_outcome: int
    second_outcomes: int
    seconds: float
    sagas_per_s: float
    p50_ms: float
    p99_ms: float


def steady_rate(finished_at: Sequence[float], window: int) -> float:
    """Events a second between the first and last `window` (at least a tenth, at most a third) of ascending times."""
    total = len(finished_at)
    skip = min(max(window, total // 10), total // 3)
    steady = finished_at[skip : total - skip]
    elapsed = steady[-1] - steady[0] if steady else 0.0
    return (len(steady) - 1) / elapsed if elapsed > 0 else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed; 0 if there are none."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
