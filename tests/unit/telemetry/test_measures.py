"""What is counted, and under which labels."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from saga_coordinator.contracts import Envelope, Failure, Reply
from saga_coordinator.handlers.records import Place, Record
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Status
from saga_coordinator.service.counts import Counts
from saga_coordinator.service.telemetry.measures import BOUNDS, Durations, Measures
from tests.unit.telemetry._support.story import Story, declining, order_cancelled, order_placed, willing

SAGA = "order-fulfilment"


def measured(story: Story) -> Measures:
    measures = Measures()
    for turn in story.turns:
        measures.on_commit(turn)
    return measures


def counts(durations: Durations) -> dict[tuple[str, ...], int]:
    return {labels: sum(buckets.counts) for labels, buckets in durations.read()}


def test_signals_are_counted_by_what_was_made_of_them() -> None:
    story = Story()
    placed = story.takes(order_placed("o-1"), order_placed("o-1"), order_placed("o-2"))
    first, *rest = story.answers(placed)
    story.takes(first, first, *rest)

    assert measured(story).transitions == {
        (SAGA, "start", "applied"): 2,
        (SAGA, "start", "duplicate"): 1,
        (SAGA, "answer", "applied"): 4,
        (SAGA, "answer", "duplicate"): 1,
    }


def test_an_ended_instance_is_counted_once_with_its_duration() -> None:
    story = Story()
    story.runs(order_placed("o-1"), by=willing)
    story.runs(order_placed("o-2"), by=declining("ship-order"))

    durations = measured(story).duration

    assert counts(durations) == {(SAGA, "completed"): 1, (SAGA, "compensated"): 1}
    assert [round(buckets.total, 6) for _, buckets in durations.read()] == [0.06, 0.06]


def test_a_step_lasts_from_its_command_to_its_answer() -> None:
    story = Story()
    story.runs(order_placed("o-1"), by=declining("ship-order"))

    durations = measured(story).step_duration

    assert counts(durations) == {
        (SAGA, "reserve-stock", "forward"): 1,
        (SAGA, "charge-card", "forward"): 1,
        (SAGA, "ship-order", "forward"): 1,
        (SAGA, "reserve-stock", "compensation"): 1,
        (SAGA, "charge-card", "compensation"): 1,
    }
    assert {round(buckets.total, 6) for _, buckets in durations.read()} == {0.02}


def test_a_compensation_that_is_asked_for_again_counts_once() -> None:
    story = Story()
    placed = story.takes(order_placed("o-1"))
    story.takes(order_cancelled("o-1"))
    story.takes(*story.answers(placed))
    story.wakes(timedelta(minutes=5))

    assert measured(story).compensations == {(SAGA, "reserve-stock"): 1, (SAGA, "charge-card"): 1}


def test_a_stall_is_counted_by_its_step() -> None:
    story = Story()
    story.runs(order_placed("o-1"), by=_undoing_nothing(declining("ship-order")))

    assert story.instance.status is Status.STALLED
    assert measured(story).stalled == {(SAGA, "reserve-stock"): 1}


def _undoing_nothing(by: Callable[[Envelope], Reply | None]) -> Callable[[Envelope], Reply | None]:
    def participant(command: Envelope) -> Reply | None:
        if command.direction == "compensation":
            return Failure(code="lost", message="it is lost", retryable=False)
        return by(command)

    return participant


def test_the_lag_of_a_timer_is_measured() -> None:
    story = Story()
    story.takes(order_placed("o-1"))
    story.wakes(timedelta(minutes=2, seconds=3))

    ((_, buckets),) = measured(story).timer_lag.read()

    assert sum(buckets.counts) == 1
    assert 3.0 < buckets.total < 3.1


def test_records_that_reach_no_instance_are_counted_by_topic() -> None:
    story = Story()
    replies = story.answers(story.takes(order_placed("o-1")))
    stranger = Story()
    stranger.takes(*replies, Record(Place("orders.events.v1", 0, 1), 0, None, b"not JSON", ()))

    measures = measured(stranger)

    assert measures.verdicts == {("saga.replies.v1", "unmatched"): 2}
    assert measures.dead_letters == {("orders.events.v1",): 1}


def test_a_duration_falls_into_the_first_bucket_that_can_hold_it() -> None:
    durations = Durations()
    for seconds in (0.005, 0.006, BOUNDS[-1], BOUNDS[-1] + 1, -1):
        durations.add(("a",), timedelta(seconds=seconds))

    ((labels, buckets),) = durations.read()

    assert labels == ("a",)
    assert (buckets.counts[0], buckets.counts[1], buckets.counts[-2], buckets.counts[-1]) == (2, 1, 1, 1)
    assert (buckets.minimum, buckets.maximum) == (0.0, BOUNDS[-1] + 1)


def test_what_was_read_does_not_change_any_more() -> None:
    durations = Durations()
    durations.add((), timedelta(seconds=1))
    ((_, before),) = durations.read()

    durations.add((), timedelta(seconds=1))

    assert sum(before.counts) == 1


def test_a_partition_that_is_somebody_elses_has_no_lag_here() -> None:
    measures = Measures()
    measures.set_lag({("orders.events.v1", 0): 7, ("orders.events.v1", 1): 3})
    measures.set_lag({("orders.events.v1", 1): 0})

    assert measures.lag == {("orders.events.v1", "1"): 0}


def test_every_counter_of_the_catalog_begins_at_0() -> None:
    measures = Measures()
    measures.expect(Routes([order_fulfilment]))

    assert measures.stalled[SAGA, "ship-order"] == 0
    assert {("", 0), ("charge-card", 0)} <= {(step, number) for (_, step), number in measures.stalled.items()}
    assert measures.compensations == {(SAGA, "reserve-stock"): 0, (SAGA, "charge-card"): 0}
    assert set(measures.dead_letters) == {("orders.events.v1",), ("saga.replies.v1",)}
    assert measures.verdicts[("orders.events.v1", "unmatched")] == 0
    assert (SAGA, "answer", "duplicate") in measures.transitions
    assert counts(measures.duration) == {(SAGA, "completed"): 0, (SAGA, "compensated"): 0}
    assert (SAGA, "charge-card", "compensation") in counts(measures.step_duration)
    assert measures.instances == {(SAGA, "running"): 0, (SAGA, "compensating"): 0, (SAGA, "stalled"): 0}


def test_what_was_counted_replaces_the_zeros_and_only_those() -> None:
    measures = Measures()
    measures.expect(Routes([order_fulfilment]))
    measures.set_counts(Counts(instances=[(SAGA, "running", 7)]), datetime(2026, 1, 1, tzinfo=UTC))

    assert measures.instances == {(SAGA, "running"): 7, (SAGA, "compensating"): 0, (SAGA, "stalled"): 0}


def test_a_timer_that_became_due_in_a_downtime_has_no_lag() -> None:
    measures, story = Measures(), Story()
    story.takes(order_placed("o-1"))
    story.wakes(timedelta(minutes=2, seconds=3))
    measures.timers_from = story.instance.started_at + timedelta(hours=1)
    for turn in story.turns:
        measures.on_commit(turn)

    assert list(measures.timer_lag.read()) == []
