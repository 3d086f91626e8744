"""A for-each sends one command for each item of a list that is recorded when it is reached."""

import pytest

from saga_coordinator.sagas import Retry, parallel
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.scenario import Scenario, given
from tests.support.saga_kit import (
    MINUTE,
    SECOND,
    Begun,
    Data,
    Did,
    Listed,
    asks,
    compensatable,
    each,
    point_of_no_return,
    saga,
    undoes,
)

THREE = Listed(items=("x", "y", "z"))
ALL = saga(compensatable("a"), each("pack"), point_of_no_return())
BY_TWO = saga(compensatable("a"), each("pack", limit=2), point_of_no_return())
BY_ONE = saga(each("pack", limit=1), point_of_no_return())
AFTERWARDS = saga(point_of_no_return(), each("pack", undone=False, limit=2))


def packed(scenario: Scenario[Data], *items: str) -> Scenario[Data]:
    """All these items have been packed."""
    for item in items:
        scenario = scenario.replies(f"pack[{item}]", Did())
    return scenario


def test_each_item_has_a_step_of_its_own_named_by_its_key() -> None:
    begun = given(ALL, THREE).replies("a", Did())

    begun.expects(*(asks("pack", seen=("a",), item=item) for item in "xyz"))
    assert list(begun.instance.steps) == ["a", "pack[x]", "pack[y]", "pack[z]"]
    assert begun.instance.lists == {"pack": {"pack[x]": '"x"', "pack[y]": '"y"', "pack[z]": '"z"'}}


def test_it_has_succeeded_when_all_have_and_remembers_in_the_order_of_arrival() -> None:
    done = packed(given(ALL, THREE).replies("a", Did()), "z", "x").expects().replies("pack[y]", Did(word="big"))

    done.expects("pivot")
    assert done.data.seen == ("a", "pack z", "pack x", "pack y:big")


def test_at_most_so_many_are_in_flight_in_the_order_of_the_list() -> None:
    begun = given(BY_TWO, THREE).replies("a", Did()).expects("pack[x]", "pack[y]")

    begun.replies("pack[y]", Did()).expects("pack[z]").replies("pack[z]", Did()).expects()
    begun.replies("pack[x]", Did()).expects("pack[z]").replies("pack[y]", Did()).expects()


def test_one_that_waits_to_be_asked_again_keeps_its_place() -> None:
    patient = saga(each("pack", limit=1, retry=Retry(attempts=3, first=SECOND, jitter=0.0)), point_of_no_return())

    busy = given(patient, THREE).fails("pack[x]", code="busy", retryable=True).expects()
    busy.passes(SECOND).expects("pack[x]").replies("pack[x]", Did()).expects("pack[y]")


def test_a_refusal_of_one_undoes_those_that_were_done_and_sends_no_other() -> None:
    refused = packed(given(BY_TWO, THREE).replies("a", Did()), "x").fails("pack[y]", code="no").expects()

    undoing = refused.replies("pack[z]", Did())
    undoing.undoes(*(undoes("pack", seen=("a", "pack x", "pack z"), item=item) for item in "xz"))
    undoing.undone("pack[z]").undone("pack[x]").undoes("a")
    refused.fails("pack[z]", code="no").undoes("pack[x]")


def test_the_limit_holds_on_the_way_back_too() -> None:
    back = packed(given(BY_TWO, THREE).replies("a", Did()), "x", "y", "z").fails("pivot", code="no")

    back.undoes("pack[x]", "pack[y]").undone("pack[x]").undoes("pack[z]")


def test_one_that_was_never_sent_is_not_undone() -> None:
    given(BY_ONE, THREE).replies("pack[x]", Did()).cancels().replies("pack[y]", Did()).undoes("pack[x]").undone(
        "pack[x]"
    ).undoes("pack[y]").undone("pack[y]").ends(Status.COMPENSATED)


def test_one_that_did_not_answer_is_undone_and_takes_its_place_in_the_limit() -> None:
    silent = given(BY_TWO, THREE).replies("a", Did()).replies("pack[x]", Did()).passes(MINUTE)

    silent.undoes("pack[x]", "pack[y]").undone("pack[y]").undoes("pack[z]")


def test_the_undo_of_one_that_fails_stalls_under_its_name() -> None:
    stalled = packed(given(ALL, THREE).replies("a", Did()), "x", "y").fails("pack[z]", code="no")

    stalled = stalled.undo_fails("pack[y]", code="gone").ends(Status.STALLED)
    assert stalled.instance.stall is not None
    assert stalled.instance.stall.step == "pack[y]"
    stalled.retries("pack[y]").undoes("pack[y]")


def test_an_empty_list_has_succeeded_at_once() -> None:
    done = given(ALL, Begun()).replies("a", Did()).expects("pivot")

    assert done.instance.lists == {"pack": {}}
    done.fails("pivot", code="no").undoes("a")


def test_a_list_that_was_never_reached_has_nothing_to_undo() -> None:
    never = given(ALL, THREE).fails("a", code="no").ends(Status.COMPENSATED)

    assert never.instance.lists == {}


def test_the_same_key_twice_is_an_error_of_the_definition() -> None:
    begun = given(ALL, Listed(items=("x", "y", "x")))

    with pytest.raises(ValueError, match=r"saga made: pack\[x\] stands twice: give each item a key of its own"):
        begun.replies("a", Did())


def test_after_the_pivot_each_is_asked_until_it_is_answered() -> None:
    begun = given(AFTERWARDS, THREE).replies("pivot", Did()).expects("pack[x]", "pack[y]")

    begun.replies("pack[x]", Did()).passes(MINUTE).expects("pack[y]", "pack[z]")
    begun.passes(MINUTE).expects("pack[x]", "pack[y]")
    packed(begun, "x", "y", "z").ends(Status.COMPLETED)


def test_after_the_pivot_a_refusal_of_one_stalls_and_the_others_are_recorded() -> None:
    stalled = given(AFTERWARDS, THREE).replies("pivot", Did()).fails("pack[x]", code="no").ends(Status.STALLED)

    recorded = stalled.replies("pack[y]", Did()).expects()
    recorded.retries().expects("pack[x]", "pack[z]")
    recorded.skips("pack[x]", Did(word="by hand")).expects("pack[z]")


def test_inside_a_group_its_steps_go_with_the_other_members() -> None:
    group = saga(parallel(each("pack", limit=1), compensatable("b")), point_of_no_return())

    begun = given(group, Listed(items=("x", "y"))).expects("pack[x]", "b").replies("b", Did()).expects()
    back = packed(begun, "x", "y").fails("pivot", code="no").undoes("pack[x]", "b")
    back.undone("pack[x]").undoes("pack[y]").undone("b").undone("pack[y]").ends(Status.COMPENSATED)
