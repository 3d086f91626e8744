"""An operator acts while the leases are taken: what he causes leaves behind what a life before has left (I12)."""

from pathlib import Path

from aiokafka.partitioner import murmur2

from saga_coordinator.handlers.records import Actor, Lease
from saga_coordinator.sagas.machine import Cancel
from tests.integration._support.on_broker import PARTITIONS, TOPICS, Running, World, serving
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.handlers._support.coordinator import open_coordinator
from tests.unit.handlers._support.eventually import eventually
from tests.unit.handlers._support.order_log import REPLIES, Log, instance_id, type_of

OLGA = Actor("olga", "she knows better")


class Hasty:
    """A store in front of which an operator turns an order back, when all partitions but the last are taken."""

    def __init__(self, it: Running, order: str) -> None:
        self.has_acted = False
        self._order = order
        self._operator = it.service.handlers.operator
        self._acquire = it.service.store.acquire
        it.service.store.acquire = self.acquire  # type: ignore[method-assign]  # the store that is wired already

    async def acquire(
        self, topic: str, partition: int, owner: str, *, start: int | None = None, topic_id: str | None = None
    ) -> Lease:
        if (topic, partition) == (REPLIES, PARTITIONS - 1) and not self.has_acted:
            await self._act(instance_id(self._order))
            self.has_acted = True
        return await self._acquire(topic, partition, owner, start=start, topic_id=topic_id)

    async def _act(self, id_: str) -> None:
        await self._operator.skip(id_, "reserve-stock", b'{"reservation_id": "R-1"}', OLGA)
        await self._operator.act(id_, lambda now: Cancel(now, OLGA.reason, OLGA.who))
        await self._operator.skip(id_, "charge-card", b'{"charge_id": "C-1"}', OLGA)


async def test_an_operator_action_during_the_takeover_is_published_after_the_outbox_from_before(
    tmp_path: Path,
) -> None:
    path, order = tmp_path / "saga.db", at_home_0()
    async with open_coordinator(path) as before:
        await before.take(Log().placed(order))
        assert {row.partition for row in before.messages} == {0}
    with FaultyBroker(TOPICS) as broker:
        async with World(broker) as world:
            world.is_silent = True
            async with serving(broker, path) as it:
                hasty = Hasty(it, order)
                await eventually(lambda: hasty.has_acted and len(published_types(world)) >= 2, "both are sent")
            assert published_types(world) == ["inventory.reserve-stock.v1", "inventory.release-stock.v1"]


def at_home_0() -> str:
    """An order that belongs to partition 0 by every client's hash, and by the hand's own."""
    return next(f"o-{number}" for number in range(10, 100) if murmur2(f"o-{number}".encode()) & 1 == 0)


def published_types(world: World) -> list[str]:
    return [type_of(row) for row in world.of("inventory.commands.v1")]
