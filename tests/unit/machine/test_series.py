"""A series is a sequence that stands as one node in a group or in alternatives."""

from saga_coordinator.sagas import parallel, series
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.scenario import given
from tests.support.saga_kit import HOUR, Begun, Did, Paid, awaits, choice, compensatable, point_of_no_return, saga

a, b, c, d = (compensatable(name) for name in "abcd")
ROWS = saga(parallel(series(a, b), series(c, d)), point_of_no_return())
DONE = given(ROWS, Begun()).replies("a", Did()).replies("b", Did()).replies("c", Did()).replies("d", Did())


def test_the_series_of_a_group_continue_independently() -> None:
    begun = given(ROWS, Begun()).expects("a", "c").replies("a", Did()).expects("b").replies("b", Did()).expects()

    begun.replies("c", Did()).expects("d").replies("d", Did()).expects("pivot")


def test_the_rows_are_undone_at_once_and_each_in_reverse() -> None:
    DONE.fails("pivot", code="no").undoes("b", "d").undone("d").undoes("c").undone("b").undoes("a")


def test_a_refusal_in_one_row_awaits_what_is_in_flight_in_the_other() -> None:
    refused = given(ROWS, Begun()).replies("a", Did()).fails("b", code="no").expects()

    refused.replies("c", Did()).undoes("a", "c").undone("a").undone("c").ends(Status.COMPENSATED)


def test_a_row_may_hold_a_choice_and_a_wait() -> None:
    mixed = saga(parallel(series(choice("heads", 0, a), awaits("payment", timeout=HOUR), b), c))

    begun = given(mixed, Begun(coins=1)).expects("a", "c").replies("a", Did()).expects()
    begun.happens(Paid()).expects("b").replies("b", Did()).expects().replies("c", Did()).ends(Status.COMPLETED)


def test_series_within_series_are_one_sequence() -> None:
    nested = saga(series(a, series(b, c)), d)

    begun = given(nested, Begun()).expects("a").replies("a", Did()).expects("b").replies("b", Did()).expects("c")
    begun.fails("c", code="no").undoes("b").undone("b").undoes("a")
