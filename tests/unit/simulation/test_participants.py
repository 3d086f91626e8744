"""Participants queue, fail, forget and go out as the model says, and never carry one id out twice."""

import pytest

from saga_coordinator.sagas import Retry
from saga_coordinator.sagas.machine import Status
from tests.support.saga_kit import HOUR, MINUTE, SECOND, compensatable, point_of_no_return, saga
from tests.unit.simulation._support.worlds import ends, figured, simulated

JUST_ONE = saga(point_of_no_return("only"))
EVENLY = '[arrivals]\nrate = 1\nprocess = "uniform"\n'


def outage(answers: str) -> str:
    one = f'{{ begins = 10, lasts = 30, answers = "{answers}" }}'
    return f"{EVENLY}[participants.made]\nconcurrency = 2\noutages = [{one}]\n"


def test_while_a_participant_is_out_commands_wait_and_then_go_on_in_order() -> None:
    done = simulated(JUST_ONE, outage("nothing"), instances=60)

    log = done.participants["made"].log
    assert [began for began in log[1::3] if 10_000_000 <= began < 40_000_000] == []
    waited = [(began - arrived) / 1e6 for arrived, began in zip(log[0::3], log[1::3], strict=True)]
    assert waited[10:40] == [float(40 - second) for second in range(10, 40)]
    assert sum(waited) == sum(waited[10:40])


def test_a_participant_that_is_out_and_says_so_is_asked_again() -> None:
    patient = saga(point_of_no_return("only", retry=Retry(attempts=None, first=SECOND, factor=1, jitter=0)))

    done = figured(patient, outage("retryable"), instances=60)

    assert done.statuses == {"completed": 60}
    assert done.steps["only"]["retries"] == sum(range(1, 31))
    assert done.participants["made"].retryable == sum(range(1, 31))


def test_a_copy_of_a_command_that_waits_is_absorbed() -> None:
    asking = saga(point_of_no_return("only", timeout=MINUTE))

    done = figured(asking, '[participants.made]\nlatency = "150 s"', instances=5)

    assert done.steps["only"]["repeats"] == 5 * 2
    assert (done.participants["made"].requests, done.participants["made"].carried_out) == (15, 5)
    assert done.cycle_time_s["completed"].p50 == 150.0


def test_a_copy_of_a_command_that_was_carried_out_gets_the_same_answer() -> None:
    asking = saga(compensatable("a", timeout=MINUTE, retry=Retry(attempts=20, first=SECOND)), point_of_no_return())

    done = figured(asking, '[commands."made.do-a.v1"]\nlost = 0.5\nrefused = 0.5', instances=300)

    load = done.participants["made"]
    again = done.steps["a"]["repeats"]
    assert load.carried_out == 300 + again + done.statuses["completed"]
    assert load.lost == again
    assert 110 < done.statuses["compensated"] < 190


def test_a_participant_says_when_to_ask_again() -> None:
    patient = saga(point_of_no_return("only", retry=Retry(attempts=None, first=SECOND)))
    model = outage("retryable") + 'retry_after = "10 min"'

    assert (Status.COMPLETED, 600.0) in ends(simulated(patient, model, instances=20))


def test_what_does_not_end_within_the_horizon_is_reported_as_it_stands() -> None:
    model = "[default]\nlost = 1.0\n[arrivals]\nrate = 100\n"

    done = figured(JUST_ONE, f'horizon = "1 h"\n{model}', instances=10)

    assert done.statuses == {"running": 10}
    assert (done.completion_rate, done.cycle_time_s) == (0.0, {})
    assert done.virtual_s == pytest.approx(3600, abs=1)


@pytest.mark.parametrize(("delay", "status"), [("1 s", Status.COMPENSATED), ("1 h", Status.COMPLETED)])
def test_a_cancel_compensates_what_has_not_sent_its_pivot(delay: str, status: Status) -> None:
    cancelled = saga(compensatable("a", timeout=HOUR), point_of_no_return())
    model = f'[commands."made.do-a.v1"]\nlatency = "1 min"\n[cancel]\nshare = 1\ndelay = "{delay}"'

    assert ends(simulated(cancelled, model, instances=3)) == {(status, 60.0)}
