"""How long something takes: what the file writes, and how it is spread."""

from random import Random
from statistics import mean, median, quantiles

import pytest
from pydantic import TypeAdapter

from saga_coordinator.service.simulation.model import Latency, Seconds

LATENCY: TypeAdapter[Latency] = TypeAdapter(Latency)


def draws(written: object, count: int = 20_000) -> list[float]:
    latency, chance = LATENCY.validate_python(written), Random(4)
    return [latency.draw(chance) for _ in range(count)]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(3, 3.0), (0.25, 0.25), ("250 ms", 0.25), ("1min30s", 90.0), ("2 h 5 min", 7_500.0), ("1.5 d", 129_600.0),
     ("20us", 0.00002)],
)  # fmt: skip
def test_a_length_of_time_is_seconds_or_text(written: object, seconds: float) -> None:
    assert TypeAdapter(Seconds).validate_python(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written", ["", "soon", "3", "3 m", "1 s and more", True, None, [1], float("nan"), -1, "99999 d"]
)
def test_anything_else_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"length of time|greater than|less than|finite"):
        TypeAdapter(Seconds).validate_python(written)


def test_a_constant_never_varies() -> None:
    assert set(draws("2 s", 10)) == {2.0}


def test_a_uniform_one_stays_between_its_ends() -> None:
    found = draws({"kind": "uniform", "low": 1, "high": "3 s"})

    assert 1 <= min(found) < max(found) <= 3
    assert mean(found) == pytest.approx(2, rel=0.02)


def test_an_exponential_one_has_its_mean() -> None:
    assert mean(draws({"kind": "exponential", "mean": "4 s"})) == pytest.approx(4, rel=0.03)


def test_a_lognormal_one_has_its_median_and_its_99th_percentile() -> None:
    found = draws({"kind": "lognormal", "median": "100 ms", "p99": "2 s"})

    assert median(found) == pytest.approx(0.1, rel=0.05)
    assert quantiles(found, n=100)[98] == pytest.approx(2.0, rel=0.1)


def test_a_measured_one_is_one_of_its_values() -> None:
    found = draws({"kind": "measured", "values": [1, "2 s", 2, 4]})

    assert set(found) == {1.0, 2.0, 4.0}
    assert mean(found) == pytest.approx(2.25, rel=0.03)
