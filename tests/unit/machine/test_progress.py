"""What an instance has settled, abandoned, passed and has to compensate is asked in one place, and answered so."""

from saga_coordinator.sagas import parallel
from saga_coordinator.sagas.machine.progress import begun, is_abandoned, is_settled, to_compensate
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import (
    Begun,
    Data,
    Did,
    Listed,
    choice,
    compensatable,
    each,
    point_of_no_return,
    safe,
    saga,
)
from tests.unit.machine.test_every_signal_in_every_status import COMPENSATING, LONG, SITUATIONS

WIDE = saga(
    parallel(compensatable("a"), safe("look")),
    each("list", limit=1),
    choice("heads", 0, compensatable("b"), otherwise=(compensatable("c"),)),
    point_of_no_return("p"),
)


def settled(story: Scenario[Data]) -> list[bool]:
    """Whether each node of the story's saga is settled, in the order of the definition."""
    return [is_settled(story.instance, node) for node in story.saga.steps]


def test_a_group_is_settled_when_all_its_members_are() -> None:
    asked = given(WIDE, Listed(items=("x", "y")))
    assert settled(asked.replies("a", Did())) == [False, False, False, False]
    assert settled(asked.replies("a", Did()).replies("look", Did())) == [True, False, False, False]


def test_a_list_is_settled_when_it_is_recorded_and_each_of_its_steps_is_done() -> None:
    listed = given(WIDE, Listed(items=("x", "y"))).replies("a", Did()).replies("look", Did()).replies("list[x]", Did())
    assert settled(listed)[1] is False
    assert settled(listed.replies("list[y]", Did()))[1] is True


def test_a_branch_is_settled_when_what_it_has_chosen_is() -> None:
    chosen = given(WIDE, Begun()).replies("a", Did()).replies("look", Did())
    (step,) = {"b", "c"} & chosen.instance.steps.keys()
    assert settled(chosen) == [True, True, False, False]
    assert settled(chosen.replies(step, Did()))[2] is True


def test_alternatives_are_settled_when_the_one_that_is_tried_is() -> None:
    (before, alternatives, wait, pause, *_) = LONG.steps
    running, leaving, awaiting, delayed = (
        SITUATIONS[name].instance for name in ("running", "undoing an alternative", "awaiting an event", "in a delay")
    )
    assert not is_settled(running, before)
    assert [is_settled(each, alternatives) for each in (running, leaving, awaiting)] == [False, False, True]
    assert [is_settled(each, wait) for each in (leaving, awaiting, delayed)] == [False, False, True]
    assert not is_settled(delayed, pause)


def test_what_was_or_may_have_been_done_is_to_be_compensated_until_it_is() -> None:
    plan = LONG.plan
    assert to_compensate(plan, SITUATIONS["running"].instance) == ["a"]
    assert to_compensate(plan, COMPENSATING.instance) == ["a", "b", "c"]
    assert to_compensate(plan, COMPENSATING.undone("c").instance) == ["a", "b"]
    assert to_compensate(plan, SITUATIONS["undoing an alternative"].instance) == ["a", "b"]


def test_all_that_was_begun_is_named_once() -> None:
    assert list(begun(SITUATIONS["in a delay"].instance)) == ["a", "b", "c", "w", "wait", "b-or-d"]


def test_what_is_in_an_alternative_that_is_not_tried_yet_is_not_abandoned() -> None:
    for situation in ("running", "awaiting an event"):
        assert not is_abandoned(LONG.plan, SITUATIONS[situation].instance, "d")
    assert is_abandoned(LONG.plan, SITUATIONS["trying the next alternative"].instance, "b")
