"""A store that fails while an instance is parked, or a dead letter is acted upon, leaves nothing; then all is done."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from saga_coordinator.handlers.redrive import DeadLetterRef, Outcome, Result
from tests.unit.handlers._support.brittle import Broken, Stores
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.faulty import BAD, NO_FAULT, OLGA, Fault, Two, wide

Act = Callable[[Coordinator, DeadLetterRef], Awaitable[Result]]

ACTS: dict[str, Act] = {
    "redrive": lambda it, which: it.redrive.redrive(which, OLGA),
    "discard": lambda it, which: it.redrive.discard(which, OLGA),
    "edit": lambda it, which: it.redrive.edit(which, b'{"word": "a"}', OLGA),
}

NO_LOAD = ("edit", "load")
"""An edit needs no instance."""

WHILE_PARKING = {
    "instance": "BEFORE UPDATE ON instance",
    "dead letter": "BEFORE INSERT ON dead_letter",
    "queue": "BEFORE INSERT ON parked",
    "outbox": "BEFORE INSERT ON outbox",
}
WHILE_REDRIVING = {
    "instance": "BEFORE UPDATE ON instance",
    "history": "BEFORE INSERT ON history",
    "settled": "BEFORE DELETE ON dead_letter",
    "dequeued": "BEFORE DELETE ON parked",
    "audit": "BEFORE INSERT ON dead_letter_audit",
    "outbox": "BEFORE INSERT ON outbox",
}


@pytest.mark.parametrize("statement", WHILE_PARKING)
async def test_parking_that_fails_at_any_statement_leaves_nothing_and_is_done_again_i24_i28(
    tmp_path: Path, statement: str
) -> None:
    async with open_coordinator(tmp_path / "saga.db", wide(Fault(), NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, later = two.says("a"), two.says("b")
        it.leases.add(await it.store.acquire("saga.replies.v1", 0, "test"))
        before = it.everything()
        with trap(it, WHILE_PARKING[statement]), pytest.raises(Exception, match="disk full"):
            await it.take(failing, later)
        assert it.everything() == before
        assert dict(it.leases.offsets()) == {("made.events.v1", 0): 2}

        it.instance_cache.clear()
        await it.take(failing, later)
        assert [it.verdict(each.place).verdict for each in (failing, later)] == ["dead-lettered", "buffered"]


@pytest.mark.parametrize("statement", WHILE_REDRIVING)
async def test_a_redrive_that_fails_at_any_statement_leaves_nothing_and_is_done_again_i24(
    tmp_path: Path, statement: str
) -> None:
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        which = await parked(it, fault)
        before, turns = it.everything(), len(it.watcher.turns)
        with trap(it, WHILE_REDRIVING[statement]), pytest.raises(Exception, match="disk full"):
            await it.redrive.redrive(which, OLGA)
        assert it.everything() == before
        assert len(it.watcher.turns) == turns
        assert (await it.redrive.redrive(which, OLGA)).outcome is Outcome.DONE
        check_done(it)


@pytest.mark.parametrize(
    ("act", "point"),
    [
        (act, point)
        for act in ACTS
        for point in ("load_dead_letters", "load", "save", "commit")
        if (act, point) != NO_LOAD
    ],
)
async def test_an_act_that_fails_between_two_calls_leaves_nothing_and_is_done_again_i24(
    tmp_path: Path, act: str, point: str
) -> None:
    fault, stores = Fault(), Stores()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT), worn=stores.worn) as it:
        which = await parked(it, fault)
        it.instance_cache.clear()
        before = it.everything()
        stores.brittle.fails_at = point
        with pytest.raises(Broken):
            await ACTS[act](it, which)
        assert it.everything() == before
        assert (await ACTS[act](it, which)).outcome is Outcome.DONE


@pytest.mark.parametrize("act", ["redrive", "discard"])
async def test_an_act_whose_commit_is_unknown_is_not_done_twice_i27(tmp_path: Path, act: str) -> None:
    fault, stores = Fault(), Stores()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT), worn=stores.worn) as it:
        which = await parked(it, fault)
        stores.brittle.fails_at = "after commit"
        with pytest.raises(Broken):
            await ACTS[act](it, which)
        before = it.everything()
        assert (await ACTS[act](it, which)).outcome is Outcome.REFUSED
        assert it.everything() == before


async def test_a_redrive_counts_after_what_changed_meanwhile(tmp_path: Path) -> None:
    """The memory may be behind: the record is decided again on the newest state."""
    fault = Fault()
    async with open_coordinator(tmp_path / "saga.db", wide(fault, NO_FAULT)) as it:
        which = await parked(it, fault)
        it.execute("UPDATE instance SET revision = 7 WHERE correlation = 'bad'")
        assert (await it.redrive.redrive(which, OLGA)).outcome is Outcome.DONE
        assert it.rows("SELECT revision FROM instance WHERE id = ?", BAD) == [(10,)]


async def parked(it: Coordinator, fault: Fault) -> DeadLetterRef:
    """Park the bad instance, queue one more record, and correct the definition."""
    two = await Two(it).begin()
    failing = two.says("a")
    await it.take(failing, two.says("b"))
    fault.heal()
    return DeadLetterRef(failing.place)


def check_done(it: Coordinator) -> None:
    assert it.rows("SELECT count(*) FROM dead_letter UNION ALL SELECT count(*) FROM parked") == [(0,), (0,)]
    assert it.types("bad")[-1] == "made.do-z.v1"
    assert it.rows("SELECT count(*) FROM dead_letter_audit") == [(1,)]


@contextmanager
def trap(it: Coordinator, at: str) -> Iterator[None]:
    """Let a statement fail as a full disk would, in its place."""
    it.execute(f"CREATE TRIGGER trap {at} BEGIN SELECT RAISE(ABORT, 'disk full'); END")
    yield
    it.execute("DROP TRIGGER trap")
