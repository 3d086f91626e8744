"""A scenario is checked against the invariants of the machine, with whatever an operator does in it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from msgspec import structs

from saga_coordinator.contracts import Done
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.invariants.check import check
from saga_coordinator.sagas.testing.scenario import Scenario
from tests.support.saga_kit import Data, Did
from tests.unit.diagrams._support.short import AT_THE_PIVOT, COMPENSATING, PAST_THE_PIVOT, RUNNING, SITUATIONS

HOUR = timedelta(hours=1)
STALLED_BACK = COMPENSATING.undo_fails("a", code="no")
STALLED_AHEAD = PAST_THE_PIVOT.fails("z", code="no")

STORIES: dict[str, Scenario[Data]] = {
    **SITUATIONS,
    "paused and resumed": RUNNING.pauses().sleeps(HOUR).resumes().replies("a", Did()),
    "a reply while paused": AT_THE_PIVOT.pauses().replies("p", Did()).sleeps(HOUR).resumes(),
    "retried ahead": STALLED_AHEAD.retries("z").replies("z", Did()),
    "all retried in compensation": STALLED_BACK.retries().undone("a"),
    "skipped ahead": STALLED_AHEAD.skips("z", Did()),
    "skipped in compensation": STALLED_BACK.skips("a", Done()),
    "resolved": STALLED_BACK.resolves(Status.COMPENSATED),
    "a late success": RUNNING.passes(timedelta(minutes=3)).replies("a", Did()),
    "time runs out": RUNNING.passes(3 * HOUR),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_no_story_violates_an_invariant(story: Scenario[Data]) -> None:
    check(story)


def test_a_decision_that_forgets_its_commands_is_found() -> None:
    *earlier, (signal, decision) = COMPENSATING.transitions
    forgetful = replace(COMPENSATING, transitions=(*earlier, (signal, structs.replace(decision, commands=()))))

    with pytest.raises(AssertionError, match=r"i14_what_is_ready_is_undone_at_once: a is ready to be undone"):
        check(forgetful)
