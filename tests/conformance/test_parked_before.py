"""A database from before parking was part of the state: who was parked stays parked, and a child still answers."""

import sqlite3
from contextlib import closing
from pathlib import Path

from saga_coordinator.contracts import Done
from saga_coordinator.handlers.records import Place
from saga_coordinator.handlers.redrive import DeadLetterRef, Outcome
from saga_coordinator.sagas.machine import instance_id
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.faulty import BAD, NO_FAULT, OLGA, wide
from tests.unit.handlers._support.order_log import REPLIES, Log, attributes, header
from tests.unit.handlers._support.trips import hotel, hotel_booking, trip
from tests.unit.handlers.test_verdicts import check_replay

OLD = Path(__file__).parent / "databases" / "schema_3.sql"
CATALOG = (wide(NO_FAULT, NO_FAULT, NO_FAULT), trip(hotel), hotel_booking)


def written_by_an_older_version(folder: Path) -> Path:
    """The database file as it was before the upgrade."""
    path = folder / "saga.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(OLD.read_text(encoding="utf-8"))
    return path


def child_of(key: str, path: Path) -> str:
    """The id of the hotel booking of a trip, which comes from the id of the command that started it."""
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT id FROM instance WHERE saga = 'hotel-booking' AND correlation = ?"
        ((id_,),) = connection.execute(sql, (key,)).fetchall()
    return str(id_)


async def test_who_was_parked_stays_parked_and_nobody_else_is(tmp_path: Path) -> None:
    path = written_by_an_older_version(tmp_path)
    columns = "SELECT id, data, state, revision FROM instance ORDER BY number"
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute(columns).fetchall()
    async with open_coordinator(path, *CATALOG) as it:
        parked = {BAD, child_of("t-1", path)}
        assert {id_ for id_, *_ in before if (await it.stored(id_)).is_parked} == parked
        assert [row for row in it.rows(columns) if row[0] not in parked] == [
            row for row in before if row[0] not in parked
        ]
        without_timer = it.rows("SELECT id FROM instance WHERE wake_at IS NULL AND ended_at IS NULL")
        assert {id_ for (id_,) in without_timer} == parked
        check_replay(it)
        left = it.rows("SELECT DISTINCT json_each.key FROM instance, json_each(trail) ORDER BY 1")
        assert left == [("asks",), ("last",), ("root",)]


async def test_what_was_queued_is_decided_when_its_head_is_redriven(tmp_path: Path) -> None:
    path = written_by_an_older_version(tmp_path)
    async with open_coordinator(path, *CATALOG) as it:
        done = await it.redrive.redrive(DeadLetterRef(Place(REPLIES, 0, 0), BAD), OLGA)
        assert done.outcome is Outcome.DONE
        assert [each.verdict for each in done.records] == ["applied"] * 3
        assert not (await it.stored(BAD)).is_parked
        assert it.rows("SELECT count(*) FROM parked") == [(0,)]


async def test_a_child_that_runs_answers_the_command_that_started_it(tmp_path: Path) -> None:
    path = written_by_an_older_version(tmp_path)
    async with open_coordinator(path, *CATALOG) as it:
        child = await it.stored(child_of("t-3", path))
        (room,) = child.trace.pending
        correlation = {"ce_correlationid": child.instance.id, "ce_causationid": room}
        headers = tuple(attributes("reply-1", Done.message_type, **correlation).items())
        await it.take(Log().record(REPLIES, "t-3", b"{}", headers)._replace(place=Place(REPLIES, 0, 100)))
        await assert_answered(it, "t-3")


async def test_a_child_that_was_parked_answers_the_command_that_started_it(tmp_path: Path) -> None:
    path = written_by_an_older_version(tmp_path)
    async with open_coordinator(path, *CATALOG) as it:
        child = child_of("t-1", path)
        (place,) = it.rows('SELECT topic, partition, "offset" FROM dead_letter WHERE instance_id = ?', child)
        await it.redrive.redrive(DeadLetterRef(Place(*place), child), OLGA)
        await assert_answered(it, "t-1")


async def assert_answered(it: Coordinator, key: str) -> None:
    """The reply to the trip's command was written, as its headers asked for it."""
    trip_id = instance_id("trip", key)
    (command,) = (await it.stored(trip_id)).trace.pending
    (answer,) = it.sent("hotels.booked.v1", key)
    assert answer.topic == REPLIES
    assert (header(answer, "ce_correlationid"), header(answer, "ce_causationid")) == (trip_id, command)
