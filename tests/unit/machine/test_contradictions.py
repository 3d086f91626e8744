"""An answer that says the opposite of the one before does not pass for a copy of it, and changes nothing (I10)."""

import pytest

from saga_coordinator.sagas import Retry
from saga_coordinator.sagas.machine import Ignored, Status
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import SECOND, Begun, Data, Did, compensatable, point_of_no_return, saga

TWICE = Retry(attempts=2, first=10 * SECOND, jitter=0.0)
ONE = saga(compensatable("a", compensate_retry=TWICE), compensatable("b", retry=TWICE), point_of_no_return())
BEGUN = given(ONE, Begun())
AT_B = BEGUN.replies("a", Did())
REFUSED = AT_B.fails("b", code="no")
BUSY = AT_B.fails("b", code="busy", retryable=True)
UNDONE = REFUSED.undone("a").ends(Status.COMPENSATED)


@pytest.mark.parametrize(
    "story",
    [REFUSED, UNDONE, BUSY, BUSY.cancels()],
    ids=["refused", "compensated", "waiting to be sent again", "cancelled meanwhile"],
)
def test_a_success_of_a_step_that_had_failed(story: Scenario[Data]) -> None:
    contradicted = story.replies("b", Did()).ignores(Ignored.CONTRADICTION)

    assert contradicted.instance is story.instance
    (_, decision) = contradicted.transitions[-1]
    assert decision.reason == "b had failed, and now it was done: its effect may stand, and is not undone"
    story.fails("b", code="again").ignores(Ignored.DUPLICATE)


def test_a_success_of_an_earlier_attempt_that_had_failed() -> None:
    again = BUSY.passes(10 * SECOND).expects("b")

    again.replies("b", Did(), attempt=1).ignores(Ignored.CONTRADICTION)
    again.fails("b", code="busy", retryable=True, attempt=1).ignores(Ignored.SUPERSEDED)
    again.replies("b", Did(), attempt=2).expects("pivot")


@pytest.mark.parametrize("story", [AT_B, REFUSED, UNDONE], ids=["running", "compensating", "compensated"])
def test_a_failure_of_a_step_that_was_done(story: Scenario[Data]) -> None:
    story.fails("a", code="no").ignores(Ignored.CONTRADICTION)
    story.fails("a", code="busy", retryable=True).ignores(Ignored.DUPLICATE)
    story.replies("a", Did()).ignores(Ignored.DUPLICATE)


def test_a_compensation_that_is_answered_in_two_ways() -> None:
    UNDONE.undo_fails("a", code="no").ignores(Ignored.CONTRADICTION)
    UNDONE.undone("a").ignores(Ignored.DUPLICATE)
    waiting = REFUSED.undo_fails("a", code="busy", retryable=True)
    waiting.undone("a").ignores(Ignored.CONTRADICTION)


def test_an_unknown_step_may_be_answered_either_way() -> None:
    """It was not answered before, so nothing is contradicted."""
    silent = given(saga(compensatable("a"), point_of_no_return()), Begun()).passes(60 * SECOND).undoes("a")

    assert silent.replies("a", Did()).ignored is None
    silent.fails("a", code="no").ignores(Ignored.LATE)
