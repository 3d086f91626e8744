"""`make bench ARGS="--against PATH"`, the intake without Kafka, and where the time goes."""

import asyncio
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from saga_coordinator.service.errors import NotReady
from tests.bench import parts, recording
from tests.bench.__main__ import main
from tests.bench.checkout import ROOT, Checkout
from tests.bench.comparison import Comparison, alternate, compare
from tests.bench.plan import Scenario

ORDERS = 30


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of a few orders, in a file."""
    folder = tmp_path_factory.mktemp("bench")
    recording.write(folder / "records", asyncio.run(recording.record(ORDERS, folder / "saga.db")))
    return folder / "records"


def test_what_is_recorded_begins_and_ends_every_order(records: Path) -> None:
    read = recording.read(records)

    orders, replies = ([each for each in read if each.place.topic == topic] for topic in recording.TOPICS)
    assert len({each.key for each in orders}) == len(orders) == ORDERS
    per_order = [sum(reply.key == order.key for reply in replies) for order in orders]
    assert set(per_order) == {4, 5}, "four steps, or three and two that are undone"


def test_a_recording_is_read_as_it_was_written(records: Path, tmp_path: Path) -> None:
    recording.write(tmp_path / "again", recording.read(records))

    assert (tmp_path / "again").read_bytes() == records.read_bytes()


def test_a_run_of_the_intake_measures_every_part_but_the_fetching(records: Path) -> None:
    command = [sys.executable, "-m", "tests.bench.intake_process", str(records), "--batch", "10", "--parts"]
    figures = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    assert set(figures) == {*parts.PARTS, parts.REST}
    assert {part for part, took in figures.items() if took <= 0} == {"fetch"}


@pytest.mark.parametrize("target", [target for targets in parts.PARTS.values() for target in targets])
def test_every_function_of_a_part_is_there(target: str) -> None:
    _, _, function = parts.find(target)

    assert callable(function)


def test_a_function_that_is_gone_is_named() -> None:
    with pytest.raises(LookupError, match=r"saga_coordinator.handlers.intake:forget is gone"):
        parts.find("saga_coordinator.handlers.intake:forget")


def test_two_checkouts_are_measured_alternately() -> None:
    order: list[str] = []

    def measured(name: str) -> int:
        order.append(name)
        return len(order)

    assert alternate(2, lambda: measured("here"), lambda: measured("there")) == ([1, 4, 5, 8], [2, 3, 6, 7])
    assert order == ["here", "there", "there", "here"] * 2


def test_a_comparison_is_the_ratio_of_the_medians_with_the_spread_of_the_pairs() -> None:
    (figure,) = compare("400", [{"p50_ms": 2.0}, {"p50_ms": 9.0}, {"p50_ms": 3.0}], [{"p50_ms": 4.0, "x": 1.0}] * 3)

    assert figure == Comparison("400", "p50_ms", [2.0, 9.0, 3.0], [4.0] * 3)
    assert figure.ratio == 0.75
    assert figure.spread == (0.5, 2.25)


def test_a_figure_that_is_nothing_there_has_no_ratio() -> None:
    assert list(compare("400", [{"fetch": 0.0}], [{"fetch": 0.0}])) == []


@pytest.mark.parametrize(
    ("text", "scenario"),
    [
        ("1000", Scenario(12_000, window=1_000)),
        ("500/s", Scenario(7_500, rate=500)),
        ("1", Scenario(500, window=1)),
    ],
)
def test_a_run_is_written_as_its_pace(text: str, scenario: Scenario) -> None:
    assert Scenario.parse(text) == scenario


@pytest.mark.parametrize("text", ["", "0", "5/m", "-1", "x", "1/s/s"])
def test_what_is_no_pace_ends_with_2(text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "kafka", "--runs", f"400,{text}"])
    assert ended.value.code == 2


def test_a_checkout_that_was_not_set_up_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "intake", "--against", str(tmp_path)]) == 1

    assert "run `make setup` there" in " ".join(capsys.readouterr().err.split())


def test_a_checkout_without_the_measurement_is_refused(tmp_path: Path) -> None:
    old = Checkout("there", tmp_path, Path(sys.executable))

    with pytest.raises(NotReady, match=r"has no tests\.bench\.intake_process: it is older"):
        old.module("tests.bench.intake_process")


@pytest.mark.slow
def test_a_checkout_compared_with_itself_costs_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "intake", "--quick", "--rounds", "1", "--against", str(ROOT), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)

    compared = {(each["run"], each["figure"]): each for each in report["comparisons"]}
    whole = [figures for (_, figure), figures in compared.items() if figure == "cpu_us"]
    assert len(whole) == 2
    assert all(len(each["here"]) == len(each["there"]) == 2 for each in whole)
    assert all(math.isclose(each["ratio"], 1.0, rel_tol=0.5) for each in whole)
