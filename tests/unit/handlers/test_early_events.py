"""An event that comes before its instance is held for an hour, and applied right after the start."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from saga_coordinator.contracts import Done, Event
from saga_coordinator.handlers.records import Record
from saga_coordinator.sagas import Saga, alternatives, parallel, receive, series, step
from saga_coordinator.sagas.language.nodes import Receive
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Coordinator, HandClock, open_coordinator
from tests.unit.handlers._support.order_log import Log, command_id, instance_id
from tests.unit.handlers._support.trips import (
    Approved,
    HoldRoom,
    SendTicket,
    Trip,
    TripAsked,
    approval,
    free,
    hold,
    trip,
    trip_of,
)

RESERVE, CHARGE = "inventory.reserve-stock.v1", "payments.charge-card.v1"
HOUR = timedelta(hours=1)


async def test_a_cancel_before_its_order_is_held_and_applied_right_after_the_start(coordinator: Coordinator) -> None:
    log = Log()
    early = log.cancelled()
    await coordinator.take(early)
    assert coordinator.verdict(early.place) == ("buffered", None)
    assert coordinator.messages == []

    coordinator.clock.pass_by(HOUR - timedelta(seconds=1))
    await coordinator.fire_due()
    await coordinator.take(log.placed())
    assert coordinator.verdict(early.place) == ("applied", None)
    assert coordinator.rows("SELECT seq, kind FROM history ORDER BY seq") == [(1, "start"), (2, "cancel")]
    assert coordinator.status() == "compensating"
    assert coordinator.types() == [RESERVE, CHARGE]


async def test_a_cancel_before_its_order_in_one_batch_is_never_stored_as_held(coordinator: Coordinator) -> None:
    log = Log()
    early, start = log.cancelled(partition=0), log.placed(partition=1)
    await coordinator.take(early, start)
    assert coordinator.verdict(early.place) == ("applied", None)
    assert coordinator.verdict(start.place) == ("applied", None)
    assert coordinator.rows("SELECT count(*) FROM held_event") == [(0,)]
    assert coordinator.status() == "compensating"


async def test_held_twice_it_is_applied_once(coordinator: Coordinator) -> None:
    log = Log()
    first, second = log.cancelled(), log.cancelled()
    await coordinator.take(first)
    await coordinator.take(second, log.placed())
    assert [each.verdict for each in coordinator.verdicts(first.place) + coordinator.verdicts(second.place)] == [
        "applied",
        "duplicate",
    ]


async def test_a_cancel_that_is_held_for_more_than_an_hour_is_unmatched(coordinator: Coordinator) -> None:
    log = Log()
    early = log.cancelled()
    await coordinator.take(early)
    coordinator.clock.pass_by(HOUR)
    await coordinator.fire_due()
    verdict, reason = coordinator.verdict(early.place)
    assert verdict == "unmatched"
    assert "no instance waited for it" in (reason or "")

    await coordinator.take(log.placed())
    assert coordinator.status() == "running"
    assert await coordinator.fire_due() is False


async def test_a_held_cancel_survives_a_restart(tmp_path: Path) -> None:
    log, clock = Log(), HandClock()
    async with open_coordinator(tmp_path / "saga.db", clock=clock) as it:
        await it.take(log.cancelled())
    async with open_coordinator(tmp_path / "saga.db", clock=clock) as it:
        await it.take(log.placed())
        assert it.status() == "compensating"


async def test_a_cancel_after_the_pivot_was_sent_is_ignored(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    await coordinator.take(*(log.answer(command) for command in coordinator.messages))
    late = log.cancelled()
    await coordinator.take(late)
    assert coordinator.verdict(late.place) == ("ignored", "past the pivot: the pivot was sent: there is no way back")
    assert (await coordinator.stored(instance_id("o-1"))).instance.steps["ship-order"].forward.command_id == command_id(
        "o-1", "ship-order"
    )


def two_sagas() -> tuple[Saga[saga_kit.Begun, saga_kit.Data], ...]:
    """Two sagas that start and are cancelled by the same events."""
    return tuple(saga_kit.saga(saga_kit.compensatable(f"of-{name}"), name=name) for name in ("one", "other"))


def begun_event(log: Log) -> Record:
    return log.event(saga_kit.Begun(key="k-1"), "k-1")


def stopped_event(log: Log) -> Record:
    return log.event(saga_kit.Stopped(key="k-1"), "k-1")


async def test_an_event_that_comes_before_two_instances_is_held_for_both(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", *two_sagas()) as it:
        await it.take(stopped_event(log))
        assert it.rows("SELECT count(*) FROM held_event") == [(2,)]
        await it.take(begun_event(log))
        assert it.rows("SELECT saga, status FROM instance ORDER BY saga") == [
            ("one", "compensating"),
            ("other", "compensating"),
        ]
        assert it.rows("SELECT count(*) FROM held_event") == [(0,)]


async def test_a_held_event_that_a_newer_program_cannot_read_is_dead_lettered_and_its_start_is_not(
    tmp_path: Path,
) -> None:
    log, clock = Log(), HandClock()
    (one, _) = two_sagas()
    async with open_coordinator(tmp_path / "saga.db", one, clock=clock) as it:
        early, start = stopped_event(log), begun_event(log)
        await it.take(early)
    changed = replace(one, cancel_on=None)
    async with open_coordinator(tmp_path / "saga.db", changed, clock=clock) as it:
        await it.take(start)
        assert it.verdict(start.place).verdict == "applied"
        assert it.verdict(early.place).verdict == "dead-lettered"


async def test_a_held_event_that_a_newer_program_cannot_read_expires_as_dead_letter(tmp_path: Path) -> None:
    log, clock = Log(), HandClock()
    (one, _) = two_sagas()
    async with open_coordinator(tmp_path / "saga.db", one, clock=clock) as it:
        early = stopped_event(log)
        await it.take(early)
    changed = replace(one, cancel_on=None)
    clock.pass_by(2 * HOUR)
    async with open_coordinator(tmp_path / "saga.db", changed, clock=clock) as it:
        await it.fire_due()
        assert it.verdict(early.place).verdict == "dead-lettered"


class Signed(Event):
    """A second event that a trip awaits at its own id, as it does `Approved`."""

    message_type, topic = "trips.signed.v1", "trips.events.v1"
    trip: str


def signed_trip(event: Signed) -> str:
    return event.trip


SIGNED: Receive[Trip] = receive("signature", Signed, key=signed_trip, timeout=timedelta(days=1))
SOON: Receive[Trip] = receive("approval", Approved, key=trip_of, timeout=timedelta(minutes=5))
IN_ORDER, SIDE_BY_SIDE = (
    trip(approval, SIGNED),
    trip(parallel(approval, series(step("hold-room", hold, compensate=free), SIGNED))),
)


async def test_what_is_held_is_taken_by_the_receive_that_begins_as_another_ends_at_the_same_address(
    tmp_path: Path,
) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", IN_ORDER) as it:
        await it.take(log.event(TripAsked(trip="t-1"), "t-1"))
        early = log.event(Signed(trip="t-1"), "t-1")
        await it.take(early)
        assert it.verdict(early.place) == ("buffered", None)
        await it.take(log.event(Approved(trip="t-1"), "t-1"))
        assert it.verdict(early.place) == ("applied", None)
        assert it.types("t-1") == [SendTicket.message_type]


async def test_what_is_held_is_taken_by_the_receive_that_begins_beside_another_at_the_same_address(
    tmp_path: Path,
) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", SIDE_BY_SIDE) as it:
        await it.take(log.event(TripAsked(trip="t-1"), "t-1"))
        early = log.event(Signed(trip="t-1"), "t-1")
        await it.take(early)
        (held,) = it.sent(HoldRoom.message_type, "t-1")
        await it.take(log.says(held, Done()))
        assert it.verdict(early.place) == ("applied", None)


async def test_what_is_held_is_taken_by_the_alternative_that_is_tried_next(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", trip(alternatives(SOON, SIGNED, name="agreed"))) as it:
        await it.take(log.event(TripAsked(trip="t-1"), "t-1"))
        early = log.event(Signed(trip="t-1"), "t-1")
        await it.take(early)
        it.clock.pass_by(timedelta(minutes=6))
        await it.fire_due()
        assert it.verdict(early.place) == ("applied", None)


async def test_a_log_that_is_read_again_meets_what_is_held_and_goes_on(tmp_path: Path) -> None:
    log = Log()
    early = log.cancelled()
    async with open_coordinator(tmp_path / "saga.db") as it:
        await it.take(early)
    async with open_coordinator(tmp_path / "saga.db") as it:
        it.execute("UPDATE lease SET next_offset = NULL")
        await it.take(early, log.placed("o-2"))
        assert it.verdict(early.place) == ("buffered", None)
        assert it.types("o-2") == [RESERVE, CHARGE]
