"""A saga with scaled times does the same in less time."""

from datetime import timedelta

import pytest

from saga_coordinator.sagas import Retry, UnsoundSaga, parallel
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.scenario import given
from saga_coordinator.sagas.testing.variants import scale_time
from tests.support.saga_kit import (
    HOUR,
    MINUTE,
    SECOND,
    Begun,
    choice,
    compensatable,
    point_of_no_return,
    retriable,
    saga,
)

SLOW = saga(
    parallel(
        compensatable("a", timeout=2 * MINUTE, retry=Retry(attempts=3, first=10 * SECOND, cap=MINUTE, jitter=0.0)),
        choice("heads", 0, compensatable("b"), otherwise=(compensatable("c", timeout=3 * MINUTE),)),
    ),
    point_of_no_return("ship", timeout=HOUR),
    retriable("notify"),
    deadline=2 * HOUR,
)


def test_all_durations_are_divided() -> None:
    fast = scale_time(SLOW, 60)

    assert fast.deadline == 2 * MINUTE
    timeouts = {name: step_plan.step.timeout for name, step_plan in fast.plan.steps.items()}
    assert timeouts == {"a": 2 * SECOND, "b": SECOND, "c": 3 * SECOND, "ship": MINUTE, "notify": SECOND}
    retry = fast.plan.steps["a"].retry
    assert (retry.first, retry.cap) == (10 * SECOND / 60, SECOND)
    assert fast.plan.steps["a"].step.compensate_retry.first == SECOND / 60
    assert fast.plan.steps["notify"].retry.first == SECOND / 60


def test_nothing_else_is_changed() -> None:
    fast = scale_time(order_fulfilment, 100)

    assert (fast.name, fast.version, fast.plan.data_type) == (
        order_fulfilment.name,
        order_fulfilment.version,
        order_fulfilment.plan.data_type,
    )
    for name, step_plan in order_fulfilment.plan.steps.items():
        scaled_plan = fast.plan.steps[name]
        assert (scaled_plan.command, scaled_plan.undo) == (step_plan.command, step_plan.undo)
        assert (scaled_plan.retry.attempts, scaled_plan.retry.factor) == (
            step_plan.retry.attempts,
            step_plan.retry.factor,
        )
        assert scaled_plan.step.is_pivot is step_plan.step.is_pivot


def test_the_same_story_takes_less_time() -> None:
    slow, fast = given(SLOW, Begun()), given(scale_time(SLOW, 60), Begun())

    slow.fails("a", code="busy", retryable=True).passes(10 * SECOND).expects("a")
    fast.fails("a", code="busy", retryable=True).passes(SECOND).expects("a")
    assert fast.fails("a", code="no").fails("c", code="no").status is Status.COMPENSATED


def test_a_saga_may_be_slowed_down_too() -> None:
    assert scale_time(SLOW, 0.5).deadline == timedelta(hours=4)


def test_a_saga_without_a_deadline_gets_none() -> None:
    assert scale_time(saga(compensatable("a")), 10).deadline is None


@pytest.mark.parametrize("factor", [0, -1, float("nan")])
def test_a_factor_that_is_no_speed_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match=r"saga made: cannot divide its times by .*; give a factor greater than 0"):
        scale_time(SLOW, factor)


def test_a_factor_that_leaves_nothing_of_a_timeout_is_refused() -> None:
    with pytest.raises(UnsoundSaga, match="step a has a timeout of 0:00:00: it must be longer than nothing"):
        scale_time(SLOW, 1e12)
