"""When a step is asked again: a total time, what the participant asks for, and a pause in between."""

from saga_coordinator.contracts import Failure
from saga_coordinator.sagas import Retry
from saga_coordinator.sagas.machine import Ignored, Progress, Status
from saga_coordinator.sagas.testing.scenario import BEGINNING, Scenario, given
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    Begun,
    Data,
    Did,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)

WITHIN_2_MINUTES = Retry(attempts=None, first=10 * SECOND, factor=1.0, jitter=0.0, total=2 * MINUTE)
FORWARD = saga(compensatable("a", retry=WITHIN_2_MINUTES), point_of_no_return())
BACK = saga(compensatable("a", compensate_retry=WITHIN_2_MINUTES), point_of_no_return())
UNDOING = given(BACK, Begun()).replies("a", Did()).passes(HOUR - HOUR).fails("pivot", code="no").undoes("a")
MANY = saga(compensatable("a", retry=Retry(attempts=9, first=10 * SECOND, jitter=0.0)), point_of_no_return())


def busy(scenario: Scenario[Data], step: str, seconds: float) -> Scenario[Data]:
    """The participant asks to be asked again in so many seconds."""
    failure = Failure(code="busy", message="", retryable=True, retry_after=seconds)
    return scenario.replies(step, failure)


def test_within_the_total_a_step_that_failed_is_asked_again() -> None:
    again = given(FORWARD, Begun()).passes(50 * SECOND).fails("a", code="busy", retryable=True).passes(10 * SECOND)

    again.expects("a").passes(50 * SECOND).fails("a", code="busy", retryable=True).passes(10 * SECOND).expects("a")


def test_a_wait_that_would_end_beyond_the_total_is_not_begun() -> None:
    again = given(FORWARD, Begun()).passes(MINUTE).expects("a").passes(51 * SECOND)

    again.fails("a", code="busy", retryable=True).ends(Status.COMPENSATED)


def test_a_step_that_does_not_answer_is_asked_again_within_the_total() -> None:
    silent = given(FORWARD, Begun()).passes(MINUTE).expects("a").passes(MINUTE).expects("a").passes(MINUTE)

    silent.undoes("a")


def test_the_total_holds_for_an_undo_too() -> None:
    silent = UNDOING.passes(MINUTE).undoes("a").passes(MINUTE).undoes("a")

    silent.undo_fails("a", code="busy", retryable=True).ends(Status.STALLED)
    silent.passes(MINUTE).expects().ends(Status.STALLED)


def test_an_operator_retry_restarts_the_total_time() -> None:
    stalled = UNDOING.passes(3 * MINUTE).ends(Status.STALLED)

    renewed = stalled.passes(HOUR).retries("a").undoes("a").passes(MINUTE).undoes("a")
    renewed.undo_fails("a", code="busy", retryable=True).passes(10 * SECOND).undoes("a")


def test_a_pause_does_not_count_towards_the_total() -> None:
    resumed = given(FORWARD, Begun()).pauses().passes(HOUR).resumes()

    resumed.passes(MINUTE).expects("a")


def test_an_attempt_after_a_failure_keeps_the_beginning_of_the_total() -> None:
    again = given(FORWARD, Begun()).fails("a", code="busy", retryable=True).passes(10 * SECOND).expects("a")

    assert again.instance.steps["a"].forward.since == BEGINNING


def test_it_is_asked_again_no_sooner_than_the_participant_says() -> None:
    asked = busy(given(MANY, Begun()), "a", 25)

    asked.passes(24 * SECOND).expects().passes(SECOND).expects("a")


def test_it_waits_no_shorter_than_its_retry_says() -> None:
    busy(given(MANY, Begun()), "a", 1).passes(9 * SECOND).expects().passes(SECOND).expects("a")


def test_to_be_asked_again_beyond_the_total_is_a_refusal() -> None:
    busy(given(FORWARD, Begun()), "a", 120).passes(2 * MINUTE).expects("a")
    busy(given(FORWARD, Begun()), "a", 121).ends(Status.COMPENSATED)


def test_an_undo_too_is_asked_again_no_sooner_than_the_participant_says() -> None:
    failure = Failure(code="busy", message="", retryable=True, retry_after=30)
    later = UNDOING.undone("a", failure)

    later.passes(29 * SECOND).expects().passes(SECOND).undoes("a")
    beyond = UNDOING.undone("a", failure.model_copy(update={"retry_after": 121}))
    beyond.ends(Status.STALLED)


def test_past_the_pivot_it_waits_as_long_as_the_participant_says() -> None:
    past = given(saga(point_of_no_return(), retriable("z")), Begun()).replies("pivot", Did())

    busy(past, "z", 3600).passes(HOUR - SECOND).expects().passes(SECOND).expects("z")


def test_a_step_that_is_not_undone_when_unknown_leaves_nothing_behind() -> None:
    sure = saga(
        compensatable("a"), compensatable("b", undo_when_unknown=False), compensatable("c"), point_of_no_return()
    )
    silent = given(sure, Begun()).replies("a", Did()).passes(MINUTE).undoes("a")

    assert silent.instance.steps["b"].forward.progress is Progress.UNKNOWN
    silent.undone("a").ends(Status.COMPENSATED)


def test_a_step_that_is_not_undone_when_unknown_is_undone_once_it_has_succeeded() -> None:
    sure = saga(compensatable("b", undo_when_unknown=False), compensatable("c"), point_of_no_return())

    given(sure, Begun()).replies("b", Did()).fails("c", code="no").undoes("b")
    given(sure, Begun()).cancels().replies("b", Did()).undoes("b")
    given(sure, Begun()).cancels().passes(MINUTE).expects().ends(Status.COMPENSATED)


def test_a_success_that_comes_late_is_undone_as_long_as_the_saga_is_on_its_way_back() -> None:
    sure = saga(compensatable("a"), compensatable("b", undo_when_unknown=False), point_of_no_return())
    silent = given(sure, Begun()).replies("a", Did()).passes(MINUTE).undoes("a")

    crossed = silent.replies("b", Did()).undoes("b").passes(MINUTE).undoes("a", "b")
    crossed.undone("a").expects().undone("b").ends(Status.COMPENSATED)


def test_an_answer_to_any_earlier_attempt_is_superseded() -> None:
    third = given(MANY, Begun()).fails("a", code="busy", retryable=True).passes(MINUTE)
    third = third.fails("a", code="busy", retryable=True).passes(MINUTE).expects("a")

    assert third.sent[-1].attempt == 3
    third.fails("a", code="busy", retryable=True, attempt=1).ignores(Ignored.SUPERSEDED)
    third.fails("a", code="busy", retryable=True, attempt=2).ignores(Ignored.SUPERSEDED)
