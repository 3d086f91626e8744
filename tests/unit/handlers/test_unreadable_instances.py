"""Instances that the catalog cannot read: ended or live, they stop only their own records and timers."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from saga_coordinator.contracts import Event
from saga_coordinator.handlers.records import Actor
from saga_coordinator.handlers.redrive import DeadLetterRef, Outcome
from saga_coordinator.handlers.routing import BadCatalog
from saga_coordinator.handlers.timers import MAX_BATCH
from saga_coordinator.sagas import Saga
from saga_coordinator.sagas.machine import Pause, instance_id
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.faulty import NO_FAULT, Fault, Two, wide
from tests.unit.handlers._support.order_log import Log

OLGA = Actor("olga", "the definition is put right")
BAD = instance_id("made", "bad")
HOUR = timedelta(hours=1)


def version(number: int, *, cancel_on: type[Event] | None = saga_kit.Stopped) -> Saga[saga_kit.Begun, saga_kit.Data]:
    return replace(saga_kit.saga(saga_kit.compensatable("a")), version=number, cancel_on=cancel_on)


async def begins(it: Coordinator, log: Log, *keys: str) -> None:
    await it.take(*(log.event(saga_kit.Begun(key=key), key) for key in keys))


def damage(it: Coordinator, *, where: str = "correlation = 'bad'") -> None:
    """Store data as an older form of the model wrote them."""
    it.execute(f"UPDATE instance SET data = replace(data, 'coins', 'money') WHERE {where}")  # noqa: S608  own text
    it.instance_cache.clear()


def mend(it: Coordinator) -> None:
    it.execute("UPDATE instance SET data = replace(data, 'money', 'coins')")


@pytest.mark.parametrize("cancel_on", [saga_kit.Stopped, None])
async def test_what_comes_late_for_one_whose_version_is_gone_is_ignored_and_the_rest_goes_on_i29_i30(
    tmp_path: Path, cancel_on: type[Event] | None
) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", version(1)) as it:
        await begins(it, log, "k-1")
        (asked,) = it.messages
        await it.take(log.says(asked, saga_kit.Did()))
        assert it.rows("SELECT status FROM instance") == [("completed",)]
    async with open_coordinator(tmp_path / "saga.db", version(2, cancel_on=cancel_on)) as it:
        copies = [log.says(asked, saga_kit.Did()), log.event(saga_kit.Begun(key="k-1"), "k-1")]
        await it.take(*copies, log.event(saga_kit.Begun(key="n-1"), "n-1"))

        for copy in copies:
            verdict, reason = it.verdict(copy.place)
            assert verdict == "ignored"
            assert "saga made version 1 is not in the catalog" in (reason or "")
        assert it.rows("SELECT correlation, version FROM instance") == [("k-1", 1), ("n-1", 2)]


async def test_a_record_for_an_unreadable_instance_is_dead_lettered_until_it_is_readable_i11_i29(
    tmp_path: Path,
) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", version(1)) as it:
        await begins(it, log, "bad", "good")
        bad, good = it.messages
        damage(it)
        replies = [log.says(bad, saga_kit.Did()), log.says(good, saga_kit.Did())]
        await it.take(*replies)

        verdict, cause = it.verdict(replies[0].place)
        assert verdict == "dead-lettered"
        assert (cause or "").startswith(f"instance {BAD} of saga made version 1 cannot be read: Data: coins: Field req")
        assert "let the changed one be version 2" in (cause or "")
        assert it.rows("SELECT instance_id, parks FROM dead_letter") == [(BAD, 0)]
        assert it.rows("SELECT correlation, status FROM instance") == [("bad", "running"), ("good", "completed")]

        again = await it.redrive.redrive(DeadLetterRef(replies[0].place), OLGA)
        assert (again.outcome, again.why) == (Outcome.FAILED, cause)
        mend(it)
        assert (await it.redrive.redrive(DeadLetterRef(replies[0].place), OLGA)).outcome is Outcome.DONE
        assert it.rows("SELECT status FROM instance") == [("completed",), ("completed",)]


async def test_a_state_that_cannot_be_read_is_named_with_what_is_wrong_where_and_what_to_do(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", version(1)) as it:
        await begins(it, log, "bad")
        (asked,) = it.messages
        it.execute("UPDATE instance SET state = json_set(state, '$.steps.a.forward.attempt', 'first')")
        it.instance_cache.clear()
        reply = log.says(asked, saga_kit.Did())
        await it.take(reply)

        verdict, cause = it.verdict(reply.place)
        assert verdict == "dead-lettered"
        wrong = "its stored state: steps[...].forward.attempt: Expected `int`, got `str`; run the version"
        assert (cause or "").startswith(f"instance {BAD} of saga made version 1 cannot be read: {wrong}")
        assert "definition" not in (cause or "")


async def test_timers_of_any_number_of_unreadable_instances_delay_no_other_i20_i29(
    tmp_path: Path,
) -> None:
    log, bad = Log(), [f"bad-{number}" for number in range(MAX_BATCH)]
    async with open_coordinator(tmp_path / "saga.db", version(1)) as it:
        await begins(it, log, *bad)
        it.clock.pass_by(timedelta(seconds=1))
        await begins(it, log, "good")
        damage(it, where="correlation LIKE 'bad%'")
        it.clock.pass_by(HOUR)
        for _ in range(3):
            await it.fire_due()

        assert it.rows("SELECT correlation FROM instance WHERE status <> 'running'") == [("good",)]
        reports = [what for what, _ in it.watcher.troubles]
        assert len(reports) == MAX_BATCH, "each is reported once"
        assert "does not fire" in reports[0]


async def test_an_operator_gets_the_reason_why_an_instance_is_unreadable(tmp_path: Path) -> None:
    log = Log()
    async with open_coordinator(tmp_path / "saga.db", version(1)) as it:
        await begins(it, log, "bad")
        damage(it)
        with pytest.raises(BadCatalog, match="cannot be read: Data: coins"):
            await it.operator.act(BAD, lambda now: Pause(now, "olga", "to look"))


async def test_a_dead_letter_of_one_that_cannot_be_read_is_neither_redriven_nor_discarded(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", wide(Fault(), NO_FAULT)) as it:
        two = await Two(it).begin()
        failing = two.says("a")
        await it.take(failing)
        damage(it, where="1")
        before = it.everything()
        for act in (it.redrive.redrive, it.redrive.discard):
            refused = await act(DeadLetterRef(failing.place), OLGA)
            assert refused.outcome is Outcome.REFUSED
            assert "cannot be read" in (refused.why or ""), refused.why
        assert it.everything() == before
