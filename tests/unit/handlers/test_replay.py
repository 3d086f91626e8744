"""A history can be decided once more, whatever it holds; another definition differs where it decides otherwise."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs

from saga_coordinator.contracts import Done, Failure
from saga_coordinator.handlers.records import Entry
from saga_coordinator.handlers.replay import first_difference, replay, signal_of
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas import Retry, parallel, receive, step
from saga_coordinator.sagas.machine import (
    Cancel,
    OperatorAction,
    Pause,
    Resolve,
    Resume,
    RetryStep,
    SkipStep,
    Status,
    freeze,
    instance_id,
)
from saga_coordinator.service.storage.queries import InstanceFilter
from saga_coordinator.service.storage.sqlite.queries import open_queries
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.order_log import Log
from tests.unit.handlers._support.trips import (
    Approved,
    BookHotel,
    HoldRoom,
    Paid,
    Trip,
    TripAsked,
    TripCancelled,
    approval,
    free,
    hold,
    hotel,
    hotel_booking,
    payment,
    trip,
    trip_of,
)
from tests.unit.handlers.test_child_sagas import delivered

TWICE = Retry(attempts=2, first=timedelta(seconds=1), jitter=0.0)
LONG = trip(step("hold-room", hold, compensate=free, retry=TWICE, compensate_retry=TWICE), payment, approval)
TRIP = instance_id("trip", "t-1")


async def act(it: Coordinator, made: type[Pause | Resume | RetryStep], id_: str = TRIP) -> None:
    """Perform an action that needs no further arguments as olga."""
    decision = await it.operator.act(id_, lambda now: made(now, "olga", "to look"))
    assert decision is not None
    assert decision.ignored is None


def histories(it: Coordinator) -> dict[str, list[Entry]]:
    """The whole history of every instance, by the name of its saga."""
    with open_queries(it.path) as reading:
        return {row.saga: list(reading.history(row, 1_000)) for row in reading.instances(InstanceFilter(), 100)}


async def check(it: Coordinator, saga: AnySaga, *kinds: str) -> None:
    """Check that a history of these kinds leads to the stored state, with each decision as it was recorded."""
    entries = histories(it)[saga.name]
    assert [entry.kind for entry in entries] == list(kinds)
    again = replay(saga, entries)
    assert freeze(again) == freeze((await it.stored(again.id)).instance)
    assert first_difference(saga, entries) is None


async def begin(it: Coordinator, log: Log) -> None:
    await it.take(log.event(TripAsked(trip="t-1"), "t-1"))


async def test_replies_events_timers_pauses_and_operator_actions(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", LONG) as it:
        await begin(it, log)
        (asked,) = it.sent(HoldRoom.message_type, "t-1")
        await it.take(log.says(asked, Failure(code="busy", message="", retryable=True)))
        await act(it, Pause)
        it.clock.pass_by(timedelta(seconds=5))
        await act(it, Resume)
        it.clock.pass_by(timedelta(seconds=5))
        await it.fire_due()
        await it.operator.act(TRIP, lambda now: SkipStep(now, "olga", "by hand", "hold-room"))
        await it.take(log.event(Paid(invoice="invoice-t-1"), "t-1"))
        event = Approved(trip="t-1", by="olga")
        await it.operator.act(TRIP, lambda now: SkipStep(now, "olga", "by hand", "approval", event))
        await it.operator.act(TRIP, lambda now: RetryStep(now, "olga", "at once", "send-ticket"))
        assert it.status("t-1") == "running"
        kinds = ("start", "answer", "pause", "resume", "wake", "skip", "happen", "skip", "retry")
        await check(it, LONG, *kinds)


async def test_events_of_two_senders_under_one_id(tmp_path: Path) -> None:
    log = Log()
    saga = trip(parallel(payment, approval))
    async with open_coordinator(tmp_path / "saga.db", saga) as it:
        await begin(it, log)
        await it.take(log.event(Paid(invoice="invoice-t-1"), "t-1", id_="17", source="/bank"))
        await it.take(log.event(Approved(trip="t-1"), "t-1", id_="17", source="/office"))
        await check(it, saga, "start", "happen", "happen")


async def test_a_stalled_undo_that_is_retried_and_resolved(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", LONG) as it:
        await begin(it, log)
        await it.take(log.says(it.messages[0], Done()))
        await it.operator.act(TRIP, lambda now: Cancel(now, "fraud", "olga"))
        for _ in range(2):
            await it.take(log.says(it.messages[-1], Failure(code="gone", message="", retryable=False)))
            assert it.status("t-1") == "stalled"
            if len(it.messages) == 2:
                await act(it, RetryStep)
        await it.operator.act(TRIP, lambda now: Resolve(now, "olga", "by hand", Status.COMPENSATED))
        assert it.status("t-1") == "compensated"
        await check(it, LONG, "start", "answer", "cancel", "answer", "retry", "answer", "resolve")


async def test_a_child_that_starts_on_a_command_and_is_cancelled(tmp_path: Path) -> None:
    log, parent = Log(), trip(hotel)
    async with open_coordinator(tmp_path / "saga.db", parent, hotel_booking) as it:
        await begin(it, log)
        await it.take(delivered(log, it.sent(BookHotel.message_type, "t-1")[0]))
        await it.take(log.event(TripCancelled(trip="t-1"), "t-1"))
        await it.take(delivered(log, it.sent("saga.cancel-command.v1", "t-1")[0]))
        await check(it, parent, "start", "cancel")
        await check(it, hotel_booking, "start", "cancel")


async def test_timers_and_ignored_signals(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", LONG) as it:
        await begin(it, log)
        it.clock.pass_by(timedelta(minutes=6))
        await it.fire_due()
        await it.take(log.says(it.messages[0], Done()), log.says(it.messages[0], Done()))
        it.clock.pass_by(timedelta(days=2))
        await it.fire_due()
        await check(it, LONG, "start", "wake", "answer", "answer", "wake")


async def test_the_first_decision_that_another_definition_makes_otherwise_is_named(tmp_path: Path) -> None:
    log = Log()
    shorter = trip(step("hold-room", hold, compensate=free, retry=TWICE), approval)
    async with open_coordinator(tmp_path / "saga.db", LONG) as it:
        await begin(it, log)
        await it.take(log.says(it.messages[0], Done()))
        await it.take(log.event(Paid(invoice="invoice-t-1"), "t-1"))
        await it.take(log.event(Approved(trip="t-1"), "t-1"))
        entries = histories(it)["trip"]

    unknown = first_difference(shorter, entries)
    assert unknown is not None
    assert (unknown.entry.seq, unknown.now) == (3, None)
    assert unknown.why == "LookupError: bank.paid.v1 is awaited nowhere in saga trip version 1"
    sooner = first_difference(replace(LONG, steps=(*LONG.steps[:2], *LONG.steps[3:])), entries)
    assert sooner is not None
    assert (sooner.entry.seq, sooner.recorded) == (3, '{"status":"running"}')
    assert "send-ticket" in (sooner.now or "")


async def test_a_definition_that_raises_differs_with_what_it_raises(tmp_path: Path) -> None:
    log = Log()

    def raises(data: Trip, event: Approved) -> Trip:
        raise ZeroDivisionError(f"{data} {event}")

    broken = trip(receive("approval", Approved, key=trip_of, remember=raises))
    async with open_coordinator(tmp_path / "saga.db", trip(approval)) as it:
        await begin(it, log)
        await it.take(log.event(Approved(trip="t-1"), "t-1"))
        differs = first_difference(broken, histories(it)["trip"])
    assert differs is not None
    assert differs.entry.kind == "happen"
    assert (differs.why or "").startswith("ZeroDivisionError: ")


def test_what_is_not_known_is_refused_with_a_reason() -> None:
    entry = Entry("i", 7, datetime(2026, 1, 1), "dance", *[None] * 11)  # type: ignore[arg-type]  # noqa: DTZ001  unread
    with pytest.raises(LookupError, match="entry 7 of i: nothing is known of a signal 'dance'"):
        signal_of(LONG, entry)
    with pytest.raises(LookupError, match="a history begins with its start"):
        replay(LONG, [])
    with pytest.raises(LookupError, match=r"None answers no command of saga trip version 1"):
        signal_of(LONG, structs.replace(entry, kind="answer"))


def test_every_operator_action_is_replayed() -> None:
    assert set(OperatorAction.__args__) == {Pause, Resolve, Resume, RetryStep, SkipStep}
