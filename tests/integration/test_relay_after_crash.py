"""A service that is killed at any point: its next start sends the outbox, and every order has one outcome."""

from collections import Counter
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Committed, OutboxMessage
from tests.integration._support.on_broker import TOPICS, Running, World, look, serving
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import type_of

pytestmark = pytest.mark.slow

TWICE = 'SELECT topic FROM history WHERE topic IS NOT NULL GROUP BY topic, partition, "offset" HAVING count(*) > 1'
ORDERS = [f"o-{number}" for number in range(60)]


class CutOff:
    """An observer that cuts the service off right after a commit, before anything of it is published."""

    def __init__(self, it: Running, after: int) -> None:
        self.happened = False
        self._it = it
        self._left = after
        self._reported = it.watcher.on_commit
        it.watcher.on_commit = self.on_commit  # type: ignore[method-assign]  # the observer that is wired already

    def on_commit(self, turn: Committed) -> None:
        """Count the commits that owe something, and cancel after the last."""
        self._reported(turn)
        self._left -= bool(turn.changes.outbox)
        if self._left == 0 and self._it.task is not None:
            self._it.task.cancel()
            self.happened = True


async def test_the_outbox_of_a_killed_service_is_sent_by_the_next_i1_i7(tmp_path: Path) -> None:
    path = tmp_path / "saga.db"
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            for cut, batch in enumerate((ORDERS[:20], ORDERS[20:40], ORDERS[40:])):
                world.refused |= {(order, "shipping.ship-order.v1") for order in batch[::5]}
                async with serving(broker, path, crash=True) as it:
                    await world.order(*batch)
                    cutting = CutOff(it, after=1 + cut)
                    await eventually(lambda: cutting.happened, "cut off")  # noqa: B023  awaited at once
                assert look(path, "SELECT count(*) FROM outbox") > [(0,)], (
                    "the outbox was empty: the test shows nothing"
                )
            async with serving(broker, path):
                await world.outcomes(*ORDERS)
                check_world(world)
        assert look(path, "SELECT status, count(*) FROM instance GROUP BY status ORDER BY status") == [
            ("compensated", 12),
            ("completed", 48),
        ]
        assert look(path, "SELECT count(*) FROM outbox") == [(0,)]
        assert look(path, TWICE) == []


def check_world(world: World) -> None:
    """One outcome each, no id with two contents, and every lane in the order of the outbox."""
    assert Counter(map(len, world.published_outcomes().values())) == {1: len(ORDERS)}
    contents = {(row.message_id, row.topic, row.key, row.value) for row in world.received}
    assert len(contents) == len({row.message_id for row in world.received})
    for order in ORDERS:
        firsts = first_copies(world, order)
        undone = [kind for kind in firsts if kind.endswith(("release-stock.v1", "refund-card.v1"))]
        assert firsts.index("shipping.ship-order.v1") > firsts.index("payments.charge-card.v1")
        assert len(undone) in {0, 2}
        assert all(firsts.index(kind) > firsts.index("shipping.ship-order.v1") for kind in undone)


def first_copies(world: World, order: str) -> list[str]:
    """The types of all messages of one order, each when it was first received."""
    rows: dict[str, OutboxMessage] = {}
    for row in world.received:
        if row.key == order.encode():
            rows.setdefault(row.message_id, row)
    return [type_of(row) for row in rows.values()]
