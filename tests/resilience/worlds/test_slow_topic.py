"""I33: one slow topic does not delay the others beyond twice their p99. The relay, on virtual time."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, Final

from saga_coordinator.handlers.encode import MAX_MESSAGE_BYTES
from saga_coordinator.handlers.leases import Leases
from saga_coordinator.handlers.names import DEFAULT_NAMES
from saga_coordinator.handlers.records import Lease, OutboxMessage, OutboxRow
from saga_coordinator.handlers.relay import Relay
from tests.resilience.worlds._support.loop import SimulatedLoop
from tests.unit.handlers._support.coordinator import Posting, Watcher

LANES: Final = [(topic, partition) for topic in ("stock", "cards", "parcels") for partition in range(4)]
SLOW: Final = [("letters", partition) for partition in range(4)]
ROWS_A_SECOND, SECONDS = 1_000, 20


class Topics(Posting):
    """A publisher whose acknowledgements take 2 to 20 ms, and of slow topics two seconds."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance
        self.acknowledged: dict[str, float] = {}

    def partition(self, topic: str, key: bytes) -> int:  # noqa: ARG002  the port's form
        return 0

    def max_message_bytes(self, topic: str) -> int:  # noqa: ARG002  the port's form
        return MAX_MESSAGE_BYTES

    async def publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:
        is_slow = (topic, partition) in SLOW
        await asyncio.sleep(2.0 if is_slow else self._chance.uniform(0.002, 0.02))
        now = asyncio.get_running_loop().time()
        self.acknowledged |= {row.message_id: now for row in rows}


class Forgetful:
    """A store from which rows are deleted at once."""

    is_shared = False

    async def transact(self, _: object) -> None:
        await asyncio.sleep(0.005)


def test_a_slow_topic_does_not_delay_the_others_beyond_twice_their_p99_i33() -> None:
    alone, beside = p99(LANES, LANES), p99([*LANES, *SLOW], LANES)
    assert beside <= 2 * alone, (alone, beside)
    assert p99([*LANES, *SLOW], SLOW) > 1.0, "the slow topic is not slow: it shows nothing"


def p99(lanes: list[tuple[str, int]], measured: list[tuple[str, int]]) -> float:
    """Write rows for these lanes, and return how long those of some waited for their acknowledgement, in s."""
    chance = Random(33)
    loop = SimulatedLoop(chance)
    try:
        return loop.run_until_complete(_p99(chance, lanes, set(measured)))
    finally:
        loop.close()


async def _p99(chance: Random, lanes: list[tuple[str, int]], measured: set[tuple[str, int]]) -> float:
    leases, topics, store = Leases(DEFAULT_NAMES.replies), Topics(chance), Forgetful()
    leases.add(Lease(DEFAULT_NAMES.replies, 0, 1, 0))
    parts: Any = (store, topics, leases, Watcher())
    relay = Relay(*parts)
    running = asyncio.create_task(relay.run())
    written: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    for number in range(ROWS_A_SECOND * SECONDS):
        topic, partition = chance.choice(lanes)
        row = OutboxMessage(f"m-{number}", 0, topic, partition, b"k", (), b"{}")
        relay.push([OutboxRow(number, row)])
        if (topic, partition) in measured:
            written[row.message_id] = loop.time()
        await asyncio.sleep(1 / ROWS_A_SECOND)
    await relay.wait_until_drained()
    running.cancel()
    await asyncio.wait({running})
    waited = sorted(topics.acknowledged[each] - since for each, since in written.items())
    return waited[len(waited) * 99 // 100]
