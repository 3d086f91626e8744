"""A record that fails for its instance parks that instance: what comes later for it is queued, the rest goes on."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from msgspec import structs

from saga_coordinator.handlers.redrive import DeadLetterRef, Outcome
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas import parallel, receive
from saga_coordinator.sagas.language.nodes import Node
from saga_coordinator.sagas.machine import Pause, instance_id
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.faulty import BAD, NO_FAULT, OLGA, Fault, Two, that_begins, wide
from tests.unit.handlers._support.order_log import Log
from tests.unit.handlers._support.trips import Approved, Paid, Trip, TripAsked, TripCancelled, approver, trip, trip_of
from tests.unit.handlers._support.trips import payment as trip_payment
from tests.unit.handlers.test_verdicts import check_replay

BUFFERED = ("buffered", None)


def heads(it: Coordinator) -> list[tuple[object, ...]]:
    return it.rows('SELECT instance_id, topic, "offset" FROM dead_letter WHERE parks = 1 ORDER BY 1')


def queue(it: Coordinator) -> list[tuple[object, ...]]:
    return it.rows('SELECT instance_id, topic, "offset" FROM parked ORDER BY seq')


async def test_what_comes_later_for_the_instance_is_queued_in_order_and_the_partition_goes_on_i11_i29(
    tmp_path: Path,
) -> None:
    async with open_coordinator(tmp_path / "saga.db", wide(Fault(), NO_FAULT, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, good = two.says("a"), two.says("a", "good")
        later, cancel = two.says("b"), two.stopped()
        await it.take(failing, later, good, cancel)
        last = two.says("c")
        await it.take(last)

        assert it.verdict(failing.place).verdict == "dead-lettered"
        assert it.verdict(good.place) == ("applied", None)
        assert {it.verdict(each.place) for each in (later, cancel, last)} == {BUFFERED}
        assert heads(it) == [(BAD, *failing.place[::2])]
        assert queue(it) == [(BAD, *each.place[::2]) for each in (later, cancel, last)]
        assert dict(it.leases.offsets()) == {("made.events.v1", 0): 3, ("saga.replies.v1", 0): 4}


async def test_a_parked_instance_is_as_it_was_but_for_that_i3(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", wide(Fault(), NO_FAULT)) as it:
        two = await Two(it).begin()
        before = await it.stored(BAD)
        await it.take(two.says("a"), two.says("b"))
        after = await it.stored(BAD)
        assert after == structs.replace(
            before, instance=structs.replace(before.instance, parked_at=it.clock.now()), revision=2, trace=after.trace
        )
        assert it.rows("SELECT kind FROM history WHERE instance = 1 ORDER BY seq") == [("start",), ("park",)]


async def test_it_stays_parked_over_a_restart(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        await it.take(two.says("a"))
        later = two.says("b")
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        await it.take(later)
        assert it.verdict(later.place) == BUFFERED


async def test_a_copy_of_a_record_that_is_queued_is_queued_too_and_found_to_be_a_duplicate(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, copy = two.says("a"), two.says("a")
        await it.take(failing, copy)
        assert it.verdict(copy.place) == BUFFERED


async def test_timers_of_a_parked_instance_stand_still_and_operator_actions_work(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", wide(Fault(), NO_FAULT)) as it:
        two = await Two(it).begin()
        await it.take(two.says("a"))
        it.clock.pass_by(timedelta(minutes=6))
        await it.fire_due()
        await it.operator.act(BAD, lambda now: Pause(now, *OLGA))
        kinds = it.rows("SELECT kind, verdict FROM history WHERE instance = 1 ORDER BY seq")
        assert kinds == [("start", "applied"), ("park", "applied"), ("pause", "applied")]
        assert it.rows("SELECT wake_at FROM instance WHERE number = 1") == [(None,)]
        assert (await it.stored(BAD)).is_parked
        later = two.says("b")
        await it.take(later)
        assert it.verdict(later.place) == BUFFERED


async def test_a_reply_that_is_redriven_after_its_timeout_is_in_time(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, later = two.says("a"), two.says("b")
        await it.take(failing, later)
        it.clock.pass_by(timedelta(hours=6))
        await it.fire_due()
        fault.heal()
        await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)
        assert two.seen() == ["a", "b"]
        assert it.status("bad") == "running"
        kinds = it.rows("SELECT kind FROM history WHERE instance = 1 ORDER BY seq")
        assert [kind for (kind,) in kinds] == ["start", "park", "unpark", "answer", "answer"]
        check_replay(it)


async def test_a_record_that_fails_before_there_is_an_instance_parks_nobody(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", that_begins(Fault())) as it:
        two = await Two(it).begin()
        cancel = two.stopped()
        await it.take(cancel)
        assert it.rows("SELECT instance_id, parks FROM dead_letter") == [(BAD, 0)]
        assert it.rows("SELECT address FROM held_event") == [(BAD,)]
        assert queue(it) == []


async def test_what_cannot_be_read_parks_nobody_i28(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", wide(NO_FAULT, NO_FAULT)) as it:
        two = await Two(it).begin()
        await it.take(two.log.reply(two.command("a"), "made.did.v1", b"{"), two.says("a"))
        assert it.rows("SELECT instance_id, parks FROM dead_letter") == [(BAD, 0)]
        assert two.seen() == ["a"]


async def test_what_cannot_be_read_is_no_second_head_of_a_parked_instance_i28(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, unreadable = two.says("a"), two.log.reply(two.command("b"), "made.did.v1", b"{")
        await it.take(failing, unreadable)
        assert heads(it) == [(BAD, *failing.place[::2])]

        fault.heal()
        await it.redrive.edit(DeadLetterRef(unreadable.place), b'{"word": "b"}', OLGA)
        behind = await it.redrive.redrive(DeadLetterRef(unreadable.place), OLGA)
        assert (behind.outcome, f"parked behind {failing.place}" in (behind.why or "")) == (Outcome.REFUSED, True)
        for letter in (failing, unreadable):
            done = await it.redrive.redrive(DeadLetterRef(letter.place), OLGA)
            assert done.outcome is Outcome.DONE
        assert two.seen() == ["a", "b"]


# --- events that concern several instances, and events that were held


async def test_an_event_that_fails_for_one_of_its_instances_happens_to_the_other(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", *trips(approval=(Fault({"t-1"}), NO_FAULT))) as it:
        log = Log()
        await it.take(log.event(TripAsked(trip="t-1"), "t-1"))
        first, second = log.event(Approved(trip="t-1"), "t-1"), log.event(TripCancelled(trip="t-1"), "t-1")
        await it.take(first, second)

        assert heads(it) == [(TRIP, *first.place[::2])]
        assert [each.verdict for each in it.verdicts(first.place)] == ["applied", "dead-lettered"]
        assert [each.verdict for each in it.verdicts(second.place)] == ["ignored", "buffered"]
        assert queue(it) == [(TRIP, *second.place[::2])]


async def test_an_event_that_fails_for_several_instances_parks_each_behind_it(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", *trips(approval=(Fault({"t-1"}), Fault({"t-1"})))) as it:
        log = Log()
        await it.take(log.event(TripAsked(trip="t-1"), "t-1"))
        event = log.event(Approved(trip="t-1"), "t-1")
        await it.take(event)
        assert {id_ for id_, *_ in heads(it)} == {TRIP, OTHER_TRIP}
        assert len({row.message_id for row in it.messages if row.topic.endswith("-dlt")}) == 2


async def test_an_event_is_queued_where_it_is_awaited_by_another_key(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", *trips(payment=True, approval=(Fault({"t-1"}), NO_FAULT))) as it:
        log = Log()
        await it.take(log.event(TripAsked(trip="t-1"), "t-1"), log.event(Approved(trip="t-1"), "t-1"))
        event = log.event(Paid(invoice="invoice-t-1"), "invoice-t-1")
        await it.take(event)
        assert [each.verdict for each in it.verdicts(event.place)] == ["applied", "buffered"]
        assert queue(it) == [(TRIP, *event.place[::2])]


async def test_a_held_event_that_fails_when_it_is_awaited_parks_and_does_not_block_its_batch(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", *trips(approval=(Fault({"t-1"}), NO_FAULT))) as it:
        log = Log()
        early = log.event(Approved(trip="t-1"), "t-1")
        await it.take(early)
        start = log.event(TripAsked(trip="t-1"), "t-1")
        await it.take(start)
        assert {each.verdict for each in it.verdicts(start.place)} == {"applied"}
        assert heads(it) == [(TRIP, *early.place[::2])]
        assert it.rows("SELECT count(*) FROM held_event") == [(0,)]


TRIP, OTHER_TRIP = instance_id("trip", "t-1"), instance_id("other-trip", "t-1")


def trips(*, approval: tuple[Fault, Fault], payment: bool = False) -> list[AnySaga]:
    """Two sagas with the same events; each has its own fault when it is approved."""
    sagas = []
    for name, fault in zip(("trip", "other-trip"), approval, strict=True):
        node: Node[Trip] = receive("approval", Approved, key=trip_of, remember=fault(approver))
        nodes = (parallel(node, trip_payment),) if payment else (node,)
        sagas.append(replace(trip(*nodes), name=name))
    return sagas
