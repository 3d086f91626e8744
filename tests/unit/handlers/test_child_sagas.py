"""A saga that starts on a command answers it with its outcome, once per copy, and a withdrawal cancels it."""

from pathlib import Path

from saga_coordinator.contracts import Done, Failure
from saga_coordinator.handlers.records import OutboxMessage, Record
from saga_coordinator.sagas.machine import instance_id
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.order_log import REPLIES, Log, attributes, header, type_of
from tests.unit.handlers._support.trips import (
    BookHotel,
    FreeRoom,
    HoldRoom,
    TripAsked,
    TripCancelled,
    hotel,
    hotel_booking,
    trip,
)

TRIP = trip(hotel)
BOOKED, CANCEL = "hotels.booked.v1", "saga.cancel-command.v1"


def delivered(log: Log, row: OutboxMessage) -> Record:
    """A message of the coordinator as it comes back to it on its own topic."""
    return log.record(row.topic, (row.key or b"").decode(), row.value, row.headers)


async def asked(it: Coordinator, log: Log) -> OutboxMessage:
    """Start a trip, and let its command reach the child. Returns the child's first command."""
    await it.take(log.event(TripAsked(trip="t-1"), "t-1"))
    (command,) = it.sent(BookHotel.message_type, "t-1")
    await it.take(delivered(log, command))
    (room,) = it.sent(HoldRoom.message_type, "t-1")
    return room


async def test_a_child_answers_the_command_that_started_it(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", TRIP, hotel_booking) as it:
        room = await asked(it, log)
        (command,) = it.sent(BookHotel.message_type, "t-1")
        child = instance_id("hotel-booking", command.message_id)
        assert header(room, "ce_correlationid") == child

        await it.take(log.says(room, Done()))
        (reply,) = it.sent(BOOKED, "t-1")
        assert (reply.topic, reply.key) == (REPLIES, b"t-1")
        assert header(reply, "ce_causationid") == command.message_id
        assert header(reply, "ce_correlationid") == instance_id("trip", "t-1")

        await it.take(delivered(log, reply))
        assert (await it.stored(instance_id("trip", "t-1"))).instance.data.words == ("room for t-1",)
        assert it.types("t-1")[-1] == "tickets.send.v1"


async def test_a_child_that_was_undone_answers_with_a_terminal_failure(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", TRIP, hotel_booking) as it:
        room = await asked(it, log)
        await it.take(log.says(room, Failure(code="full", message="no room", retryable=False)))
        (reply,) = it.sent("saga.failure.v1", "t-1")
        assert Failure.model_validate_json(reply.value or b"") == Failure(
            code="full", message="no room", retryable=False
        )
        await it.take(delivered(log, reply))
        assert it.rows("SELECT status FROM instance ORDER BY saga") == [("compensated",), ("compensated",)]


async def test_a_copy_of_a_command_is_answered_again_with_the_same_reply(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", TRIP, hotel_booking) as it:
        room = await asked(it, log)
        (command,) = it.sent(BookHotel.message_type, "t-1")
        early = delivered(log, command)
        await it.take(early)
        assert it.sent(BOOKED, "t-1") == []
        await it.take(log.says(room, Done()))
        copy = delivered(log, command)
        await it.take(copy)
        first, second = it.sent(BOOKED, "t-1")
        assert (first.message_id, first.value) == (second.message_id, second.value)
        assert [each.verdict for each in it.verdicts(early.place) + it.verdicts(copy.place)] == ["duplicate"] * 2
        assert len(it.sent(HoldRoom.message_type, "t-1")) == 1


async def test_a_cancel_passes_down_to_the_child_and_its_failure_comes_back(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", TRIP, hotel_booking) as it:
        room = await asked(it, log)
        await it.take(log.says(room, Failure(code="busy", message="", retryable=False)))  # the child has ended
        await it.take(log.event(TripCancelled(trip="t-1"), "t-1"))
        (withdrawal,) = it.sent(CANCEL, "t-1")
        assert withdrawal.topic == BookHotel.topic
        late = delivered(log, withdrawal)
        await it.take(late)
        assert it.verdict(late.place).verdict == "ignored"

    async with open_coordinator(tmp_path / "other.db", TRIP, hotel_booking) as it:
        log = Log()
        room = await asked(it, log)
        await it.take(log.event(TripCancelled(trip="t-1"), "t-1"))
        (withdrawal,) = it.sent(CANCEL, "t-1")
        await it.take(delivered(log, withdrawal))
        assert FreeRoom.message_type not in it.types("t-1"), "the room is still asked for"
        await it.take(log.says(room, Done()))
        (free,) = it.sent(FreeRoom.message_type, "t-1")
        await it.take(log.says(free, Done()))
        (reply,) = it.sent("saga.failure.v1", "t-1")
        await it.take(delivered(log, reply))
        assert it.rows("SELECT status FROM instance ORDER BY saga") == [("compensated",), ("compensated",)]


async def test_a_cancel_of_a_command_that_started_nothing_is_unmatched(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", hotel_booking) as it:
        value = b'{"command_id": "none", "reason": "no more"}'
        cancel = log.record(BookHotel.topic, "t-1", value, tuple(attributes("c-1", CANCEL).items()))
        await it.take(cancel)
        assert it.verdicts(cancel.place) == [
            ("unmatched", "no saga hotel-booking was started by command none"),
        ]


async def test_a_command_without_a_topic_for_its_reply_is_dead_lettered(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", hotel_booking) as it:
        headers = tuple(attributes("b-1", BookHotel.message_type).items())
        command = log.record(BookHotel.topic, "t-1", b'{"trip": "t-1"}', headers)
        await it.take(command)
        verdict, reason = it.verdict(command.place)
        assert verdict == "dead-lettered"
        assert "ce_replyto is missing" in (reason or "")
        assert [type_of(row) for row in it.messages] == [BookHotel.message_type]
