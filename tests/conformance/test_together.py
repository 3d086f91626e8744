"""Two coordinators on one database: whichever of two writers comes first, nothing is lost and nothing is done twice.

In each race one has read and decided, and waits before it writes; the other does the rest meanwhile, or waits for it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random

import pytest

from saga_coordinator.contracts import Done
from saga_coordinator.handlers.ports import Conflict, Transaction
from saga_coordinator.handlers.records import Changes, DecidedBatch, LeaseMove, Record
from saga_coordinator.handlers.redrive import DeadLetterRef, Outcome, Result
from saga_coordinator.sagas import step
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.postgres.store import PostgresStore
from tests.conformance._support.stores import TIME, begun, known, later, outbox_message, starts
from tests.conformance._support.together import LET_GO_AFTER, Member, members, race
from tests.support import saga_kit
from tests.support.postgres.databases import Database
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.faulty import BAD, NO_FAULT, OLGA, Fault, wide
from tests.unit.handlers._support.order_log import REPLIES, Log
from tests.unit.handlers._support.trips import (
    Approved,
    HoldRoom,
    Paid,
    TripAsked,
    approval,
    free,
    hold,
    payment,
    trip,
)

pytestmark = pytest.mark.postgres

HOUR = timedelta(hours=1)
CROSSING = 100
SWAPPED = pytest.mark.parametrize("is_swapped", [False, True], ids=["", "swapped"])

HELD = "SELECT address FROM held_event"
VERDICTS = (
    'SELECT topic, partition, "offset" FROM history WHERE topic IS NOT NULL UNION ALL'
    ' SELECT topic, partition, "offset" FROM verdict UNION ALL SELECT topic, partition, "offset" FROM held_event'
    ' UNION ALL SELECT topic, partition, "offset" FROM parked'
    ' UNION ALL SELECT topic, partition, "offset" FROM dead_letter'
)


def asked(log: Log, partition: int) -> Record:
    return log.event(TripAsked(trip="t-1"), "t-1", partition=partition)


def each_has_one_verdict(database: Database) -> None:
    twice = {place: number for place, number in Counter(database.rows(VERDICTS)).items() if number > 1}
    assert twice == {}


@SWAPPED
async def test_of_two_starts_of_one_key_one_is_a_duplicate_i5(database: Database, *, is_swapped: bool) -> None:
    log = Log()
    async with members(database, trip(approval)) as both:
        one, other = reversed(both) if is_swapped else both
        await race(one, one.take(asked(log, 0)), other.take(asked(log, 1)))
    assert database.rows("SELECT correlation, revision FROM instance") == [("t-1", 2)]
    assert sorted(database.rows("SELECT verdict FROM history")) == [("applied",), ("duplicate",)]
    each_has_one_verdict(database)


@SWAPPED
async def test_an_event_that_comes_with_the_start_reaches_the_instance(database: Database, *, is_swapped: bool) -> None:
    log = Log()
    async with members(database, trip(approval)) as (one, other):
        start = one.take(asked(log, 0))
        event = other.take(log.event(Approved(trip="t-1"), "t-1", partition=1))
        await (race(other, event, start) if is_swapped else race(one, start, event))
    assert database.rows(HELD) == []
    assert database.rows("SELECT kind, verdict FROM history ORDER BY seq") == [
        ("start", "applied"),
        ("happen", "applied"),
    ]


@SWAPPED
async def test_an_event_at_another_key_reaches_the_instance_that_begins_to_wait_for_it(
    database: Database, *, is_swapped: bool
) -> None:
    log = Log()
    async with members(database, trip(step("hold-room", hold, compensate=free), payment)) as (one, other):
        await one.take(asked(log, 0))
        (command,) = one.sent(HoldRoom.message_type)
        wait = one.take(log.says(command, Done()))
        event = other.take(log.event(Paid(invoice="invoice-t-1"), "invoice-t-1", partition=1))
        await (race(other, event, wait) if is_swapped else race(one, wait, event))
    assert database.rows(HELD) == []
    kinds = [kind for (kind,) in database.rows("SELECT kind FROM history ORDER BY seq")]
    assert kinds == ["start", "answer", "happen"]
    each_has_one_verdict(database)


async def parked(both: tuple[Member, Member], fault: Fault, log: Log) -> DeadLetterRef:
    """Park the instance `bad` of the first behind the reply of its first step."""
    first, _ = both
    await first.take(log.event(saga_kit.Begun(key="bad"), "bad"))
    (command,) = first.sent("made.do-a.v1")
    failing = log.says(command, saga_kit.Did(word="a"))
    await first.take(failing)
    fault.heal()
    return DeadLetterRef(failing.place, BAD)


@SWAPPED
async def test_a_record_for_an_instance_that_is_unparked_is_not_queued_behind_nothing(
    database: Database, *, is_swapped: bool
) -> None:
    fault, log = Fault(), Log()
    async with members(database, wide(fault, NO_FAULT)) as both:
        one, other = both
        letter = await parked(both, fault, log)
        (command,) = one.sent("made.do-b.v1")
        queue = one.take(log.says(command, saga_kit.Did(word="b")))
        redrive = other.handlers.redrive.redrive(letter, OLGA)
        await (race(other, redrive, queue) if is_swapped else race(one, queue, redrive))
    ((state,),) = database.rows("SELECT state FROM instance")
    assert "parked_at" not in state
    assert database.rows("SELECT count(*) FROM parked") == [(0,)]
    answered = database.rows("SELECT verdict FROM history WHERE kind = 'answer'")
    assert answered == [("applied",), ("applied",)]


@SWAPPED
async def test_a_record_for_an_instance_that_is_being_parked_is_queued(database: Database, *, is_swapped: bool) -> None:
    fault, log = Fault(), Log()
    async with members(database, wide(fault, NO_FAULT)) as (one, other):
        await one.take(log.event(saga_kit.Begun(key="bad"), "bad"))
        (command,) = one.sent("made.do-a.v1")
        failing = one.take(log.says(command, saga_kit.Did(word="a")))
        cancel = other.take(log.event(saga_kit.Stopped(key="bad"), "bad", partition=1))
        await (race(other, cancel, failing) if is_swapped else race(one, failing, cancel))
    kinds = [kind for (kind,) in database.rows("SELECT kind FROM history ORDER BY seq")]
    queued = database.rows("SELECT count(*) FROM parked")
    assert (kinds, queued) in ((["start", "cancel", "park"], [(0,)]), (["start", "park"], [(1,)]))
    each_has_one_verdict(database)


async def test_a_dead_letter_is_redriven_once(database: Database) -> None:
    fault, log = Fault(), Log()
    async with members(database, wide(fault, NO_FAULT)) as both:
        letter = await parked(both, fault, log)
        one, other = both
        found = await race(
            one, one.handlers.redrive.redrive(letter, OLGA), other.handlers.redrive.redrive(letter, OLGA)
        )
    assert sorted(each.outcome for each in found if isinstance(each, Result)) == [Outcome.DONE, Outcome.REFUSED]
    assert database.rows("SELECT kind FROM history ORDER BY seq") == [("start",), ("park",), ("unpark",), ("answer",)]
    assert database.rows("SELECT count(*) FROM dead_letter_audit") == [(1,)]


@SWAPPED
async def test_an_early_event_expires_or_is_released_and_never_both_i11(
    database: Database, *, is_swapped: bool
) -> None:
    log = Log()
    async with members(database, trip(approval)) as (one, other):
        event = log.event(Approved(trip="t-1"), "t-1")
        await other.take(event)
        one.clock.pass_by(HOUR)
        start, expire = other.take(asked(log, 1)), one.handlers.timers.fire_due()
        await (race(one, expire, start) if is_swapped else race(other, start, expire))
    each_has_one_verdict(database)
    assert database.rows(HELD) == []
    received = database.rows("SELECT count(*) FROM history WHERE kind = 'happen'")
    assert [*received, *database.rows("SELECT count(*) FROM verdict")] in ([(1,), (0,)], [(0,), (1,)])


async def test_a_timer_does_not_fire_for_who_has_lost_its_home_i25(database: Database) -> None:
    log = Log()
    async with members(database, trip(approval)) as (one, other):
        await one.take(asked(log, 0))
        one.clock.pass_by(timedelta(days=400))
        await race(one, one.handlers.timers.fire_due(), other.lease_homes())
        before = database.rows("SELECT count(*) FROM history")
        assert await one.handlers.timers.fire_due() is False
        assert database.rows("SELECT count(*) FROM history") == before
    assert before == [(2,)]


@pytest.fixture
async def two(database: Database) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """Two open stores on one database."""
    both = PostgresStore(database.server, known), PostgresStore(database.server, known)
    for each in both:
        await each.open()
    yield both
    for each in both:
        await each.close()


async def test_a_takeover_waits_for_the_timers_that_fire_and_the_intake_does_not(
    two: tuple[PostgresStore, PostgresStore],
) -> None:
    store, other = two
    home = await store.acquire(REPLIES, 3, "one")
    inside, go = asyncio.Event(), asyncio.Event()

    async def fire(tx: Transaction) -> None:
        await tx.load_due(TIME, 10, [home])
        inside.set()
        await go.wait()

    firing = asyncio.ensure_future(store.transact(fire))
    await inside.wait()
    moved = await other.transact(lambda tx: tx.advance([LeaseMove(REPLIES, 3, home.epoch, None, 5)]))
    takeover = asyncio.ensure_future(other.acquire(REPLIES, 3, "other"))
    taken, _ = await asyncio.wait({takeover}, timeout=LET_GO_AFTER)
    go.set()
    await firing
    assert (moved, taken) == ([], set())
    assert (await takeover).epoch == home.epoch + 1


async def test_rows_of_an_instance_are_in_the_order_of_its_revisions_i12(
    two: tuple[PostgresStore, PostgresStore], database: Database
) -> None:
    await two[0].transact(lambda tx: tx.save(starts(begun())))

    async def write(store: PostgresStore, times: int) -> None:
        for _ in range(times):
            await store.transact(one_more)

    async def one_more(tx: Transaction) -> None:
        (seen,) = (await tx.load([begun().instance.id])).values()
        message = outbox_message(str(seen.revision + 1))
        await tx.save(Changes(instances=[(later(seen), seen)], outbox=[message]))

    await asyncio.gather(*(write(store, 40) for store in two))
    ids = [int(id_) for (id_,) in database.rows("SELECT message_id FROM outbox ORDER BY seq")]
    assert ids == list(range(2, 82))


@pytest.mark.parametrize("form", ["long", "short"])
async def test_batches_that_cross_never_lock_each_other_out(
    two: tuple[PostgresStore, PostgresStore], form: str
) -> None:
    """Each writes some of the same instances in an order of its own: without an order of locks it ends in deadlocks."""
    some = [begun(f"o-{number}") for number in range(12)]
    await two[0].transact(lambda tx: tx.save(starts(*some)))
    ids = [each.instance.id for each in some]
    write = in_long_form if form == "long" else in_short_form

    async def cross(store: PostgresStore, chance: Random) -> list[str]:
        return [await write(store, chance.sample(ids, 8)) for _ in range(CROSSING)]

    found = await asyncio.gather(*(cross(store, Random(number)) for number, store in enumerate(two)))
    outcomes = Counter(each for some in found for each in some)
    revisions = (await two[0].transact(lambda tx: tx.load(ids))).values()
    assert sum(each.revision - 1 for each in revisions) == 8 * outcomes["written"]
    assert outcomes.keys() <= ({"written", "DivisionByZeroError"} if form == "short" else {"written"})


async def in_long_form(store: PostgresStore, ids: list[str]) -> str:
    """Write the next revision of instances, as they are read in the transaction."""

    async def change(tx: Transaction) -> None:
        seen = await tx.load(ids)
        await tx.save(Changes(instances=[(later(seen[id_]), seen[id_]) for id_ in ids]))

    await store.transact(change)
    return "written"


async def in_short_form(store: PostgresStore, ids: list[str]) -> str:
    """Write the next revision of instances, as they were read before; return what the server refused it with."""
    seen = await store.transact(lambda tx: tx.load(ids))
    changes = Changes(instances=[(later(seen[id_]), seen[id_]) for id_ in ids])
    try:
        await store.commit(DecidedBatch((), changes, ()))
    except Conflict as error:
        return type(error.__cause__).__name__
    return "written"


END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'saga-coordinator'
"""


async def test_a_transaction_that_loses_its_session_writes_nothing_and_the_next_one_works_i27(
    two: tuple[PostgresStore, PostgresStore], database: Database
) -> None:
    first, second = begun("o-1"), begun("o-2")

    async def work(tx: Transaction) -> None:
        await tx.save(starts(first))
        assert database.rows(END_SESSIONS) != []
        await eventually(lambda: two[0]._writer._is_lost, "it knows that its session is lost")  # noqa: SLF001  nobody says
        await tx.save(starts(second))

    with pytest.raises(StoreError, match="see that the server runs"):
        await two[0].transact(work)
    ids = [first.instance.id, second.instance.id]
    assert await two[0].transact(lambda tx: tx.load(ids)) == {}
    await two[0].transact(lambda tx: tx.save(starts(first, second)))


async def test_numbers_of_outbox_and_queue_are_taken_one_by_one(database: Database) -> None:
    sql = "SELECT sequencename, cache_size FROM pg_sequences WHERE sequencename IN ('outbox_seq_seq', 'parked_seq_seq')"
    assert sorted(database.rows(sql)) == [("outbox_seq_seq", 1), ("parked_seq_seq", 1)]
