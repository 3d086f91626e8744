"""A stalled instance that was repaired by hand ends as its operator decides, and publishes its outcome."""

import pytest

from saga_coordinator.sagas import parallel
from saga_coordinator.sagas.machine import Ignored, Resolve, Status, transition
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import (
    Begun,
    Data,
    Did,
    Finished,
    Unwound,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)
from tests.unit.machine._support.blocked import TOO_LARGE, obstructed

ROW = saga(compensatable("a"), point_of_no_return(), retriable("z"))
LAST = (retriable("y"), retriable("z"))
BEGUN = given(ROW, Begun())
PAST = BEGUN.replies("a", Did()).replies("pivot", Did())
FORWARD = PAST.fails("z", code="gone")
BACK = BEGUN.replies("a", Did()).fails("pivot", code="no").undo_fails("a", code="gone")


def test_past_the_pivot_it_may_have_been_completed() -> None:
    resolved = FORWARD.resolves(Status.COMPLETED)

    resolved.ends(Status.COMPLETED, Finished(key="k-1", seen=("a", "pivot")))
    assert resolved.instance.ended_at == resolved.at
    assert (resolved.instance.stall, resolved.instance.cause) == (None, None)


def test_past_the_pivot_it_may_have_been_undone_by_hand_because_of_what_it_stalled_for() -> None:
    FORWARD.resolves(Status.COMPENSATED).ends(Status.COMPENSATED, Unwound(key="k-1", step="z", code="gone"))


def test_while_compensating_it_reports_the_cause_of_the_compensation() -> None:
    BACK.resolves(Status.COMPENSATED).ends(Status.COMPENSATED, Unwound(key="k-1", step="pivot", code="no"))


def test_on_the_way_back_it_may_have_been_completed_by_hand() -> None:
    BACK.resolves(Status.COMPLETED).ends(Status.COMPLETED, Finished(key="k-1", seen=("a",)))


def test_an_obstructed_one_may_be_resolved() -> None:
    obstructed(BEGUN).resolves(Status.COMPENSATED).ends(
        Status.COMPENSATED, Unwound(key="k-1", step=None, code=TOO_LARGE)
    )


def test_a_resolved_instance_has_ended() -> None:
    resolved = FORWARD.resolves(Status.COMPLETED)

    resolved.retries("z").ignores(Ignored.OUT_OF_PLACE)
    resolved.resolves(Status.COMPENSATED).ignores(Ignored.OUT_OF_PLACE)
    resolved.fails("z", code="no").ignores(Ignored.DUPLICATE)


@pytest.mark.parametrize(
    ("scenario", "status", "because"),
    [
        (BEGUN, Status.COMPLETED, "the instance is running: only a stalled one is resolved by hand"),
        (BEGUN.pauses(), Status.COMPLETED, "the instance is running: only a stalled one is resolved by hand"),
        (BEGUN.cancels(), Status.COMPENSATED, "the instance is compensating: only a stalled one is resolved by hand"),
        (PAST.replies("z", Did()), Status.COMPLETED, "the instance is completed: nothing is left to do"),
        (FORWARD, Status.RUNNING, "it can be resolved as completed or as compensated, not as running"),
        (BACK, Status.STALLED, "it can be resolved as completed or as compensated, not as stalled"),
    ],
)
def test_it_is_refused_where_it_makes_no_sense(scenario: Scenario[Data], status: Status, because: str) -> None:
    decision = transition(ROW, scenario.instance, Resolve(scenario.at, "olga", "by hand", status))

    assert (decision.ignored, decision.reason) == (Ignored.OUT_OF_PLACE, because)
    assert decision.instance is scenario.instance


def test_answers_that_were_still_awaited_come_too_late_when_it_is_resolved() -> None:
    pair = saga(parallel(compensatable("a"), compensatable("b")), point_of_no_return(), parallel(*LAST))
    past = given(pair, Begun()).replies("a", Did()).replies("b", Did()).replies("pivot", Did())
    forward = past.fails("y", code="gone").resolves(Status.COMPLETED)
    forward.replies("z", Did()).ignores(Ignored.LATE)

    turned = given(pair, Begun()).replies("a", Did()).replies("b", Did()).fails("pivot", code="no")
    back = turned.undo_fails("a", code="gone").resolves(Status.COMPENSATED)
    back.undone("b").ignores(Ignored.LATE)
