"""Starts all that the demo needs in this one process, and stops it: broker, database, service, participants, shop."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from tempfile import TemporaryDirectory
from typing import Final

from saga_coordinator.handlers.names import DEFAULT_NAMES
from saga_coordinator.handlers.ports import Observer
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.variants import scale_time
from saga_coordinator.service.app.bootstrap import Service, build_service
from saga_coordinator.service.app.database import open_queries
from saga_coordinator.service.app.run import run
from saga_coordinator.service.demo.audit import AuditReport, audit
from saga_coordinator.service.demo.ledger import Effect
from saga_coordinator.service.demo.load import LoadPlan, LoadReport, Shop
from saga_coordinator.service.demo.participants import Participants
from saga_coordinator.service.demo.script import FETCH_WAIT, Script
from saga_coordinator.service.demo.story import OrderStory
from saga_coordinator.service.demo.tally import DemoTally
from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from saga_coordinator.service.settings import KafkaSettings, Settings
from saga_coordinator.service.storage.queries import InstanceFilter
from saga_coordinator.service.telemetry.environment import ExportKind, endpoint
from saga_coordinator.service.telemetry.observer import Observers, Telemetry

_PARTITIONS: Final = 4
_READY_TIMEOUT_S: Final = 30.0
_READY_POLL_S: Final = 0.02
_SHUTDOWN_TIMEOUT_S: Final = 10.0
_PATIENCE_S: Final = 20.0
_MAX_ENTRIES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """The result of a demo.

    `statuses` counts the committed instances by every status, `compensated_effects` the effects that participants took
    back; `story` is that of the most instructive order, None if none has ended.
    """

    report: LoadReport
    audit: AuditReport
    statuses: Mapping[Status, int]
    compensated_effects: int
    story: OrderStory | None

    @property
    def ok(self) -> bool:
        """Return whether every order has its one outcome, and the ledgers agree with it."""
        ended = self.statuses[Status.COMPLETED] + self.statuses[Status.COMPENSATED]
        return self.audit.ok and ended == self.report.orders > 0


async def run_demo(script: Script, tally: DemoTally, stop_early: threading.Event) -> DemoResult:
    """Run a demo to its end, or until `stop_early` is set. Nothing that was started is left behind.

    Raises:
        BrokerError: The broker cannot start.
        NotReady: The participants were not assigned their topics in time.
        ExceptionGroup: Service, participants or shop failed.
    """
    saga = scale_time(order_fulfilment, script.time_scale)
    routes = Routes((saga,))
    tally.phase = "starting broker, service and participants"
    with (
        TemporaryDirectory(prefix="saga-demo-") as folder,
        EmbeddedBroker(dict.fromkeys(routes.topics_in | routes.topics_out, _PARTITIONS)) as broker,
        ThreadPoolExecutor(2, "saga-demo") as threads,
    ):
        servers = broker.bootstrap_servers
        kafka = KafkaSettings(bootstrap_servers=servers, fetch_wait=FETCH_WAIT, start_from="beginning")
        settings = Settings(
            name=DEFAULT_NAMES.coordinator,
            kafka=kafka,
            store=f"sqlite:///{folder}/saga.db",
            shutdown_timeout=_SHUTDOWN_TIMEOUT_S,
        )
        plan = LoadPlan(
            orders=script.orders, seed=script.seed, per_s=script.per_s, mix=script.mix, patience_s=_PATIENCE_S
        )
        others = _Others(
            Participants(servers, None, script.behaviour, on_command=tally.on_command, warn=tally.warn),
            Shop(servers, plan, on_placed=tally.on_order, on_outcome=tally.on_outcome, warn=tally.warn),
            threads,
        )
        async with (
            _observing(settings, tally) as observer,
            build_service(settings, (saga,), observer, _always) as service,
        ):
            report = await _run(service, observer, others, tally, stop_early)
        return _result(settings, report, others, tally)


@dataclass(frozen=True, slots=True)
class _Others:
    """Participants and shop, and the threads that they run in."""

    participants: Participants
    shop: Shop
    threads: ThreadPoolExecutor


async def _run(
    service: Service, observer: Observer, others: _Others, tally: DemoTally, stop_early: threading.Event
) -> LoadReport:
    """Run all until the shop has every outcome; then drain the service, and stop the participants."""
    stop, stop_participants = asyncio.Event(), threading.Event()
    in_thread = partial(asyncio.get_running_loop().run_in_executor, others.threads)
    try:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(run(service, stop, observer), name="service")
            checkpoints = tasks.create_task(service.store.run_checkpoints(observer), name="checkpoints")
            tasks.create_task(_wait_for(in_thread(others.participants.run, stop_participants)), name="participants")
            await _wait_until_ready(others.participants, stop_early)
            tally.phase = "placing orders"
            report = await in_thread(others.shop.run, stop_early)
            tally.phase = "stopping"
            stop.set()
            await serving
            checkpoints.cancel()
            stop_participants.set()
    finally:
        stop_early.set()
        stop_participants.set()
    return report


@asynccontextmanager
async def _observing(settings: Settings, tally: DemoTally) -> AsyncIterator[Observer]:
    """Yield the tally as the observer, beside one that exports traces if a variable says where to."""
    if endpoint(ExportKind.TRACES) is None:
        yield tally
        return
    telemetry = Telemetry(settings.kafka.group)
    telemetry.start()
    try:
        yield Observers(telemetry, tally)
    finally:
        await telemetry.stop()


async def _wait_for(thread: asyncio.Future[None]) -> None:
    await thread


async def _wait_until_ready(participants: Participants, stop_early: threading.Event) -> None:
    until = time.monotonic() + _READY_TIMEOUT_S
    while not (participants.ready.is_set() or stop_early.is_set()):
        if time.monotonic() > until:
            raise NotReady(
                f"the participants were not assigned their topics within {_READY_TIMEOUT_S:.0f} s: this machine is "
                "very busy; try again later"
            )
        await asyncio.sleep(_READY_POLL_S)


def _always(_trace_id: str) -> bool:
    return True


def _result(settings: Settings, report: LoadReport, others: _Others, tally: DemoTally) -> DemoResult:
    ledgers, journal, count = others.participants.handler.ledgers, others.shop.journal, tally.count()
    effects = [entry.effect for ledger in ledgers.values() for entry in ledger.entries]
    return DemoResult(
        report=report,
        audit=audit(ledgers, journal.outcomes, journal.placed),
        statuses={status: count[status] for status in Status},
        compensated_effects=effects.count(Effect.COMPENSATED),
        story=None if tally.stories.best is None else _whole(tally.stories.best, settings, tally),
    )


def _whole(story: OrderStory, settings: Settings, tally: DemoTally) -> OrderStory:
    """Add to a story what the database, the participants and the shop know."""
    with open_queries(settings) as queries:
        (row,) = queries.instances(InstanceFilter(ids=[story.instance.id]), 1)
        entries = queries.history(row, _MAX_ENTRIES)
    order_id = story.instance.key
    return replace(story, placed_at=tally.placed[order_id], handled=tally.handled[order_id], entries=entries)
