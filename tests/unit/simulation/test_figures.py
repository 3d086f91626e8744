"""Percentiles, peaks, and the picture."""

import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Direction
from saga_coordinator.service.cli.simulate import show
from saga_coordinator.service.percentile import percentile
from saga_coordinator.service.simulation.engine import Why
from saga_coordinator.service.simulation.figures import figures, spread
from saga_coordinator.service.simulation.plot import Axis, ceiling, drawn, durations
from tests.support.saga_kit import point_of_no_return, retriable, saga
from tests.unit.simulation._support.worlds import simulated

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(("percent", "value"), [(50, 5), (90, 9), (95, 10), (99, 10), (1, 1)])
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(percent: int, value: int) -> None:
    assert percentile(range(1, 11), percent) == value


def test_of_a_few_values_the_median_is_in_the_middle_and_of_none_it_is_0() -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0, 5.0], 50) == 3.0
    assert percentile([1.0] * 98 + [9.0, 9.0], 99) == 9.0
    assert percentile([], 50) == 0.0


def test_a_single_value_is_every_percentile() -> None:
    assert spread([2.5]) == spread([2.5, 2.5][:1])
    assert (spread([2.5]).p50, spread([2.5]).p99, spread([2.5]).count) == (2.5, 2.5, 1)


def test_a_logarithmic_axis_gives_every_decade_the_same_room() -> None:
    axis = Axis(0.1, 1000, 0, 400, is_logarithmic=True)

    assert [round(axis.at(each)) for each in (0.01, 0.1, 1, 10, 100, 1000, 9999)] == [0, 0, 100, 200, 300, 400, 400]
    assert axis.seconds(axis.at(42)) == pytest.approx(42)
    assert axis.marks() == [0.1, 1, 10, 60, 600]


def test_an_axis_of_equal_durations_still_has_room_and_marks() -> None:
    axis = durations(0.0, 0.0, 0, 100)

    assert axis.low < axis.high
    assert len(axis.marks()) >= 1


@pytest.mark.parametrize(("most", "round_"), [(0.0, 1), (0.4, 1), (7, 8), (12, 15), (101, 150), (999, 1000), (1.2, 2)])
def test_an_axis_of_numbers_ends_at_a_round_one(most: float, round_: int) -> None:
    assert ceiling(most) == round_


def picture(model: str) -> str:
    simulation = simulated(saga(point_of_no_return("p"), retriable("z"), name="a-and-b"), model, instances=300)
    return drawn(simulation, figures(simulation, 1))


def test_the_picture_distinguishes_statuses_without_colour() -> None:
    model = '[commands."made.do-p.v1"]\nlatency = "1 s"\nrefused = 0.3\n[commands."made.do-z.v1"]\nrefused = 0.3\n'
    tree = ET.fromstring(picture(model + "[participants.made]\nconcurrency = 9"))  # noqa: S314  our own text

    words = [each.text for each in tree.iter(f"{SVG}text")]
    curves = [each for each in tree.iter(f"{SVG}path") if each.get("fill") == "none"]
    assert {"completed", "compensated", "stalled", "made", "waiting for a place"} <= set(words)
    assert {each.get("stroke-dasharray") for each in curves} == {None, "9 5", "2 4"}
    assert tree.find(f".//{SVG}pattern[@id='waiting']") is not None


def test_the_picture_stays_on_its_paper() -> None:
    tree = ET.fromstring(picture(""))  # noqa: S314  our own text

    _, _, width, height = map(float, (tree.get("viewBox") or "").split())
    for each in tree.iter(f"{SVG}text"):
        assert 0 <= float(each.get("x", -1)) <= width
        assert 0 <= float(each.get("y", -1)) <= height


def test_nothing_is_drawn_of_instances_that_have_not_ended() -> None:
    assert "no instance came to an end" in picture('horizon = "1 s"\n[default]\nlatency = "1 h"')


def test_the_figures_of_an_order_add_up() -> None:
    simulation = simulated(order_fulfilment, "[default]\nrefused = 0.05\nretryable = 0.1\nlost = 0.01", instances=400)
    found = figures(simulation, 1)

    assert sum(found.statuses.values()) == 400
    assert sum(count for _, count in found.why) == found.statuses["compensated"]
    assert sum(count for _, count in found.stalls) == found.statuses["stalled"]
    sent = sum(sum(counts.values()) for counts in found.steps.values())
    assert sum(load.requests for load in found.participants.values()) == sent
    for load in found.participants.values():
        assert load.done + load.refused + load.retryable == load.carried_out


def test_the_table_shows_events_stalls_and_what_was_raised(capsys: pytest.CaptureFixture[str]) -> None:
    spreads = {"stalled": spread([61.0])}
    found = figures(simulated(saga(point_of_no_return("p")), "", instances=1), 1)
    load = replace(found.participants["made"], busy=0.5)

    show(
        replace(
            found,
            cycle_time_s=spreads,
            why=[(Why(None, Direction.FORWARD, "cancelled"), 3)],
            stalls=[(Why("a", Direction.COMPENSATION, "gone"), 1_234)],
            events={"payment": {"arrived": 5, "buffered": 2}},
            raised={"KeyError: 'x'": 7},
            participants={"made": load},
        )
    )

    out = capsys.readouterr().out
    for row in (r"stalled +1 +1 min 1 s", r"the undo of a +gone +1,234", r"- +cancelled +3", r"payment +5 +2 +0",
                r"KeyError: 'x' +7", r"made +1 +1 +0 +0 +0 +50 %"):  # fmt: skip
        assert re.search(row, out), (row, out)
