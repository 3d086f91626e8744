"""The start on a database that went back (`saga serve --recover`): what was decided and is lost is not decided again.

Before anything is decided, the replies and outcomes are read that Kafka contains and the database does not. The
instances that they are about stall, with the reason, those that do not exist yet when they start. Timers wait for the
backlog, as at every start, and until then no offset is committed: the group's offsets still show that it went back.
"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from saga_coordinator.handlers.records import Entry
from saga_coordinator.handlers.recovery import IN_DOUBT, Known, doubts, evidence_of
from saga_coordinator.sagas import Cause
from saga_coordinator.sagas.machine import Block, Status
from saga_coordinator.service.app import database
from saga_coordinator.service.app.bootstrap import Service
from saga_coordinator.service.kafka.gap import read_gap
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.storage.queries import InstanceFilter
from saga_coordinator.service.telemetry.logs import logger

CLOCKS: Final = timedelta(hours=1)
"""How far the clock of a broker may be behind: outcomes are read from so long before the newest entry on."""

MAX_HISTORY: Final = 1_000_000


async def prepare(service: Service) -> None:
    """Find the instances in doubt, and stall those that exist. Nothing is lost if it fails: repeat it."""
    settings, routes = service.settings, service.routes
    replies = routes.names.replies
    offsets = {
        (lease.topic, lease.partition): lease.next_offset or 0
        for lease in await service.store.leases()
        if lease.topic == replies
    }
    outcomes = {routes.names.outcomes(saga.name) for saga in routes.sagas.values()}
    since = await service.store.newest_entry() - CLOCKS
    found = dict(await service.store.doubts())
    async for records in read_gap(settings.kafka, offsets, outcomes, since):
        if evidence := [each for record in records if (each := evidence_of(record, replies))]:
            found = {**doubts(evidence, _known(settings, {each.instance_id for each in evidence})), **found}
    await service.store.set_doubts(found)
    service.handlers.in_doubt.update(found)
    for id_, reason in sorted(found.items()):
        await service.handlers.operator.act(id_, _block(reason))
    logger().warning("the database went back: instances in doubt stall", instances=len(found))


async def complete(service: Service) -> None:
    """Wait until the backlog is processed, which contains the last start of an instance in doubt."""
    await service.consumer.caught_up.wait()
    await service.store.set_doubts({})
    service.handlers.in_doubt.clear()
    logger().info("recovered: the backlog is processed, and offsets are committed again")


def _known(settings: Settings, ids: Collection[str]) -> Mapping[str, Known]:
    with database.open_queries(settings) as queries:
        rows = queries.instances(InstanceFilter(ids=ids), len(ids))
        return {row.id: Known(Status(row.status).is_final, _sent(queries.history(row, MAX_HISTORY))) for row in rows}


def _sent(history: Sequence[Entry]) -> frozenset[str]:
    """Return the ids of the commands that were sent."""
    return frozenset(id_ for entry in history for *_, id_ in json.loads(entry.decided).get("sent", ()))


def _block(reason: str) -> Callable[[datetime], Block]:
    return lambda now: Block(now, Cause(None, IN_DOUBT, reason))
