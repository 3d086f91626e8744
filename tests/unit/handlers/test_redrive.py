"""A dead letter is decided again: it counts as if it came now, and its instance goes on with what was queued."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from saga_coordinator.contracts import Done
from saga_coordinator.handlers.records import PartitionOfTopic, Place, SetPosition
from saga_coordinator.handlers.redrive import DeadLetterRef, Outcome
from saga_coordinator.sagas.machine import SkipStep
from tests.support.saga_kit import Did
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.faulty import BAD, NO_FAULT, OLGA, RAISED, Fault, Two, that_begins, wide
from tests.unit.handlers._support.order_log import EVENTS, Log, instance_id, placed_value
from tests.unit.handlers._support.trips import Approved, TripAsked, TripCancelled, hotel, hotel_booking, room, trip
from tests.unit.handlers.test_child_sagas import asked, delivered
from tests.unit.handlers.test_parking import BUFFERED, OTHER_TRIP, TRIP, heads, queue, trips


def verdicts(it: Coordinator, *places: Place) -> list[list[str]]:
    return [[each.verdict for each in it.verdicts(place)] for place in places]


async def test_the_record_and_what_was_queued_happen_in_order_and_the_instance_goes_on_i11(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, third, second = two.says("a"), two.says("c"), two.says("b")
        await it.take(failing, third, second)
        fault.heal()
        result = await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)

        assert (result.outcome, result.head) == (Outcome.DONE, None)
        assert [each.place for each in result.records] == [failing.place, third.place, second.place]
        assert result.sent == ("made.do-z.v1",)
        assert two.seen() == ["a", "c", "b"]
        assert verdicts(it, failing.place, third.place, second.place) == [["applied"]] * 3
        assert (heads(it), queue(it)) == ([], [])
        assert not (await it.stored(BAD)).is_parked
        assert it.audits() == [(*OLGA, "redriven", *failing.place[::2], failing.value, RAISED)]
        assert it.types("bad")[-1] == "made.do-z.v1"


async def test_a_record_of_a_topic_that_was_created_again_is_redriven_by_the_id_of_the_old_one(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, later = two.says("a"), two.says("b")
        await it.take(failing, later)
        topic, partition, offset = failing.place
        it.execute("UPDATE lease SET topic_id = 'id-1'")
        created_again = [SetPosition(PartitionOfTopic(topic, partition, "id-2"), 0)]
        await it.store.set_positions(created_again, None, OLGA)
        fault.heal()
        assert (await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)).outcome is Outcome.REFUSED
        old = Place(f"{topic}@id-1", partition, offset)
        result = await it.redrive.redrive(DeadLetterRef(old), OLGA)
        assert (result.outcome, two.seen()) == (Outcome.DONE, ["a", "b"])
        assert (heads(it), queue(it)) == ([], [])
        assert verdicts(it, old) == [["applied"]]


async def test_a_record_that_fails_again_changes_nothing_but_its_cause(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, later = two.says("a"), two.says("b")
        await it.take(failing, later)
        it.execute("UPDATE dead_letter SET cause = 'what it was'")
        before, published = it.everything(), len(it.messages)
        result = await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)

        assert (result.outcome, result.why) == (Outcome.FAILED, RAISED)
        assert result.head == failing.place
        after = it.everything()
        assert {name for name in before if before[name] != after[name]} == {"dead_letter", "dead_letter_audit"}
        assert it.rows("SELECT cause FROM dead_letter") == [(RAISED,)]
        assert [audit.action for audit in it.audits()] == ["redriven, and failed again"]
        assert len(it.messages) == published


async def test_a_queued_record_that_fails_is_the_new_head_and_the_rest_waits_behind_it(tmp_path: Path) -> None:
    first, second = Fault(), Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(first, second, NO_FAULT)) as it:
        two = await Two(it).begin()
        records = two.says("a"), two.says("b"), two.says("c")
        await it.take(*records)
        a, b, c = (record.place for record in records)
        first.heal()
        result = await it.redrive.redrive(DeadLetterRef(a), OLGA)

        assert (result.outcome, result.head) == (Outcome.DONE, b)
        assert verdicts(it, a, b, c) == [["applied"], ["dead-lettered"], ["buffered"]]
        assert (heads(it), queue(it)) == ([(BAD, *b[::2])], [(BAD, *c[::2])])
        assert two.seen() == ["a"]
        assert [row.message_id for row in it.messages if row.topic.endswith("-dlt")] == [
            f"dead-letter:{a}:{BAD}",
            f"dead-letter:{b}:{BAD}",
        ]
        later = two.stopped()
        await it.take(later)
        assert it.verdict(later.place) == BUFFERED

        second.heal()
        assert (await it.redrive.redrive(DeadLetterRef(b), OLGA)).outcome is Outcome.DONE
        assert two.seen() == ["a", "b", "c"]
        assert verdicts(it, b, c, later.place) == [["applied"]] * 3


async def test_a_record_that_is_not_the_head_is_refused_naming_the_one_before_it(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", wide(Fault(), NO_FAULT, NO_FAULT)) as it:
        two = await Two(it).begin()
        records = two.says("a"), two.says("b"), two.says("c")
        await it.take(*records)
        a, b, c = (record.place for record in records)
        before = it.everything()
        for place, previous in ((b, a), (c, b)):
            for act in (it.redrive.redrive, it.redrive.discard):
                result = await act(DeadLetterRef(place), OLGA)
                assert (result.outcome, result.why) == (
                    Outcome.REFUSED,
                    f"{place} is queued for instance {BAD}: {previous} stands before it",
                )
        assert it.everything() == before


async def test_what_is_no_dead_letter_any_more_is_refused(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing = two.says("a")
        await it.take(failing)
        fault.heal()
        await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)
        before = it.everything()
        again = await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)
        assert again.outcome is Outcome.REFUSED
        assert f"{failing.place} is no dead letter" in (again.why or "")
        assert it.everything() == before


async def test_a_dry_run_shows_what_would_happen_and_writes_nothing(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, later = two.says("a"), two.says("b")
        await it.take(failing, later)
        before = it.everything()
        assert (
            await it.redrive.redrive(DeadLetterRef(failing.place), OLGA, is_rehearsal=True)
        ).outcome is Outcome.FAILED
        fault.heal()
        rehearsed = await it.redrive.redrive(DeadLetterRef(failing.place), OLGA, is_rehearsal=True)
        assert it.everything() == before
        assert rehearsed == await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)


async def test_a_start_that_failed_starts_its_instance_after_all(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", that_begins(fault)) as it:
        two = await Two(it).begin()
        cancel = two.stopped()
        await it.take(cancel)
        fault.heal()
        result = await it.redrive.redrive(DeadLetterRef(Place("made.events.v1", 0, 0)), OLGA)
        assert result.outcome is Outcome.DONE
        assert [each.verdict for each in result.records] == ["applied", "applied"], "the held cancel happens too"
        assert it.rows("SELECT status FROM instance WHERE correlation = 'bad'") == [("compensating",)]


async def test_an_event_is_redriven_for_the_instance_for_which_it_failed_only(tmp_path: Path) -> None:
    fault, other = Fault({"t-1"}), Fault({"t-1"})
    async with open_coordinator(tmp_path / "saga.db", *trips(approval=(fault, other))) as it:
        log = Log()
        await it.take(log.event(TripAsked(trip="t-1"), "t-1"))
        event = log.event(Approved(trip="t-1"), "t-1")
        await it.take(event)
        fault.heal()

        unclear = await it.redrive.redrive(DeadLetterRef(event.place), OLGA)
        assert (unclear.outcome, "failed for 2 instances, say for which" in (unclear.why or "")) == (
            Outcome.REFUSED,
            True,
        )
        assert (await it.redrive.redrive(DeadLetterRef(event.place, TRIP), OLGA)).outcome is Outcome.DONE
        assert heads(it) == [(OTHER_TRIP, *event.place[::2])]
        assert (await it.redrive.redrive(DeadLetterRef(event.place), OLGA)).outcome is Outcome.FAILED
        assert (await it.stored(TRIP)).instance.data.words == ("boss",)


async def test_what_could_not_be_read_is_decided_when_it_can_be_and_waits_behind_a_parked_instance(
    tmp_path: Path,
) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        garbled = two.log.reply(two.command("b"), "made.did.v1", b"{")
        failing = two.says("a")
        await it.take(garbled, failing)
        assert (await it.redrive.redrive(DeadLetterRef(garbled.place), OLGA)).outcome is Outcome.FAILED
        await it.redrive.edit(DeadLetterRef(garbled.place), b"{}", OLGA)

        behind = await it.redrive.redrive(DeadLetterRef(garbled.place), OLGA)
        assert (behind.outcome, behind.why) == (
            Outcome.REFUSED,
            f"instance {BAD} is parked behind {failing.place}: that first",
        )
        fault.heal()
        await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)
        assert (await it.redrive.redrive(DeadLetterRef(garbled.place), OLGA)).outcome is Outcome.DONE
        assert two.seen() == ["a", "b"]
        assert verdicts(it, garbled.place) == [["applied"]]


async def test_a_reply_whose_step_was_skipped_meanwhile_changes_nothing_when_it_is_redriven(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing = two.says("a")
        await it.take(failing)
        fault.heal()
        await it.operator.act(BAD, lambda now: SkipStep(now, *OLGA, "a", Did(word="by hand")))
        result = await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)
        assert result.outcome is Outcome.DONE
        assert heads(it) == []
        assert it.verdict(failing.place).verdict == "duplicate"


async def test_a_parked_child_answers_its_command_after_all_and_hears_of_its_cancel_in_order(tmp_path: Path) -> None:
    fault, log = Fault({"t-1"}), Log()
    broken = replace(hotel_booking, on_completed=fault(room))
    async with open_coordinator(tmp_path / "saga.db", trip(hotel), broken) as it:
        done = log.says(await asked(it, log), Done())
        cancel = log.event(TripCancelled(trip="t-1"), "t-1")
        await it.take(done, cancel)
        (withdrawal,) = it.sent("saga.cancel-command.v1", "t-1")
        await it.take(delivered(log, withdrawal))
        assert [kept[1:] for kept in queue(it)] == [("hotels.commands.v1", 1)]

        fault.heal()
        result = await it.redrive.redrive(DeadLetterRef(done.place), OLGA)
        assert [each.verdict for each in result.records] == ["applied", "ignored"]
        (reply,) = it.sent("hotels.booked.v1", "t-1")
        (command,) = it.sent("hotels.book.v1", "t-1")
        assert dict(reply.headers)["ce_causationid"] == command.message_id.encode()


async def test_a_queue_of_a_thousand_records_is_decided_in_one_transaction(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, copies = two.says("a"), [two.says("b") for _ in range(1_000)]
        await it.take(failing, *copies)
        fault.heal()
        result = await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)
        assert Counter(each.verdict for each in result.records) == {"applied": 2, "duplicate": 999}
        assert queue(it) == []


# --- the trace, and who stands in the way


async def test_a_redriven_record_begins_a_new_trace_linked_to_the_old_one(tmp_path: Path) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, later = two.says("a"), two.says("b")
        await it.take(failing, later)
        old = (await it.stored(BAD)).trace
        fault.heal()
        await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)

        unparked, *hops = it.watcher.turns[-1].transitions
        assert unparked.entry.kind == "unpark"
        assert [hop.redriven for hop in hops] == [True, True]
        assert [hop.placement.parent for hop in hops] == [None, None]
        assert len({old.root.trace_id, *(hop.placement.span.trace_id for hop in hops)}) == 3
        assert {old.root, *(ask.span for ask in old.pending.values())} <= set(hops[0].placement.links)
        assert (await it.stored(BAD)).trace.root == old.root
        sent = [span for hop in hops for _, span in hop.sent]
        assert [span.trace_id for span in sent] == [hops[1].placement.span.trace_id]


async def test_a_redriven_start_begins_a_new_trace_linked_to_that_of_its_event(coordinator: Coordinator) -> None:
    incoming = f"00-{'a' * 32}-{'b' * 16}-01"
    log = Log()
    await coordinator.take(log.record(EVENTS, "o-1", b"{", log.placed("o-1", traceparent=incoming).headers))
    which = DeadLetterRef(Place(EVENTS, 0, 1))
    await coordinator.redrive.edit(which, placed_value("o-1"), OLGA)
    await coordinator.redrive.redrive(which, OLGA)
    (hop,) = coordinator.watcher.turns[-1].transitions
    assert [link.traceparent() for link in hop.placement.links] == [incoming]
    assert hop.placement.parent is None
    assert hop.placement.span.trace_id not in {"a" * 32, instance_id("o-1").replace("-", "")}


async def test_a_stale_memory_does_not_unpark_an_instance(tmp_path: Path) -> None:
    """Being parked changes no revision, so it is compared when an instance is saved."""
    async with open_coordinator(tmp_path / "saga.db", wide(Fault(), NO_FAULT)) as it:
        two = await Two(it).begin()
        stale = await it.stored(BAD)
        failing, later = two.says("a"), two.says("b")
        await it.take(failing)
        it.instance_cache.keep([stale])
        await it.take(later)
        assert it.verdict(later.place) == BUFFERED
        assert (await it.stored(BAD)).is_parked


@pytest.mark.parametrize("word", ['"parked":true', '{"parked":true}'])
async def test_no_message_id_can_look_like_a_parked_instance(tmp_path: Path, word: str) -> None:
    async with open_coordinator(tmp_path / "saga.db", wide(NO_FAULT, NO_FAULT)) as it:
        two = await Two(it).begin()
        answers = (two.log.reply(two.command(name), "made.did.v1", b"{}", ce_id=word) for name in ("a", "b"))
        for answer in answers:
            await it.take(answer)
            assert verdicts(it, answer.place) == [["applied"]]
        stored = await it.stored(BAD)
        assert (stored.trace.last_message, stored.is_parked) == (word, False)
