"""Every node of the language runs on virtual time, in exactly the time that it takes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from saga_coordinator.contracts import Command, Event
from saga_coordinator.sagas import Saga, alternatives, delay, parallel, receive, series, step
from saga_coordinator.sagas.language.nodes import Receive
from saga_coordinator.sagas.machine import Direction, Status
from saga_coordinator.service.simulation.engine import Why
from tests.support.saga_kit import (
    HOUR,
    SECOND,
    Begun,
    Data,
    Did,
    Stopped,
    choice,
    compensatable,
    point_of_no_return,
    retriable,
    safe,
    saga,
)
from tests.unit.simulation._support.worlds import commands, each_of, ends, figured, reasons, simulated

PIVOT = point_of_no_return("p")


class Paid(Event):
    message_type = "made.paid.v1"
    topic = "made.events.v1"

    key: str
    amount: int


def of_key(event: Paid) -> str:
    return event.key


def paid(data: Data, event: Paid) -> Data:
    return data.model_copy(update={"seen": (*data.seen, f"paid:{event.amount}")})


def payment(timeout: timedelta = HOUR, buffer_for: timedelta = HOUR) -> Receive[Data]:
    return receive("payment", Paid, key=of_key, remember=paid, timeout=timeout, buffer_for=buffer_for)


def test_a_delay_lasts_as_long_as_it_says() -> None:
    assert ends(simulated(saga(delay("cool-off", 90 * SECOND), PIVOT), "")) == {(Status.COMPLETED, 90.0)}


@pytest.mark.parametrize(("limit", "seconds"), [(None, 3.0), (2, 9.0), (1, 15.0)])
def test_a_for_each_sends_as_many_at_once_as_it_may(limit: int | None, seconds: float) -> None:
    done = simulated(saga(each_of("item", "abcde", limit), PIVOT), commands({"item": "3 s"}))

    assert ends(done) == {(Status.COMPLETED, seconds)}
    assert done.tally.steps["item"]["commands"] == 5


def test_a_for_each_is_undone_item_by_item() -> None:
    model = '[commands."made.do-p.v1"]\nrefused = 1\n[commands."made.undo-item.v1"]\nlatency = "2 s"'

    done = simulated(saga(each_of("item", "abcde", 2), PIVOT), model)

    assert ends(done) == {(Status.COMPENSATED, 6.0)}
    assert done.tally.steps["item"]["compensations"] == 5


def test_the_next_alternative_is_tried_after_the_first_is_undone() -> None:
    tried = saga(alternatives(series(compensatable("a"), safe("b")), compensatable("c")), PIVOT)
    model = commands({"a": "1 s", "c": "10 s", "b": "2 s"})
    model += '\nrefused = 1\n[commands."made.undo-a.v1"]\nlatency = "4 s"'

    done = simulated(tried, model, instances=20)

    assert ends(done) == {(Status.COMPLETED, 17.0)}
    assert {name: sent["compensations"] for name, sent in done.tally.steps.items() if sent["compensations"]} == {
        "a": 20
    }


@pytest.mark.parametrize(("coins", "seconds"), [(1, 1.0), (0, 5.0)])
def test_a_branch_goes_by_the_data_of_the_sample(coins: int, seconds: float) -> None:
    chooses = saga(choice("coin", 0, safe("yes"), otherwise=(safe("no"),)), PIVOT)
    model = f"[[start]]\ndata = {{ coins = {coins} }}\n" + commands({"yes": "1 s", "no": "5 s"})

    assert ends(simulated(chooses, model, instances=3)) == {(Status.COMPLETED, seconds)}


def test_samples_are_drawn_by_their_weights() -> None:
    chooses = saga(choice("coin", 0, safe("yes"), otherwise=(safe("no"),)), PIVOT)
    model = "[[start]]\nweight = 3\ndata = { coins = 1 }\n[[start]]\ndata = { coins = 0 }\n"

    steps = simulated(chooses, model, instances=2_000).tally.steps

    assert steps["yes"]["commands"] + steps["no"]["commands"] == 2_000
    assert 1_400 < steps["yes"]["commands"] < 1_600


def test_an_event_comes_so_long_after_it_is_awaited() -> None:
    waits = saga(safe("a"), payment(), PIVOT)
    model = (
        commands({"a": "3 s"}) + '\n[events.payment]\ndelay = "1 min"\nsamples = [{ data = { key = "", amount = 7 } }]'
    )

    done = simulated(waits, model, instances=5)

    assert ends(done) == {(Status.COMPLETED, 63.0)}
    assert done.tally.events["payment"] == {"arrived": 5}


def test_an_event_that_comes_early_is_held() -> None:
    waits = saga(safe("a", timeout=HOUR), payment(), PIVOT)
    model = commands({"a": "2 min"}) + '\n[events.payment]\nafter = "start"\ndelay = "1 min"'

    done = simulated(waits, model, instances=5)

    assert ends(done) == {(Status.COMPLETED, 120.0)}
    assert done.tally.events["payment"] == {"arrived": 5, "buffered": 5}


def test_an_event_that_is_held_too_long_is_unmatched_and_the_wait_ends_in_a_failure() -> None:
    waits = saga(compensatable("a", timeout=HOUR), payment(timeout=30 * SECOND, buffer_for=10 * SECOND), PIVOT)
    model = commands({"a": "2 min"}) + '\n[events.payment]\nafter = "start"\ndelay = "1 min"'

    done = figured(waits, model, instances=5)

    assert done.events["payment"] == {"arrived": 5, "buffered": 5, "unmatched": 5}
    assert reasons(done.why) == [("payment", "timed-out", 5)]
    assert done.cycle_time_s["compensated"].max == 150.0


def test_an_event_that_never_comes_is_a_failure() -> None:
    done = figured(saga(payment(timeout=HOUR), PIVOT), "[events.payment]\nshare = 0", instances=4)

    assert (reasons(done.why), done.cycle_time_s["compensated"].p50) == ([("payment", "timed-out", 4)], 3600.0)


# --- child sagas, on both sides


class RunChild(Command[Did]):
    message_type = "child.run-child.v1"
    topic = "child.commands.v1"
    cancellable = True

    key: str


class StopChild(Command[Did]):
    message_type = "child.stop-child.v1"
    topic = "child.commands.v1"

    key: str


def run_child(data: Data) -> RunChild:
    return RunChild(key=data.key)


def stop_child(data: Data) -> StopChild:
    return StopChild(key=data.key)


def begin_child(command: RunChild) -> Data:
    return Data(key=command.key, coins=0)


def child_key(command: RunChild) -> str:
    return command.key


def child_did(data: Data) -> Did:
    return Did(word=data.key)


def test_a_child_saga_is_simulated_as_any_other() -> None:
    child = Saga(
        name="child", version=1, starts_on=RunChild, correlate=child_key, begin=begin_child,
        steps=(PIVOT,), on_completed=child_did,
    )  # fmt: skip

    assert ends(simulated(child, commands({"p": "7 s"}), instances=9)) == {(Status.COMPLETED, 7.0)}


@pytest.mark.parametrize(("honoured", "undone"), [(1.0, 0), (0.0, 6)])
def test_a_withdrawn_child_is_compensated_as_often_as_the_model_says(honoured: float, undone: int) -> None:
    parent = saga(parallel(step("child", run_child, compensate=stop_child), compensatable("b")), PIVOT)
    model = f'[commands."child.run-child.v1"]\nlatency = "1 min"\nhonoured = {honoured}\n'
    model += '[commands."made.do-b.v1"]\nrefused = 1\nlatency = "1 s"'

    done = figured(parent, model, instances=6)

    assert done.statuses == {"compensated": 6}
    assert done.cycle_time_s["compensated"].p50 == 60.0
    assert done.steps["child"]["compensations"] == undone


def begin_badly(event: Begun) -> Data:
    raise RuntimeError(f"no data in {event.key}")


def test_a_saga_whose_function_raises_is_counted_and_not_hidden() -> None:
    done = figured(replace(saga(PIVOT), begin=begin_badly), "", instances=3)

    each_of_three = {f"RuntimeError: no data in made-{number}": 1 for number in (1, 2, 3)}
    assert (done.raised, done.statuses, done.completion_rate) == (each_of_three, {}, 0.0)


def remember_nothing(data: Data, reply: Did) -> Data:
    raise RuntimeError(f"no room for {reply.word!r} in {data.key}")


def test_an_answer_that_cannot_be_remembered_is_as_if_it_had_never_come() -> None:
    forgetful = replace(compensatable("a", timeout=SECOND), remember=remember_nothing)

    done = figured(saga(forgetful, PIVOT), '[commands."made.do-a.v1"]\nreplies = [{ data = { word = "w" } }]', 1)

    assert done.raised == {"RuntimeError: no room for 'w' in made-1": 1}
    assert reasons(done.why) == [("a", "timed-out", 1)]


def test_a_refusal_after_the_pivot_stalls_and_is_reported() -> None:
    done = figured(saga(PIVOT, retriable("z")), '[commands."made.do-z.v1"]\nrefused = 1\ncode = "closed"', 8)

    assert done.statuses == {"stalled": 8}
    assert reasons(done.stalls) == [("z", "closed", 8)]
    assert done.why == []


def test_an_undo_that_is_refused_stalls_and_is_reported_as_an_undo() -> None:
    model = '[commands."made.do-p.v1"]\nrefused = 1\n[commands."made.undo-a.v1"]\nrefused = 1\ncode = "gone"'

    done = figured(saga(compensatable("a"), PIVOT), model, instances=8)

    assert done.stalls == [(Why("a", Direction.COMPENSATION, "gone"), 8)]


def test_a_timer_at_which_a_function_raises_stalls_the_instance() -> None:
    def send_nothing(data: Data) -> Command[Did]:
        raise RuntimeError(f"no command of {data.key}")

    send_nothing.__annotations__ |= PIVOT.send.__annotations__
    broken = saga(delay("cool-off", 90 * SECOND), replace(PIVOT, send=send_nothing))

    done = figured(broken, "", instances=3)

    assert done.raised == {f"RuntimeError: no command of made-{number}": 1 for number in (1, 2, 3)}
    assert done.stalls == [(Why(None, Direction.FORWARD, "definition-raised"), 3)]
    assert done.cycle_time_s["stalled"].max == 90.0


def test_a_receive_of_which_nothing_is_said_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"saga made waits in payment: say under \[events\.payment\] when"):
        figured(saga(payment(), PIVOT), "")


def test_a_key_that_is_no_field_is_left_as_it_is() -> None:
    def whole(event: Begun | Stopped) -> str:
        return f"whole/{event.key}"

    keyed = replace(saga(PIVOT), correlate=whole)

    done = simulated(keyed, '[[start]]\ndata = { key = "k", coins = 3 }\n' + commands({"p": "2 s"}), instances=4)

    assert ends(done) == {(Status.COMPLETED, 2.0)}
