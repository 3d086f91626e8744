"""The linter on phases: what can be undone, then at most one pivot, then what only goes forward."""

from dataclasses import replace

from saga_coordinator.sagas import FOREVER, Retry, alternatives, delay, parallel, series
from saga_coordinator.sagas.language.nodes import ForEach
from tests.support.saga_kit import MINUTE, choice, compensatable, point_of_no_return, retriable, safe, saga
from tests.unit.machine._support.unsound import a, b, parcel, parcels, problems_of, settled, ship, unmake


def test_a_step_before_the_pivot_that_cannot_be_undone_is_refused() -> None:
    message = "step z changes something before the pivot and cannot be undone: give it a compensate, make it the pivot"

    assert problems_of(retriable("z"), ship) == (f"{message}, or declare Do z safe",)
    assert problems_of(alternatives(retriable("z"), b)) == (f"{message}, or declare Do z safe",)


def test_a_saga_without_a_pivot_is_compensatable_to_its_end() -> None:
    assert problems_of(a, retriable("z")) == (
        (
            "step z changes something before the pivot and cannot be undone: "
            "give it a compensate, make it the pivot, or declare Do z safe"
        ),
    )


def test_a_compensation_after_the_pivot_is_refused() -> None:
    assert problems_of(ship, a) == ("step a stands after the pivot, where nothing is undone: remove its compensate",)


def test_a_compensation_of_a_pivot_is_refused() -> None:
    assert problems_of(replace(ship, compensate=unmake)) == (
        "pivot ship has a compensate, and is never undone: remove it, or make the pivot a step",
    )


def test_a_retry_that_ends_after_the_pivot_is_refused() -> None:
    message = "step z may stand after the pivot and has a finite retry: leave attempts and total at None"
    finite = retriable("z", retry=Retry(attempts=9))

    assert problems_of(ship, finite) == (message,)
    assert problems_of(ship, retriable("z", retry=Retry(attempts=None, total=MINUTE))) == (message,)
    assert problems_of(choice("heads", 0, ship), compensatable("z", retry=Retry(attempts=9))) == (message,)


def test_a_promise_about_silence_without_a_compensation_is_refused() -> None:
    assert problems_of(replace(safe("look"), undo_when_unknown=False)) == (
        "step look has no compensate, so that undo_when_unknown says nothing: remove it",
    )
    saga(replace(a, undo_when_unknown=False))


def test_a_pivot_in_a_parallel_group_is_refused() -> None:
    message = "pivot ship stands in a parallel group: put it into the main sequence"

    assert problems_of(parallel(a, ship)) == (message,)
    assert problems_of(parallel(a, choice("heads", 0, ship))) == (message,)
    assert problems_of(parallel(a, series(b, ship))) == (message,)


def test_a_pivot_in_alternatives_is_refused() -> None:
    message = "pivot ship stands in alternatives: put it into the main sequence"

    assert problems_of(alternatives(ship, a)) == (message,)
    assert problems_of(alternatives(a, parallel(b, ship))) == (message,)
    assert problems_of(parallel(b, alternatives(a, ship))) == (message,)


def test_a_pivot_for_each_item_of_a_list_is_refused() -> None:
    assert problems_of(ForEach(items=parcels, key=parcel, step=ship))[0] == (
        "for_each ship is made of a pivot, which is one command: make it of a step"
    )


def test_alternatives_after_the_pivot_are_refused() -> None:
    message = (
        "alternatives y-or-z may stand after the pivot, where nothing is undone: "
        "put them before it, or choose by a branch"
    )
    either = alternatives(safe("y"), safe("z"))

    assert problems_of(ship, either) == (message,)
    assert problems_of(choice("heads", 0, ship), either) == (message,)


def test_two_pivots_on_one_path_are_refused() -> None:
    message = "pivot fly may follow another pivot: make one of them a step"
    fly = point_of_no_return("fly")

    assert problems_of(ship, fly) == (message,)
    assert problems_of(choice("heads", 0, ship), fly) == (message,)


def test_a_pivot_on_either_side_of_a_branch_is_sound() -> None:
    either = saga(choice("heads", 0, ship, otherwise=(point_of_no_return("fly"),)), retriable("z"))

    assert either.plan.steps["z"].retry is FOREVER


def test_a_pivot_in_a_series_of_the_main_sequence_is_sound() -> None:
    after = saga(series(a, ship), retriable("z"))

    assert after.plan.steps["z"].retry is FOREVER


def test_a_step_that_may_stand_on_either_side_of_the_pivot_needs_a_compensation_and_patience() -> None:
    either = saga(choice("heads", 0, ship), a)

    assert either.plan.steps["a"].retry is FOREVER
    assert problems_of(choice("heads", 0, ship), retriable("z"))[0].startswith("step z changes something before")


def test_waits_may_stand_on_either_side_of_the_pivot() -> None:
    saga(delay("calm", MINUTE), ship, settled, delay("rest", MINUTE))
