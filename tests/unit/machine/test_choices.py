"""A branch decides once, when it is reached, and its choice is recorded."""

from saga_coordinator.sagas import parallel
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import Begun, Did, choice, compensatable, point_of_no_return, saga

FORK = saga(
    choice("heads", 0, compensatable("a"), compensatable("b"), otherwise=(compensatable("x"),)), point_of_no_return()
)


def test_the_nodes_are_taken_when_the_predicate_holds_else_the_otherwise() -> None:
    given(FORK, Begun(coins=1)).expects("a").replies("a", Did()).expects("b").replies("b", Did()).expects("pivot")
    given(FORK, Begun(coins=0)).expects("x").replies("x", Did()).expects("pivot")


def test_the_choice_is_recorded_and_never_made_again() -> None:
    """The reply of `a` reverses the predicate; the branch continues, and is compensated as it was chosen."""
    chosen = given(FORK, Begun(coins=1)).replies("a", Did())

    assert chosen.instance.choices == {"heads": True}
    chosen.fails("b", code="no").undoes("a")


def test_a_branch_is_decided_when_it_is_reached_and_not_before() -> None:
    later = saga(compensatable("a"), choice("heads", 0, compensatable("b")), point_of_no_return())

    begun = given(later, Begun(coins=1))
    assert begun.instance.choices == {}
    begun.replies("a", Did()).expects("pivot")


def test_a_branch_that_was_never_reached_is_not_decided_on_the_way_back() -> None:
    later = saga(compensatable("a"), choice("heads", 0, compensatable("b")), point_of_no_return())

    turned = given(later, Begun()).fails("a", code="no").ends(Status.COMPENSATED)
    assert turned.instance.choices == {}


def test_a_saga_with_nothing_to_do_is_completed_at_once() -> None:
    given(saga(choice("heads", 0, compensatable("a"))), Begun(coins=0)).expects().ends(Status.COMPLETED)


def test_a_group_goes_on_when_all_its_members_have_succeeded() -> None:
    group = saga(
        parallel(compensatable("a"), choice("heads", 0, compensatable("b"), compensatable("c"))),
        point_of_no_return(),
    )
    (
        given(group, Begun(coins=1))
        .expects("a", "b")
        .replies("b", Did())
        .expects("c")
        .replies("c", Did())
        .expects()
        .replies("a", Did())
        .expects("pivot")
    )
