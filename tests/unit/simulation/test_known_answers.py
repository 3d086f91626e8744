"""Where the answer can be worked out by hand, the simulation finds it."""

import math

import pytest

from saga_coordinator.sagas import Retry, parallel, series
from saga_coordinator.sagas.machine import Status
from tests.support.saga_kit import MINUTE, SECOND, compensatable, point_of_no_return, retriable, saga
from tests.unit.simulation._support.worlds import commands, ends, figured, reasons, simulated

ONE_AFTER_THE_OTHER = saga(compensatable("a"), point_of_no_return("b"), retriable("c"))
AT_ONCE = saga(parallel(compensatable("a"), series(compensatable("b"), compensatable("c"))), point_of_no_return("d"))
JUST_ONE = saga(point_of_no_return("only"))

MM = """
[arrivals]
rate = {rate}
[participants.made]
concurrency = {places}
latency = {{ kind = "exponential", mean = 1 }}
"""


def test_steps_one_after_the_other_take_the_sum_of_their_latencies() -> None:
    done = simulated(ONE_AFTER_THE_OTHER, commands({"a": "100 ms", "b": "300 ms", "c": "50 ms"}), instances=50)

    assert ends(done) == {(Status.COMPLETED, 0.45)}


def test_steps_at_once_take_as_long_as_the_longest() -> None:
    latencies = {"a": "700 ms", "b": "200 ms", "c": "300 ms", "d": "1 s"}

    assert ends(simulated(AT_ONCE, commands(latencies), instances=50)) == {(Status.COMPLETED, 1.7)}


def test_a_refusal_is_undone_in_its_own_time() -> None:
    model = commands({"a": "1 s", "b": "2 s"}) + '\nrefused = 1.0\n[commands."made.undo-a.v1"]\nlatency = "4 s"'

    done = figured(ONE_AFTER_THE_OTHER, model, instances=10)

    assert done.cycle_time_s["compensated"].p50 == 7.0
    assert reasons(done.why) == [("b", "refused", 10)]
    assert done.steps["a"]["compensations"] == 10


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_as_many_are_compensated_as_are_refused(share: float) -> None:
    instances = 3_000
    done = figured(ONE_AFTER_THE_OTHER, f'[commands."made.do-b.v1"]\nrefused = {share}', instances)

    four_sigma = 4 * math.sqrt(share * (1 - share) / instances)
    assert abs(done.statuses["compensated"] / instances - share) < four_sigma
    assert done.completion_rate == 1 - done.statuses["compensated"] / instances


def test_a_failure_that_may_be_asked_again_is_asked_again_as_often_as_it_must() -> None:
    patient = saga(point_of_no_return("only", retry=Retry(attempts=None, first=SECOND, factor=1, jitter=0)))
    instances, share = 3_000, 0.25

    done = figured(patient, f'[commands."made.do-only.v1"]\nretryable = {share}', instances)

    assert done.completion_rate == 1.0
    expected = instances * share / (1 - share)
    assert abs(done.steps["only"]["retries"] - expected) < 4 * math.sqrt(instances * share) / (1 - share)
    assert done.cycle_time_s["completed"].mean == round(done.steps["only"]["retries"] / instances, 6)


def test_a_lost_answer_costs_one_timeout() -> None:
    asking = saga(point_of_no_return("only", timeout=MINUTE))

    done = figured(asking, '[commands."made.do-only.v1"]\nlost = 0.5\nlatency = "2 s"', 400)

    assert {round(done.cycle_time_s["completed"].p50 - 2, 6) % 60} == {0.0}
    assert done.steps["only"]["repeats"] == done.participants["made"].lost
    assert done.participants["made"].requests == 400 + done.participants["made"].lost


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "places"), [(0.5, 1), (1.2, 2), (3.0, 5)])
def test_queues_are_as_long_as_erlang_says(rate: float, places: int) -> None:
    done = simulated(JUST_ONE, MM.format(rate=rate, places=places), instances=8_000)

    log = done.participants["made"].log
    waited = [(began - arrived) / 1e6 for arrived, began in zip(log[0::3], log[1::3], strict=True)]
    assert sum(waited) / len(waited) == pytest.approx(erlang_c(rate, places) / (places - rate), rel=0.2)
    assert sum(each > 0 for each in waited) / len(waited) == pytest.approx(erlang_c(rate, places), rel=0.1)


@pytest.mark.parametrize(("rate", "places"), [(0.6, 1), (4.0, 5)])
def test_places_are_as_busy_as_the_load_is(rate: float, places: int) -> None:
    load = figured(JUST_ONE, MM.format(rate=rate, places=places), instances=2_000).participants["made"]

    assert load.busy == pytest.approx(rate / places, rel=0.1)
    assert load.at_once == pytest.approx(rate, rel=0.1)


def test_even_arrivals_never_wait_where_there_is_just_room_enough() -> None:
    model = '[arrivals]\nrate = 2\nprocess = "uniform"\n[participants.made]\nconcurrency = 1\nlatency = "500 ms"'

    load = figured(JUST_ONE, model, instances=100).participants["made"]

    assert (load.peak, load.waited_p99, load.busy) == (1, 0.0, 1.0)


def erlang_c(rate: float, places: int) -> float:
    """The share of those who have to wait, where each is served in a second on average (Erlang's C formula)."""
    last = rate**places / math.factorial(places) * places / (places - rate)
    return last / (sum(rate**k / math.factorial(k) for k in range(places)) + last)
