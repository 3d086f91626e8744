"""An event reaches the instances that await it, whenever it comes; it is held until then, or unmatched in the end."""

from datetime import timedelta
from pathlib import Path

from saga_coordinator.contracts import Done, Event
from saga_coordinator.handlers.records import Record
from saga_coordinator.sagas import delay, parallel, receive, step
from saga_coordinator.sagas.language.nodes import Node
from saga_coordinator.sagas.machine import instance_id
from tests.unit.handlers._support.coordinator import Coordinator, HandClock, open_coordinator
from tests.unit.handlers._support.order_log import Log
from tests.unit.handlers._support.trips import (
    Approved,
    HoldRoom,
    Paid,
    Trip,
    TripAsked,
    TripCancelled,
    approval,
    approver,
    free,
    hold,
    payment,
    trip,
    trip_of,
)

HOUR = timedelta(hours=1)
TICKET = "tickets.send.v1"
WAITING_FIRST = trip(approval)
HOLDING_FIRST = trip(step("hold-room", hold, compensate=free), approval)
PAID_LAST = trip(step("hold-room", hold, compensate=free), payment)


def begun(log: Log, name: str = "t-1") -> Record:
    return log.event(TripAsked(trip=name), name)


def approved(log: Log, by: str = "boss", name: str = "t-1") -> Record:
    return log.event(Approved(trip=name, by=by), name)


def paid(log: Log, name: str = "t-1") -> Record:
    event: Event = Paid(invoice=f"invoice-{name}")
    return log.event(event, f"invoice-{name}")


async def holds(it: Coordinator, log: Log) -> None:
    """Let the room be held."""
    (asked,) = it.sent(HoldRoom.message_type, "t-1")
    await it.take(log.says(asked, Done()))


async def test_an_event_that_is_awaited_moves_its_instance_on(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", WAITING_FIRST) as it:
        await it.take(begun(log))
        event = approved(log, by="ada")
        await it.take(event)
        assert it.verdict(event.place) == ("applied", None)
        assert it.types("t-1") == [TICKET]
        assert (await it.stored(instance_id("trip", "t-1"))).instance.data.words == ("ada",)


async def test_events_of_two_senders_under_one_id_are_both_received_and_a_copy_of_each_is_not(tmp_path: Path) -> None:
    log = Log()
    second: Node[Trip] = receive("second", Approved, key=trip_of, remember=approver)
    async with open_coordinator(tmp_path / "saga.db", trip(parallel(approval, second))) as it:
        await it.take(begun(log))
        events = [
            log.event(Approved(trip="t-1", by=by), "t-1", id_="17", source=f"/{by}")
            for by in ("risk", "risk", "legal", "legal")
        ]
        await it.take(*events)
        assert [it.verdicts(each.place)[0][0] for each in events] == ["applied", "duplicate", "applied", "duplicate"]
        assert (await it.stored(instance_id("trip", "t-1"))).instance.data.words == ("risk", "legal")


async def test_an_event_before_its_instance_is_held_until_the_receive_is_reached(tmp_path: Path) -> None:
    log, clock = Log(), HandClock()
    async with open_coordinator(tmp_path / "saga.db", HOLDING_FIRST, clock=clock) as it:
        event = approved(log)
        await it.take(event)
        assert it.verdict(event.place) == ("buffered", None)
        await it.take(begun(log))
        assert it.verdict(event.place) == ("buffered", None)
    async with open_coordinator(tmp_path / "saga.db", HOLDING_FIRST, clock=clock) as it:
        unsent = await it.store.unsent()
        await it.take(log.says(unsent[0].message, Done()))
        assert it.verdict(event.place) == ("applied", None)
        assert it.rows("SELECT seq, kind FROM history ORDER BY seq") == [(1, "start"), (2, "answer"), (3, "happen")]
        assert it.rows("SELECT count(*) FROM held_event") == [(0,)]


async def test_an_event_before_its_step_in_the_same_batch_is_never_stored_as_held(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", HOLDING_FIRST) as it:
        await it.take(begun(log))
        (asked,) = it.sent(HoldRoom.message_type, "t-1")
        early = approved(log)
        await it.take(early, log.says(asked, Done()))
        assert it.verdict(early.place) == ("applied", None)
        assert it.types("t-1")[-1] == TICKET


async def test_an_event_that_nobody_comes_to_await_is_unmatched_in_the_end(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", HOLDING_FIRST) as it:
        await it.take(begun(log))
        early = approved(log)
        await it.take(early)
        it.clock.pass_by(HOUR)
        await it.fire_due()
        verdict, reason = it.verdict(early.place)
        assert verdict == "unmatched"
        assert "no instance waited for it" in (reason or "")


async def test_an_event_that_is_delivered_in_the_moment_in_which_it_expires_has_one_verdict_i11(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", trip(delay("wait", timedelta(minutes=30)), approval)) as it:
        await it.take(begun(log))
        early = approved(log)
        await it.take(early)
        it.clock.pass_by(HOUR)
        await it.fire_due()
        assert it.verdict(early.place) == ("applied", None)
        assert it.types("t-1")[-1] == TICKET


async def test_a_second_copy_of_an_event_is_a_duplicate(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", WAITING_FIRST) as it:
        await it.take(begun(log), approved(log))
        copy = approved(log)
        await it.take(copy)
        assert it.verdict(copy.place) == ("duplicate", "duplicate: approval has received it before")
        assert it.types("t-1") == [TICKET]


async def test_an_event_after_its_time_is_ignored(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", WAITING_FIRST) as it:
        await it.take(begun(log))
        it.clock.pass_by(timedelta(days=1))
        await it.fire_due()
        assert it.status("t-1") == "compensated"
        late = approved(log)
        await it.take(late)
        assert it.verdict(late.place).verdict == "ignored"


async def test_an_event_finds_its_instance_by_another_key(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", PAID_LAST) as it:
        await it.take(begun(log, "t-1"), begun(log, "t-2"))
        await holds(it, log)
        assert len(it.rows("SELECT * FROM awaited_event")) == 1
        event = paid(log, "t-1")
        await it.take(event)
        assert it.verdict(event.place) == ("applied", None)
        assert it.types("t-1")[-1] == TICKET
        assert TICKET not in it.types("t-2")
        assert it.rows("SELECT * FROM awaited_event") == []


async def test_an_event_of_another_key_that_comes_early_is_held_at_its_address(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", PAID_LAST) as it:
        early = paid(log)
        await it.take(early, begun(log))
        assert it.verdict(early.place) == ("buffered", None)
        await holds(it, log)
        assert it.verdict(early.place) == ("applied", None)
        assert it.types("t-1")[-1] == TICKET


async def test_a_compensating_instance_awaits_no_event(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", PAID_LAST) as it:
        await it.take(begun(log))
        await holds(it, log)
        await it.take(log.event(TripCancelled(trip="t-1"), "t-1"))
        assert it.rows("SELECT * FROM awaited_event") == []
        late = paid(log)
        await it.take(late)
        assert it.verdict(late.place) == ("buffered", None)
