"""What a load run reports is computed over its steady part."""

from saga_coordinator.service.demo.load import steady_rate
from saga_coordinator.service.percentile import percentile


def test_the_rate_leaves_out_a_slow_start_and_a_slow_end() -> None:
    slow_start = [n * 1.0 for n in range(10)]
    steady = [10 + n * 0.1 for n in range(80)]
    slow_end = [18 + n * 1.0 for n in range(10)]

    assert round(steady_rate([*slow_start, *steady, *slow_end], window=10), 6) == 10.0


def test_a_window_of_the_whole_run_still_leaves_a_third() -> None:
    assert round(steady_rate([n * 0.5 for n in range(30)], window=400), 6) == 2.0


def test_there_is_no_rate_of_nothing() -> None:
    assert steady_rate([], 400) == 0.0
    assert steady_rate([1.0], 400) == 0.0


def test_half_of_the_values_lie_below_the_median() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0], 50) == 3.0
    assert percentile([1.0] * 98 + [9.0, 9.0], 99) == 9.0
    assert percentile([], 50) == 0.0
