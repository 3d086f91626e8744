"""Whatever fails, is queued, redriven or discarded in whatever order: one verdict each, in order, and nothing left."""

import random
from pathlib import Path

import pytest

from saga_coordinator.contracts import Done
from saga_coordinator.handlers.records import Place, Record
from saga_coordinator.handlers.redrive import DeadLetterRef, Outcome
from saga_coordinator.handlers.replay import replay
from saga_coordinator.sagas.machine import freeze
from saga_coordinator.service.storage.queries import InstanceFilter
from saga_coordinator.service.storage.sqlite.queries import open_queries
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.faulty import OLGA, Fault, wide
from tests.unit.handlers._support.order_log import Log, type_of

KEYS = tuple(f"k-{number}" for number in range(8))


class Troubled:
    """Instances whose definition breaks and is corrected at random, and an operator who acts at random."""

    def __init__(self, it: Coordinator, faults: tuple[Fault, ...], seed: int) -> None:
        self.it = it
        self.faults = faults
        self.random = random.Random(seed)
        self.log = Log()
        self.records: list[Record] = []
        self.ends: set[Outcome] = set()

    async def stir(self, turns: int) -> None:
        await self.take(*(self.log.event(saga_kit.Begun(key=key), key) for key in KEYS))
        for _ in range(turns):
            self.break_or_correct()
            commands = [row for row in self.it.messages if row.topic == "made.commands.v1"]
            chosen = self.random.choices(commands, k=self.random.randint(0, 4))
            batch = [self.log.says(each, Done() if "undo" in type_of(each) else saga_kit.Did()) for each in chosen]
            if self.random.random() < 0.01:
                batch.append(self.log.event(saga_kit.Stopped(key=self.random.choice(KEYS)), "k"))
            await self.take(*batch)
            await self.act()

    async def take(self, *records: Record) -> None:
        self.records.extend(records)
        await self.it.take(*records)

    def break_or_correct(self) -> None:
        for fault in self.faults:
            fault.keys.clear()
            fault.keys.update(key for key in KEYS if self.random.random() < 0.3)

    async def act(self) -> None:
        """Redrive or discard some record, be it the head of a queue or not."""
        letters = self.it.rows('SELECT topic, partition, "offset" FROM dead_letter')
        waiting = self.it.rows('SELECT topic, partition, "offset" FROM parked')
        for row in letters + waiting[:1]:
            act = self.it.redrive.discard if self.random.random() < 0.1 else self.it.redrive.redrive
            if self.random.random() < 0.5:
                self.ends.add((await act(DeadLetterRef(Place(*row)), OLGA)).outcome)

    async def settle(self) -> None:
        """Correct everything, and redrive all that is left."""
        for fault in self.faults:
            fault.heal()
        while rows := self.it.rows('SELECT topic, partition, "offset" FROM dead_letter LIMIT 1'):
            assert (await self.it.redrive.redrive(DeadLetterRef(Place(*rows[0])), OLGA)).outcome is Outcome.DONE


@pytest.mark.parametrize("seed", range(8))
async def test_each_record_has_one_verdict_and_each_instance_hears_them_in_order_i3_i11(
    tmp_path: Path, seed: int
) -> None:
    faults = Fault(set()), Fault(set()), Fault(set())
    async with open_coordinator(tmp_path / "saga.db", wide(*faults)) as it:
        on_error = Troubled(it, faults, seed)
        await on_error.stir(40)
        check_verdicts(it, on_error.records)
        check_flags(it)
        await on_error.settle()

        check_verdicts(it, on_error.records)
        check_flags(it)
        check_order(it)
        assert it.rows("SELECT count(*) FROM parked") == [(0,)]
        assert on_error.ends == set(Outcome), "the mixture is too thin"


def check_verdicts(it: Coordinator, records: list[Record]) -> None:
    found = {str(record.place): it.verdicts(record.place) for record in records}
    assert {place: verdicts for place, verdicts in found.items() if len(verdicts) != 1} == {}


def check_flags(it: Coordinator) -> None:
    """An instance is parked just when it has a head, and only then has anything queued."""
    heads = set(it.rows("SELECT instance_id FROM dead_letter WHERE parks = 1"))
    assert set(it.rows("SELECT id FROM instance WHERE json_extract(state, '$.parked_at')")) == heads
    assert set(it.rows("SELECT DISTINCT instance_id FROM parked")) <= heads


def check_order(it: Coordinator) -> None:
    """Replies stand in the history in the order in which they came, and the history is the instance."""
    with open_queries(it.path) as reading:
        for row in reading.instances(InstanceFilter(), 10):
            entries = reading.history(row, 10_000)
            offsets = [entry.place.offset for entry in entries if entry.place and entry.kind == "answer"]
            assert offsets == sorted(offsets)
            assert [entry.seq for entry in entries] == list(range(1, row.revision + 1))
            instance = replay(it.routes.saga_of(row.saga, row.version), entries)
            assert freeze(instance) == row.snapshot
