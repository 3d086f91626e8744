"""A dead letter is corrected or given up: what it was is kept, and what waits behind it goes on."""

from pathlib import Path

from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES
from saga_coordinator.handlers.redrive import DeadLetterRef, Outcome
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.faulty import NO_FAULT, OLGA, RAISED, Fault, Two, wide
from tests.unit.handlers._support.order_log import EVENTS, Log, placed_value
from tests.unit.handlers.test_redrive import verdicts


async def test_an_edit_is_checked_and_keeps_the_original_in_the_audit(coordinator: Coordinator) -> None:
    log = Log()
    bad = log.record(EVENTS, "o-1", b'{"order_id": "o-1"}', log.placed("o-x").headers)
    await coordinator.take(bad)
    which = DeadLetterRef(bad.place)
    refused = await coordinator.redrive.edit(which, b'{"order_id": 1}', OLGA)
    assert refused.outcome is Outcome.REFUSED
    assert "customer_id: Field required" in (refused.why or "")
    assert coordinator.audits() == []

    assert (await coordinator.redrive.edit(which, placed_value("o-1"), OLGA)).outcome is Outcome.DONE
    (audit,) = coordinator.audits()
    assert (audit.action, audit.before) == ("edited", bad.value)
    assert coordinator.rows("SELECT value, key FROM dead_letter") == [(placed_value("o-1"), b"o-1")]
    assert (await coordinator.redrive.redrive(which, OLGA)).outcome is Outcome.DONE
    assert coordinator.status() == "running"


async def test_an_edit_that_cannot_be_read_may_be_forced_and_one_too_large_may_not(coordinator: Coordinator) -> None:
    log = Log()
    bad = log.record(EVENTS, "o-1", b"{", ())
    await coordinator.take(bad)
    which = DeadLetterRef(bad.place)
    assert (await coordinator.redrive.edit(which, b"[", OLGA, is_forced=True)).outcome is Outcome.DONE
    assert coordinator.rows("SELECT value FROM dead_letter") == [(b"[",)]
    large = await coordinator.redrive.edit(which, b"x" * (MAX_MESSAGE_BYTES + 1), OLGA, is_forced=True)
    assert large.outcome is Outcome.REFUSED


async def test_discarded_it_is_explained_and_audited_and_the_queue_goes_on(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", wide(Fault(), NO_FAULT)) as it:
        two = await Two(it).begin()
        failing, later = two.says("a"), two.says("b")
        await it.take(failing, later)
        result = await it.redrive.discard(DeadLetterRef(failing.place), OLGA)

        assert (result.outcome, result.head) == (Outcome.DONE, None)
        why = f"it was dead-lettered because: {RAISED}"
        reason = f"discarded by olga: the definition is corrected ({why})"
        assert it.verdict(failing.place) == ("dead-lettered", reason)
        assert it.verdict(later.place) == ("applied", None)
        assert two.seen() == ["b"]
        assert [(audit.action, audit.before) for audit in it.audits()] == [("discarded", failing.value)]


async def test_one_that_parks_nobody_is_discarded_too(coordinator: Coordinator) -> None:
    log = Log()
    bad = log.record(EVENTS, "o-1", b"{", ())
    await coordinator.take(bad)
    assert (await coordinator.redrive.discard(DeadLetterRef(bad.place), OLGA)).outcome is Outcome.DONE
    assert verdicts(coordinator, bad.place) == [["dead-lettered"]]
    assert coordinator.rows("SELECT count(*) FROM dead_letter") == [(0,)]
