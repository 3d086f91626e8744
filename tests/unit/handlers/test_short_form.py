"""Most batches are decided from memory and written in one call; whatever that cannot do is done as it always was."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random
from typing import TypeVar

import pytest

from saga_coordinator.handlers.ports import Conflict, Transaction
from saga_coordinator.handlers.records import DecidedBatch, OutboxRow, Record
from saga_coordinator.handlers.session import Session
from saga_coordinator.handlers.unit_of_work import UnitOfWork
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from tests.unit.handlers._support.brittle import BrittleStore
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator, relaying
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import ANSWERS, EVENTS, REPLIES, Log, instance_id, type_of
from tests.unit.handlers._support.trips import Approved, Paid, TripAsked, approval, payment, trip
from tests.unit.handlers.test_failing_store import without_leases

T = TypeVar("T")


class Forms(BrittleStore):
    """The real store, which notes in which form each transaction is written, and may refuse the short one."""

    def __init__(self, store: SqliteStore, *, refuses_short: bool = False) -> None:
        super().__init__(store)
        self._refuses_short = refuses_short
        self.forms: list[str] = []

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        self.forms.append("long")
        return await super().transact(work)

    async def commit(self, batch: DecidedBatch) -> Sequence[OutboxRow]:
        if self._refuses_short:
            raise Conflict("on purpose")
        rows = await super().commit(batch)
        self.forms.append("short")
        return rows


class Noted:
    """Puts the store that notes the forms around the real one, and keeps it at hand."""

    def __init__(self, *, refuses_short: bool = False) -> None:
        self._refuses_short = refuses_short
        self.store: Forms

    def worn(self, store: SqliteStore) -> Forms:
        self.store = Forms(store, refuses_short=self._refuses_short)
        return self.store

    async def forms(self, it: Coordinator, *records: Record) -> list[str]:
        """Receive records in one batch, and return in which forms that was written."""
        self.store.forms.clear()
        await it.take(*records)
        return self.store.forms


async def test_an_order_is_fulfilled_in_the_short_form_alone(tmp_path: Path) -> None:
    noted, log = Noted(), Log()
    async with open_coordinator(tmp_path / "saga.db", worn=noted.worn) as it:
        assert await noted.forms(it, log.placed()) == ["short"]
        while open_ := [each for each in it.watcher.turns[-1].changes.outbox if type_of(each) in ANSWERS]:
            assert await noted.forms(it, *map(log.answer, open_)) == ["short"]
        assert it.status() == "completed"


@pytest.mark.parametrize("seed", range(20))
async def test_both_forms_decide_and_write_the_same(tmp_path: Path, seed: int) -> None:
    """Batches of everything that participants and shops say, also twice and too early; the store is the same after."""
    short, long = Noted(), Noted(refuses_short=True)
    async with (
        open_coordinator(tmp_path / "short.db", worn=short.worn) as first,
        open_coordinator(tmp_path / "long.db", worn=long.worn) as second,
    ):
        for it in (first, second):
            await live(it, Random(seed))
        assert set(short.store.forms) == {"short", "long"}
        assert set(long.store.forms) == {"long"}
        assert [each.changes.outbox for each in first.watcher.turns] == [
            each.changes.outbox for each in second.watcher.turns
        ]
        assert dict(first.leases.offsets()) == dict(second.leases.offsets())
        assert without_leases(first) == without_leases(second)


async def live(it: Coordinator, chance: Random) -> None:
    """Let ten orders be placed, answered, refused and cancelled, in batches of any size."""
    log, waiting, asked = Log(), list(range(10)), 0
    while waiting or asked < len(it.messages):
        batch = []
        for _ in range(chance.randint(1, 6)):
            order = f"o-{chance.randrange(10)}"
            if waiting and chance.random() < 0.4:
                batch.append(log.placed(f"o-{waiting.pop()}"))
            elif chance.random() < 0.15:
                batch.append(chance.choice((log.placed, log.cancelled))(order))
            elif chance.random() < 0.05:
                batch.append(log.record(EVENTS, order, b"{", ()))
            elif asked < len(it.messages):
                message = it.messages[asked]
                asked += 1
                if type_of(message) in ANSWERS:
                    batch.append((log.refuse if chance.random() < 0.1 else log.answer)(message))
        batch += [
            log.record(each.place.topic, "k", each.value, each.headers) for each in batch if chance.random() < 0.1
        ]
        await it.take(*batch)


async def test_an_event_that_was_early_is_released_to_the_instance_that_begins_to_wait(tmp_path: Path) -> None:
    noted, log = Noted(), Log()
    async with open_coordinator(tmp_path / "saga.db", worn=noted.worn) as it:
        assert await noted.forms(it, log.cancelled("o-1")) == ["long"]
        placed = log.placed("o-1")
        assert await noted.forms(it, placed, log.placed("o-2")) == ["long"]
        assert it.rows("SELECT count(*) FROM held_event") == [(0,)]
        kinds = "SELECT kind FROM history JOIN instance ON instance = number WHERE correlation = 'o-1' ORDER BY seq"
        assert it.rows(kinds) == [("start",), ("cancel",)]
        assert await noted.forms(it, log.placed("o-3")) == ["short"]


async def test_an_event_for_another_address_is_looked_for_in_the_store(tmp_path: Path) -> None:
    noted, log = Noted(), Log()
    async with open_coordinator(tmp_path / "saga.db", trip(payment), worn=noted.worn) as it:
        assert await noted.forms(it, log.event(TripAsked(trip="t-1"), "t-1")) == ["short"]
        paid = log.event(Paid(invoice="invoice-t-1"), "invoice-t-1")
        assert await noted.forms(it, paid) == ["long"]
        assert it.verdict(paid.place).verdict == "applied"


async def test_an_event_for_an_instance_in_memory_needs_no_reading(tmp_path: Path) -> None:
    noted, log = Noted(), Log()
    async with open_coordinator(tmp_path / "saga.db", trip(approval), worn=noted.worn) as it:
        assert await noted.forms(it, log.event(TripAsked(trip="t-1"), "t-1")) == ["short"]
        approved = log.event(Approved(trip="t-1"), "t-1")
        assert await noted.forms(it, approved) == ["short"]
        assert it.verdict(approved.place).verdict == "applied"


async def test_an_instance_that_is_not_in_memory_is_read(tmp_path: Path) -> None:
    noted, log = Noted(), Log()
    async with open_coordinator(tmp_path / "saga.db", worn=noted.worn) as it:
        await it.take(log.placed())
        it.instance_cache.clear()
        reply = log.answer(it.messages[0])
        assert await noted.forms(it, reply) == ["long"]
        assert it.verdict(reply.place).verdict == "applied"
        assert await noted.forms(it, log.answer(it.messages[1])) == ["short"]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(lambda log, _: log.record(EVENTS, "o-9", b"{", ()), id="unreadable"),
        pytest.param(lambda log, _: log.cancelled("o-9"), id="too early"),
        pytest.param(lambda log, it: log.answer(it.messages[0], ce_correlationid="nobody"), id="for nobody"),
        pytest.param(lambda log, it: log.reply(it.messages[0], "saga.done.v1", b"{}"), id="of the wrong type"),
    ],
)
async def test_a_record_that_is_not_applied_takes_its_batch_to_the_long_form(
    tmp_path: Path, odd: Callable[[Log, Coordinator], Record]
) -> None:
    noted, log = Noted(), Log()
    async with open_coordinator(tmp_path / "saga.db", worn=noted.worn) as it:
        await it.take(log.placed("o-1"))
        other, start = odd(log, it), log.placed("o-2")
        assert await noted.forms(it, other, start) == ["long"]
        assert len(it.verdicts(other.place)) == 1
        assert it.verdict(start.place).verdict == "applied"


async def test_after_a_conflict_of_the_short_form_everything_happens_once(tmp_path: Path) -> None:
    noted, log = Noted(refuses_short=True), Log()
    async with open_coordinator(tmp_path / "saga.db", worn=noted.worn) as it:
        await it.take(log.placed("o-1"))
        assert len(it.watcher.turns) == 1
        assert it.relay.pending == len(it.messages) == 2
        assert it.watcher.troubles == []


async def test_an_instance_that_was_looked_at_and_is_not_written_needs_the_long_form(coordinator: Coordinator) -> None:
    """Nothing compares its revision: somebody else may have changed it."""
    log = Log()
    await coordinator.take(log.placed())
    unit_of_work: UnitOfWork = coordinator.intake._unit_of_work  # noqa: SLF001  it is what decides which form
    before, seen = coordinator.everything(), coordinator.instance_cache.recall([instance_id("o-1")])

    def decide(session: Session) -> bool:
        session.add_loaded(seen, {})
        session.changes.outbox.extend(coordinator.messages)
        return True

    assert len(seen) == 1
    assert not await unit_of_work.write_from_memory((), decide)
    assert coordinator.everything() == before


async def test_an_empty_poll_writes_nothing(tmp_path: Path) -> None:
    noted, log = Noted(), Log()
    async with open_coordinator(tmp_path / "saga.db", worn=noted.worn) as it:
        await it.take(log.placed())
        assert await noted.forms(it) == []
        it.leases.drop(REPLIES, 0)
        it.leases.drop(EVENTS, 0)
        noted.store.forms.clear()
        await it.intake.receive([log.placed("o-2")])
        assert noted.store.forms == []


async def test_rows_that_were_acknowledged_leave_with_the_next_batch_i7(coordinator: Coordinator) -> None:
    log = Log()
    await coordinator.take(log.placed())
    async with relaying(coordinator.relay):
        await eventually(lambda: coordinator.relay.pending == 0, "all is acknowledged, and stands in the outbox still")
    await coordinator.take(log.placed("o-2"))
    assert coordinator.rows("SELECT seq FROM outbox ORDER BY seq") == [(3,), (4,)]
    assert not coordinator.relay.acknowledged()
