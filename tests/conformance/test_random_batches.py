"""Random batches leave the same rows in both forms of a transaction, on any store."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import (
    Changes,
    DecidedBatch,
    Entry,
    EventSubscription,
    InstanceRecord,
    LeaseMove,
    OutboxMessage,
    OutboxRow,
    Place,
    Verdict,
)
from tests.conformance._support.stores import (
    Kind,
    OpenStore,
    begun,
    entry,
    known,
    later,
    outbox_message,
    starts,
)
from tests.conformance.test_short_form import content

ROUNDS = 12


@dataclass
class Story:
    """What a coordinator could decide, batch after batch; each instance is written on the revision that it has."""

    chance: Random
    live: list[InstanceRecord] = field(default_factory=list)
    waiting: list[EventSubscription] = field(default_factory=list)
    offset: int | None = None

    def next(self) -> tuple[LeaseMove, Changes, set[str]]:
        new = [begun(f"o-{self.chance.getrandbits(60)}") for _ in range(self.chance.choice([0, 1, 4]))]
        old = self.chance.sample(self.live, min(len(self.live), self.chance.choice([0, 1, 5])))
        changed = [(later(each), each) for each in old]
        changes = starts(*new)
        changes.instances += changed
        self.chance.shuffle(changes.instances)
        after = [each for each, _ in changes.instances]
        self.live = [each for each in self.live if each not in old] + after
        changes.entries = [self._entry(each) for each in after]
        changes.outbox = [self._message() for _ in range(self.chance.randrange(4))]
        self._wait(changes, after)
        expected, self.offset = self.offset, (self.offset or 0) + self.chance.randrange(1, 9)
        return LeaseMove("t", 0, 1, expected, self.offset), changes, {each.instance.id for each in new}

    def _entry(self, stored: InstanceRecord) -> Entry:
        usual = entry(stored, stored.revision, verdict=self.chance.choice([Verdict.APPLIED, Verdict.CONTRADICTORY]))
        if self.chance.random() < 1 / 2:
            return structs.replace(usual, place=None, value=None, reason="ü \N{GRINNING FACE}")
        return structs.replace(usual, place=Place("t", 0, self.chance.randrange(1_000)), value=self.chance.randbytes(9))

    def _message(self) -> OutboxMessage:
        return structs.replace(outbox_message(str(self.chance.random())), key=None, value=self.chance.randbytes(9))

    def _wait(self, changes: Changes, instances: Sequence[InstanceRecord]) -> None:
        """Let some instances begin to wait at an address, and some no longer wait at theirs."""
        gone = self.chance.sample(self.waiting, min(len(self.waiting), 1))
        changes.unsubscribed = gone
        changes.subscribed = [
            EventSubscription(f"a-{self.chance.random()}", each.instance.id) for each in instances[:2]
        ]
        self.waiting = [each for each in self.waiting if each not in gone] + changes.subscribed


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


@asynccontextmanager
async def opened(kind: Kind, folder: Path) -> AsyncIterator[OpenStore]:
    """A store in a folder of its own, with a lease."""
    store = kind.new(made(folder), known)
    await store.open()
    try:
        await store.acquire("t", 0, "me")
        yield store
    finally:
        await store.close()


async def in_long_form(store: OpenStore, move: LeaseMove, changes: Changes) -> Sequence[OutboxRow]:
    async def work(tx: Transaction) -> Sequence[OutboxRow]:
        assert await tx.advance([move]) == []
        return await tx.save(changes)

    return await store.transact(work)


@pytest.mark.parametrize("seed", range(4))
async def test_random_batches_leave_the_same_rows_in_both_forms(kind: Kind, tmp_path: Path, seed: int) -> None:
    story = Story(Random(seed))
    left: tuple[list[OutboxRow], list[OutboxRow]] = [], []
    async with opened(kind, tmp_path / "short") as short, opened(kind, tmp_path / "long") as long:
        for _ in range(ROUNDS):
            move, changes, fresh = story.next()
            gone = [number for number in range(len(left[0])) if story.chance.random() < 1 / 3]
            changes.acknowledged = [left[0][number].seq for number in gone]
            left[0].extend(await short.commit(DecidedBatch([move], changes, fresh)))
            changes.acknowledged = [left[1][number].seq for number in gone]
            left[1].extend(await in_long_form(long, move, changes))
            for each in left:
                each[:] = [row for number, row in enumerate(each) if number not in gone]
        assert await short.unsent() == left[0]
    assert content(kind, tmp_path / "short") == content(kind, tmp_path / "long")
    assert len(content(kind, tmp_path / "short")[1]) > ROUNDS
