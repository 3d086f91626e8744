"""The outbox leaves in order, whole, and is deleted only when Kafka has it."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from saga_coordinator.handlers.ports import Done, Lane
from saga_coordinator.handlers.records import Changes, OutboxMessage, OutboxRow
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from tests.unit.handlers._support.brittle import BrittleStore, Stores
from tests.unit.handlers._support.coordinator import TIME, Coordinator, HandClock, Wall, open_coordinator, relaying
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import REPLIES, Log


class Gate(Wall):
    """A publisher that acknowledges only while it is open, and fails in a lane as often as scripted.

    What fails was written, or not if it `loses` it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.open.set()
        self.failures: dict[tuple[str, int], int] = {}
        self.loses = False
        self.entered: set[tuple[str, int]] = set()
        self.takes = 1_000

    def post(self, lanes: Mapping[Lane, Sequence[OutboxMessage]], done: Done) -> None:
        super().post({lane: rows[: self.takes] for lane, rows in lanes.items()}, done)

    async def publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        """Write, and fail or wait: what was not acknowledged may have been written."""
        lane = topic, partition
        self.entered.add(lane)
        fails = self.failures.get(lane, 0) > 0
        if not (fails and self.loses):
            await super().publish(topic, partition, rows)
        if fails:
            self.failures[lane] -= 1
            raise TimeoutError("on purpose")
        await self.open.wait()

    def first_copies(self, topic: str, partition: int = 0) -> list[str]:
        """The ids of a lane in the order in which each was first written."""
        ids = [row.message_id for row in self.published if (row.topic, row.partition) == (topic, partition)]
        return list(dict.fromkeys(ids))


class SlowToPost(Wall):
    """A publisher that needs a second to begin."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self.clock = clock

    def post(self, lanes: Mapping[Lane, Sequence[OutboxMessage]], done: Done) -> None:
        self.clock.pass_by(timedelta(seconds=1))
        super().post(lanes, done)


async def test_a_transaction_has_ended_before_its_messages_leave(tmp_path: Path) -> None:
    clock = HandClock()
    async with open_coordinator(tmp_path / "saga.db", publisher=SlowToPost(clock), clock=clock) as it:
        async with relaying(it.relay):
            await asyncio.sleep(0)  # the relay runs
            await it.take(Log().placed())

        assert clock.now() > TIME
        assert [turn.ended for turn in it.watcher.turns] == [TIME]


class Slow(BrittleStore):
    """A store that reads the outbox, and returns it when allowed."""

    def __init__(self, store: SqliteStore) -> None:
        super().__init__(store)
        self.has_read = asyncio.Event()
        self.may_return = asyncio.Event()

    async def unsent(self) -> Sequence[OutboxRow]:
        rows = await super().unsent()
        self.has_read.set()
        await self.may_return.wait()
        return rows


def message(id_: str, topic: str = "t", partition: int = 0) -> OutboxMessage:
    return OutboxMessage(id_, 0, topic, partition, b"k", (), b"{}")


async def written(it: Coordinator, *messages: OutboxMessage) -> Sequence[OutboxRow]:
    return await it.store.transact(lambda tx: tx.save(Changes(outbox=list(messages))))


async def in_the_outbox(it: Coordinator) -> list[str]:
    return [row.message.message_id for row in await it.store.unsent()]


async def test_rows_leave_in_their_order_and_are_deleted(tmp_path: Path) -> None:
    gate = Gate()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it:
        it.relay.push(await written(it, *(message(f"m-{number}") for number in range(2_500))))
        async with relaying(it.relay):
            it.relay.push(await written(it, *(message(f"n-{number}") for number in range(10))))
            await it.relay.wait_until_drained()
        assert [row.message_id for row in gate.published] == [f"m-{n}" for n in range(2_500)] + [
            f"n-{n}" for n in range(10)
        ]
        assert await it.store.unsent() == []
        assert it.relay._known == set()  # noqa: SLF001  what it remembers must not grow without limit


async def test_rows_that_do_not_fit_into_a_batch_follow_when_it_is_acknowledged_i12(tmp_path: Path) -> None:
    gate = Gate()
    gate.takes = 2
    gate.open.clear()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        it.relay.push(await written(it, *(message(f"m-{number}") for number in range(5)), message("n", "u")))
        await eventually(lambda: gate.first_copies("u") == ["n"], "the other lane has sent all of its rows")
        assert gate.first_copies("t") == ["m-0", "m-1"]
        gate.open.set()
        await it.relay.wait_until_drained()
        assert [row.message_id for row in gate.published if row.topic == "t"] == [f"m-{n}" for n in range(5)]
        assert await it.store.unsent() == []


async def test_a_lane_sends_nothing_more_before_its_rows_are_acknowledged_i12(tmp_path: Path) -> None:
    gate = Gate()
    gate.open.clear()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        it.relay.push(await written(it, message("m-1")))
        await eventually(lambda: gate.first_copies("t") == ["m-1"], "written, not acknowledged")
        it.relay.push(await written(it, message("m-2"), message("n", "u")))
        await eventually(lambda: gate.first_copies("u") == ["n"], "the other lane has sent its row")
        assert gate.first_copies("t") == ["m-1"]
        gate.open.set()
        await it.relay.wait_until_drained()
        assert [row.message_id for row in gate.published if row.topic == "t"] == ["m-1", "m-2"]


async def test_the_outbox_is_full_by_rows_or_by_bytes_until_they_are_acknowledged(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", publisher=Gate()) as it:
        large = structs.replace(message("large"), value=b"x" * 1_000)
        it.relay.push(await written(it, large, message("small"), structs.replace(message("tombstone"), value=None)))
        assert [it.relay.exceeds(limit, size) for limit, size in ((3, 1_002), (2, 1_002), (3, 1_001))] == [
            False,
            True,
            True,
        ]
        async with relaying(it.relay):
            await it.relay.wait_until_drained()
        assert not it.relay.exceeds(0, 0)


async def test_a_lane_that_fails_sends_the_same_rows_again_and_nothing_overtakes_i12(tmp_path: Path) -> None:
    gate = Gate()
    gate.failures = {("t", 0): 2}
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        it.relay.push(await written(it, message("m-1"), message("m-2")))
        await eventually(lambda: gate.failures["t", 0] < 2, "the first failure")
        it.relay.push(await written(it, message("m-3")))
        async with asyncio.timeout(20):
            await it.relay.wait_until_drained()
        assert gate.first_copies("t") == ["m-1", "m-2", "m-3"]
        assert len(gate.published) > 3
        assert [what for what, _ in it.watcher.troubles] == [
            "2 messages to t:0 were not acknowledged",
            "1 messages to t:0 were not acknowledged",
        ]


async def test_a_lane_whose_rows_are_lost_begins_again_with_the_first_i12(tmp_path: Path) -> None:
    gate = Gate()
    gate.failures, gate.loses = {("t", 0): 2}, True
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        it.relay.push(await written(it, message("m-1"), message("m-2"), message("m-3")))
        async with asyncio.timeout(20):
            await it.relay.wait_until_drained()
        assert [row.message_id for row in gate.published] == ["m-1", "m-2", "m-3"]


async def test_a_lane_that_waits_does_not_hold_up_the_others(tmp_path: Path) -> None:
    gate = Gate()
    gate.failures = {("slow", 0): 1_000_000}
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        rows = [message("s-1", "slow"), message("f-1", "fast"), message("o-1", "slow", 1)]
        it.relay.push(await written(it, *rows))
        await eventually(lambda: it.relay.pending == 1, "the other lanes are empty")
        assert await in_the_outbox(it) in (["s-1"], ["s-1", "f-1", "o-1"])
        await it.relay.sweep()
        assert await in_the_outbox(it) == ["s-1"]


async def test_rows_are_not_deleted_before_they_are_acknowledged_i7(tmp_path: Path) -> None:
    gate = Gate()
    gate.open.clear()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        it.relay.push(await written(it, message("m-1")))
        await eventually(lambda: len(gate.published) == 1, "written, not acknowledged")
        await it.relay.sweep()
        await it.take(Log().placed())
        assert "m-1" in await in_the_outbox(it)
        drained = asyncio.create_task(it.relay.wait_until_drained())
        await it.relay.sweep()
        assert not drained.done()

        gate.open.set()
        await drained
        assert await in_the_outbox(it) == []


async def test_acknowledged_rows_are_deleted_by_the_next_batch(tmp_path: Path) -> None:
    gate, log = Gate(), Log()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it:
        async with relaying(it.relay):
            await it.take(log.placed("o-1"))
            await eventually(lambda: it.relay.pending == 0, "all acknowledged")
        gone = it.relay.acknowledged()
        await it.take(log.placed("o-2"))
        assert set(it.watcher.turns[-1].changes.acknowledged) == set(gone)
        assert it.relay.acknowledged() == ()
        assert {row.message.key for row in await it.store.unsent()} <= {b"o-2"}


async def test_a_relay_that_is_killed_leaves_its_rows_for_the_next_which_sends_them_first_i7_i12(
    tmp_path: Path,
) -> None:
    log, gate = Log(), Gate()
    gate.open.clear()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it:
        async with relaying(it.relay):
            await it.take(log.placed("o-1"), log.placed("o-3"))
            await eventually(lambda: len(gate.entered) == 2, "written, not acknowledged")
        left = await it.store.unsent()
    assert len(left) == 4

    after = Gate()
    async with open_coordinator(tmp_path / "saga.db", publisher=after) as it:
        it.relay.push(await it.store.unsent())
        await it.take(log.placed("o-5"))
        async with relaying(it.relay):
            await it.relay.wait_until_drained()
        for topic in ("inventory.commands.v1", "payments.commands.v1"):
            sent = [row for row in after.published if row.topic == topic]
            assert [row.key for row in sent] == [b"o-1", b"o-3", b"o-5"]
        assert {row.message for row in left} <= set(after.published)
        assert await it.store.unsent() == []


async def test_rows_that_come_from_memory_and_from_the_table_are_sent_once(tmp_path: Path) -> None:
    gate = Gate()
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it:
        rows = await written(it, message("m-1"), message("m-2"))
        for _ in range(2):
            it.relay.push(rows)
            it.relay.push(await it.store.unsent())
        async with relaying(it.relay):
            await it.relay.wait_until_drained()
        assert [row.message_id for row in gate.published] == ["m-1", "m-2"]


async def test_a_store_that_fails_while_acknowledged_rows_are_deleted_ends_nothing_i29(tmp_path: Path) -> None:
    stores = Stores()
    async with open_coordinator(tmp_path / "saga.db", worn=stores.worn) as it:
        rows = await written(it, message("m-1"))
        stores.brittle.fails_at = "save"
        async with relaying(it.relay):
            it.relay.push(rows)
            await eventually(lambda: len(it.watcher.troubles) == 1, "the failed deletion is reported")
            await it.relay.wait_until_drained()
        assert await it.store.unsent() == []


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_fails_each_lane_keeps_its_order_and_nothing_is_lost_i7_i12(tmp_path: Path, seed: int) -> None:
    chance, gate = Random(seed), Gate()
    lanes = [("t", 0), ("t", 1), ("u", 0)]
    expected: dict[tuple[str, int], list[str]] = {lane: [] for lane in lanes}
    async with open_coordinator(tmp_path / "saga.db", publisher=gate) as it, relaying(it.relay):
        for number in range(60):
            lane = chance.choice(lanes)
            if chance.random() < 0.05:
                gate.failures[lane] = 1
            expected[lane].append(f"m-{number}")
            it.relay.push(await written(it, message(f"m-{number}", *lane)))
        await it.relay.wait_until_drained()
        assert {lane: gate.first_copies(*lane) for lane in lanes} == expected
        assert await it.store.unsent() == []


@pytest.mark.parametrize("is_lost", [False, True])
async def test_what_is_written_while_older_rows_are_loaded_does_not_overtake_them_i12(
    tmp_path: Path, *, is_lost: bool
) -> None:
    """An operator action or a timer can write while the rows of an earlier life are read from the table."""
    gate, slow = Gate(), list[Slow]()
    async with (
        open_coordinator(tmp_path / "saga.db", publisher=gate, worn=partial(worn, slow)) as it,
        relaying(it.relay),
    ):
        await written(it, message("m-1"), message("m-2"))
        loading = asyncio.create_task(it.relay.load())
        await slow[0].has_read.wait()
        it.relay.push(await written(it, message("m-3")))
        if is_lost:
            loading.cancel()
            await asyncio.wait({loading})
        slow[0].may_return.set()
        await (it.relay.load() if is_lost else loading)
        it.relay.push(await written(it, message("m-4")))
        await it.relay.wait_until_drained()
        assert [row.message_id for row in gate.published] == ["m-1", "m-2", "m-3", "m-4"]
        assert await it.store.unsent() == []


def worn(kept: list[Slow], store: SqliteStore) -> Slow:
    kept.append(Slow(store))
    return kept[0]


async def test_rows_of_a_home_that_another_holds_are_left_to_him_i12_i25(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db", publisher=Gate()) as it:
        it.leases.drop(REPLIES, 1)
        it.relay.push(await written(it, message("ours"), structs.replace(message("his"), home=1)))
        async with relaying(it.relay):
            await it.relay.wait_until_drained()
        assert await in_the_outbox(it) == ["his"]
        it.leases.add(await it.store.acquire(REPLIES, 1, "test"))
        it.relay.push(await it.store.unsent())
        async with relaying(it.relay):
            await it.relay.wait_until_drained()
        assert await in_the_outbox(it) == []
