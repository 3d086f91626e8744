"""Where the machine cannot go on alone it stalls, with its reason, and keeps recording (rules 6 and 8, I16)."""

import pytest

from saga_coordinator.sagas import Cause, Retry, alternatives, parallel, series
from saga_coordinator.sagas.machine import Block, Cancel, Ignored, Progress, Status, transition
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import MINUTE, SECOND, Begun, Data, Did, compensatable, point_of_no_return, retriable, saga

TWICE = Retry(attempts=2, first=SECOND, jitter=0.0)
PAIR = saga(
    parallel(compensatable("a", compensate_retry=TWICE), compensatable("b", compensate_retry=TWICE)),
    point_of_no_return(),
    parallel(retriable("y"), retriable("z")),
)
LOCAL = saga(
    alternatives(series(compensatable("a", compensate_retry=TWICE), compensatable("b")), compensatable("c")),
    point_of_no_return(),
)
PAST_THE_PIVOT = given(PAIR, Begun()).replies("a", Did()).replies("b", Did()).replies("pivot", Did())
UNDOING = given(PAIR, Begun()).replies("a", Did()).replies("b", Did()).fails("pivot", code="no").undoes("a", "b")


def stall(scenario: Scenario[Data]) -> tuple[str | None, str]:
    """The step and the code of the stall."""
    scenario.ends(Status.STALLED)
    assert scenario.outcome is None
    assert scenario.instance.stall is not None
    return scenario.instance.stall.step, scenario.instance.stall.code


def test_i16_an_undo_that_is_refused_stalls() -> None:
    assert stall(UNDOING.undo_fails("a", code="gone")) == ("a", "gone")


def test_i16_an_undo_that_has_used_up_its_retry_stalls() -> None:
    busy = UNDOING.undo_fails("a", code="busy", retryable=True).passes(SECOND).undoes("a")

    assert stall(busy.undo_fails("a", code="busy", retryable=True)) == ("a", "busy")


def test_i16_an_undo_that_never_answers_stalls() -> None:
    silent = UNDOING.undone("b").passes(MINUTE).undoes("a").passes(MINUTE).expects()

    assert stall(silent) == ("a", "timed-out")
    undo = silent.instance.steps["a"].compensation
    assert undo is not None
    assert (undo.progress, undo.payload) == (Progress.UNKNOWN, silent.sent[-1].payload)


def test_i16_a_stalled_instance_is_never_called_compensated() -> None:
    stalled = UNDOING.undo_fails("a", code="gone").undone("b")

    assert stall(stalled) == ("a", "gone")


def test_a_stalled_instance_records_what_its_siblings_answer() -> None:
    stalled = PAST_THE_PIVOT.fails("y", code="no")
    assert stall(stalled) == ("y", "no")

    answered = stalled.replies("z", Did()).expects()
    assert answered.data.seen[-1] == "z"
    assert answered.instance.next_timer_at is None
    assert stall(answered) == ("y", "no")
    refused = stalled.fails("z", code="busy", retryable=True).expects()
    assert refused.instance.steps["z"].forward.progress is Progress.REFUSED


def test_a_late_answer_to_a_silent_undo_is_recorded_when_it_is_stalled() -> None:
    silent = UNDOING.undone("b").passes(2 * MINUTE)

    late = silent.undone("a")
    undo = late.instance.steps["a"].compensation
    assert undo is not None
    assert undo.progress is Progress.DONE
    assert stall(late) == ("a", "timed-out")
    refused = silent.undo_fails("a", code="busy", retryable=True)
    assert stall(refused) == ("a", "busy")


def test_an_undo_of_a_stalled_instance_that_was_not_done_yet_is_not_lost() -> None:
    stalled = UNDOING.undo_fails("a", code="gone").undo_fails("b", code="busy", retryable=True)

    undo = stalled.instance.steps["b"].compensation
    assert undo is not None
    assert undo.progress is Progress.WAITING
    assert stall(stalled) == ("a", "gone")


@pytest.mark.parametrize("status", ["forward", "compensation"])
def test_a_command_that_cannot_be_published_stalls_and_is_definitely_not_done(status: str) -> None:
    scenario = UNDOING if status == "compensation" else given(PAIR, Begun())
    cause = Cause("a", "too-large", "command a is larger than its topic takes")
    command_id = next(send.command_id for send in scenario.sent if send.step == "a" and send.direction == status)

    decision = transition(PAIR, scenario.instance, Block(scenario.at, cause, command_id))

    assert (decision.instance.status, decision.instance.stall) == (Status.STALLED, cause)
    run = decision.instance.steps["a"]
    command_state = run.forward if status == "forward" else run.compensation
    assert command_state is not None
    assert command_state.progress is Progress.REFUSED


def test_an_obstruction_that_is_no_single_command_leaves_the_steps_as_they_are() -> None:
    scenario = given(PAIR, Begun())
    cause = Cause(None, "broken-definition", "on_completed raised")

    decision = transition(PAIR, scenario.instance, Block(scenario.at, cause))

    assert decision.instance.steps == scenario.instance.steps
    assert decision.instance.stall == cause


def test_a_cancel_of_an_instance_that_is_obstructed_before_its_pivot_is_out_of_place() -> None:
    """Only an operator leaves stalled (I2)."""
    scenario = given(PAIR, Begun())
    cause = Cause(None, "broken-definition", "a function raised")
    obstructed = transition(PAIR, scenario.instance, Block(scenario.at, cause)).instance

    decision = transition(PAIR, obstructed, Cancel(scenario.at, "not wanted"))

    assert (decision.ignored, decision.instance) == (Ignored.OUT_OF_PLACE, obstructed)


def test_an_operator_turns_an_instance_back_that_stalled_before_its_pivot() -> None:
    begun = given(PAIR, Begun())
    stalled = transition(PAIR, begun.instance, Block(begun.at, Cause("a", "unsendable", "too large"), None))
    asked = transition(PAIR, stalled.instance, Cancel(begun.at, "not wanted"))
    assert asked.ignored is Ignored.OUT_OF_PLACE
    decision = transition(PAIR, stalled.instance, Cancel(begun.at, "not wanted", "olga"))
    assert (decision.instance.status, decision.ignored) == (Status.COMPENSATING, None)
    assert decision.instance.cause == Cause(None, "cancelled", "not wanted (olga)")
    assert decision.instance.stall is None


def test_what_is_stuck_keeps_a_cancelled_instance_stalled_until_it_is_put_right() -> None:
    stuck = given(LOCAL, Begun()).replies("a", Did()).fails("b", code="no").undo_fails("a", code="never")
    stall(stuck)
    decision = transition(LOCAL, stuck.instance, Cancel(stuck.at, "not wanted", "olga"))
    assert (decision.instance.status, decision.ignored) == (Status.STALLED, None)
    assert decision.instance.cause is not None
