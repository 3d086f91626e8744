"""A store that fails leaves nothing behind, sets nothing aside, and the next attempt does it all."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Record
from tests.unit.handlers._support.brittle import Broken, Stores
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator, relaying
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import EVENTS, REPLIES, Log

HOUR = timedelta(hours=1)

TRIGGERS = {
    "lease": "BEFORE UPDATE ON lease",
    "instance": "BEFORE INSERT ON instance",
    "instance again": "BEFORE UPDATE ON instance",
    "history": "BEFORE INSERT ON history",
    "outbox": "BEFORE INSERT ON outbox",
    "acknowledged": "BEFORE DELETE ON outbox",
    "dead letter": "BEFORE INSERT ON dead_letter",
    "buffered": "BEFORE INSERT ON held_event",
    "released": "BEFORE DELETE ON held_event",
    "verdict": "BEFORE INSERT ON verdict",
}
"""Each statement that a batch may write; a trigger makes it fail as a full disk would, in its place."""


async def everything_at_once(it: Coordinator) -> list[Record]:
    """Bring the coordinator to where one batch needs every statement, and return that batch."""
    log = Log()
    await it.take(log.placed("o-1"), log.cancelled("o-2"))
    it.leases.add(await it.store.acquire(REPLIES, 0, "test"))
    async with relaying(it.relay):
        await eventually(lambda: it.relay.pending == 0, "all is acknowledged, and stands in the outbox still")
    return [
        log.answer(it.messages[0]),
        log.placed("o-2"),
        log.placed("o-3"),
        log.cancelled("o-4"),
        log.record(EVENTS, "o-5", b"{", ()),
        log.answer(it.messages[0], ce_correlationid="nobody"),
    ]


@pytest.mark.parametrize("statement", TRIGGERS)
async def test_a_batch_that_fails_at_any_statement_leaves_nothing_and_is_taken_in_again_i24_i29(
    tmp_path: Path, statement: str
) -> None:
    await check_failing_statement(tmp_path, statement, everything_at_once)


@pytest.mark.parametrize("statement", ["lease", "instance", "instance again", "history", "outbox", "acknowledged"])
async def test_in_the_short_form_it_leaves_nothing_too_and_is_taken_in_again_i24_i29(
    tmp_path: Path, statement: str
) -> None:
    async def plain(it: Coordinator) -> list[Record]:
        answer, _, start, *_ = await everything_at_once(it)
        return [answer, start]

    await check_failing_statement(tmp_path, statement, plain)


async def check_failing_statement(
    folder: Path, statement: str, batch_of: Callable[[Coordinator], Awaitable[list[Record]]]
) -> None:
    """Let a statement of a batch fail once; nothing is written, and after a second attempt all is as it should be."""
    async with open_coordinator(folder / "failing.db") as failing, open_coordinator(folder / "sound.db") as sound:
        batch = await batch_of(failing)
        before, turns = failing.everything(), len(failing.watcher.turns)
        failing.execute(f"CREATE TRIGGER trap {TRIGGERS[statement]} BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        with pytest.raises(Exception, match="disk full"):
            await failing.take(*batch)
        assert failing.everything() == before
        assert len(failing.watcher.turns) == turns

        failing.execute("DROP TRIGGER trap")
        await restart(failing)
        await failing.take(*batch)
        await sound.take(*await batch_of(sound))
        assert without_leases(failing) == without_leases(sound)


@pytest.mark.parametrize("point", ["advance", "load", "load_early_events", "save", "commit"])
async def test_a_batch_that_fails_between_two_calls_leaves_nothing_and_is_taken_in_again_i24(
    tmp_path: Path, point: str
) -> None:
    await check_second_attempt(tmp_path, point, lambda it, batch: it.take(*batch), leaves_nothing=True)


async def test_a_commit_of_unknown_outcome_is_read_again_and_done_once_i27(tmp_path: Path) -> None:
    await check_second_attempt(tmp_path, "after commit", lambda it, batch: it.take(*batch), leaves_nothing=False)


async def test_a_batch_whose_commit_happened_is_skipped_in_the_same_epoch_too_i26_i27(tmp_path: Path) -> None:
    """Even a caller that does not take its leases again applies no record twice: the fence sees that they are done."""
    log, stores = Log(), Stores()
    async with open_coordinator(tmp_path / "saga.db", worn=stores.worn) as it:
        await it.take(log.placed("o-0"))
        records = [log.placed("o-1"), log.placed("o-2")]
        stores.brittle.fails_at = "after commit"
        with pytest.raises(Broken):
            await it.take(*records)
        it.instance_cache.clear()
        await it.take(*records, log.placed("o-3"))
        assert it.rows("SELECT count(*) FROM history") == [(4,)]
        assert dict(it.leases.offsets()) == {(EVENTS, 0): 4}


@pytest.mark.parametrize("point", ["load_due", "load_expired_events", "save", "commit", "after commit"])
async def test_timers_that_fail_fire_again_and_act_once_i19_i24(tmp_path: Path, point: str) -> None:
    async def fire_due(it: Coordinator, _: list[Record]) -> None:
        it.clock.time = it.clock.time.replace(hour=15)
        while await it.timers.fire_due():
            pass

    await check_second_attempt(tmp_path, point, fire_due, leaves_nothing=point != "after commit")


async def check_second_attempt(
    folder: Path, point: str, act: Callable[[Coordinator, list[Record]], Awaitable[None]], *, leaves_nothing: bool
) -> None:
    """Let an act fail once at a point; after a second attempt all is as if it had never failed."""
    stores = Stores()
    async with (
        open_coordinator(folder / "failing.db", worn=stores.worn) as failing,
        open_coordinator(folder / "sound.db") as sound,
    ):
        batch = await everything_at_once(failing)
        before = failing.everything()
        stores.brittle.fails_at = point
        with pytest.raises(Broken):
            await act(failing, batch)
        assert (failing.everything() == before) is leaves_nothing
        await restart(failing)
        await act(failing, batch)
        await act(sound, await everything_at_once(sound))
        assert without_leases(failing) == without_leases(sound)


async def restart(it: Coordinator) -> None:
    """Forget what may be wrong and take the leases again, as the feed does."""
    owned = it.leases.owned()
    it.leases.clear()
    it.instance_cache.clear()
    for each in owned:
        it.leases.add(await it.store.acquire(*each, "test"))


def without_leases(it: Coordinator) -> Mapping[str, object]:
    """All rows, with what may differ after a failed attempt left out: epochs, and gaps in numbers that only count."""
    rows: dict[str, object] = {name: them for name, them in it.everything().items() if name != "identity"}
    rows["lease"] = it.rows("SELECT topic, partition, next_offset FROM lease ORDER BY 1, 2")
    rows["instance"] = it.rows("SELECT id, status, data, state, trail, revision FROM instance ORDER BY number")
    rows["outbox"] = it.rows("SELECT message_id, topic, partition, key, headers, value FROM outbox ORDER BY seq")
    history = it.rows("SELECT i.id, h.* FROM history h JOIN instance i ON i.number = h.instance ORDER BY i.id, h.seq")
    rows["history"] = [(id_, *rest) for id_, _number, *rest in history]
    return rows


@pytest.mark.parametrize("form", ["short", "long"])
async def test_nothing_leaves_before_it_is_committed_i7(tmp_path: Path, form: str) -> None:
    stores, log = Stores(), Log()
    async with open_coordinator(tmp_path / "saga.db", worn=stores.worn) as it:
        batch = [log.placed(), *([log.cancelled("o-2")] if form == "long" else [])]
        stores.brittle.fails_at = "commit"
        with pytest.raises(Broken):
            await it.take(*batch)
        assert it.relay.pending == 0
        await it.take(*batch)
        assert it.relay.pending == 2
