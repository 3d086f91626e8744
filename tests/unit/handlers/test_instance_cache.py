"""What is kept in memory is bounded, and never more than a shortcut to what is stored."""

from msgspec.structs import replace

from saga_coordinator.handlers.instance_cache import InstanceCache
from saga_coordinator.sagas.machine import Status
from tests.conformance._support.stores import begun, starts
from tests.unit.handlers._support.coordinator import Coordinator


async def known(it: Coordinator, instance_cache: InstanceCache, *ids: str) -> set[str]:
    return set(await it.store.transact(lambda tx: instance_cache.load(tx, ids)))


async def test_those_used_last_are_kept_and_the_others_are_read_again_i33(coordinator: Coordinator) -> None:
    instances = [begun(f"o-{number}") for number in range(4)]
    ids = [each.instance.id for each in instances]
    instance_cache = InstanceCache(most=2)
    instance_cache.keep(instances[:2])
    instance_cache.keep([instances[0], instances[2]])
    assert await known(coordinator, instance_cache, *ids) == {ids[0], ids[2]}
    await coordinator.store.transact(lambda tx: tx.save(starts(*instances)))
    assert await known(coordinator, instance_cache, *ids) == set(ids)


async def test_an_ended_instance_is_removed(coordinator: Coordinator) -> None:
    stored = begun()
    over = replace(stored, instance=replace(stored.instance, status=Status.COMPLETED))
    instance_cache = InstanceCache()
    instance_cache.keep([stored])
    instance_cache.keep([over])
    assert await known(coordinator, instance_cache, stored.instance.id) == set()
