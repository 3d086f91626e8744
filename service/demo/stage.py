"""Starts all that the demo needs in this one process, and stops it: broker, database, service, participants, shop."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from saga_coordinator.handlers.ports import Observer
from saga_coordinator.handlers.routing import Routes
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.testing.variants import scale_time
from saga_coordinator.service.app.bootstrap import Service, build_service
from saga_coordinator.service.app.run import run
from saga_coordinator.service.demo.audit import Audit, audit
from saga_coordinator.service.demo.entries import Effect
from saga_coordinator.service.demo.load import Load, Plan, Rate
from saga_coordinator.service.demo.participants import Participants
from saga_coordinator.service.demo.report import LoadReport
from saga_coordinator.service.demo.script import FETCH_WAIT, Script
from saga_coordinator.service.demo.story import Story
from saga_coordinator.service.demo.tally import Tally
from saga_coordinator.service.errors import NotReady
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from saga_coordinator.service.settings import KafkaSettings, Settings
from saga_coordinator.service.storage.sqlite.checkpoint import checkpoint
from saga_coordinator.service.storage.sqlite.queries import open_queries
from saga_coordinator.service.telemetry.environment import Kind, endpoint
from saga_coordinator.service.telemetry.observer import Observers, Telemetry

_PARTITIONS: Final = 4
_READY_TIMEOUT_S: Final = 30.0
_READY_POLL_S: Final = 0.02
_SHUTDOWN_TIMEOUT_S: Final = 10.0
_MAX_ENTRIES: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What came of a demo.

    `statuses` counts the committed instances by every status, `undone` the effects that participants took back; `story`
    is that of the most telling order, None if none came to its end.
    """

    report: LoadReport
    audit: Audit
    statuses: Mapping[Status, int]
    undone: int
    story: Story | None


async def run_demo(
    script: Script, tally: Tally, stop_early: threading.Event, participants_class: type[Participants] = Participants
) -> DemoResult:
    """Play a script to its end, or until `leave` is set. Nothing that was started is left behind.

    Raises:
        BrokerError: The broker cannot start.
        NotReady: The participants were not given their topics in time.
        ExceptionGroup: One of those who play cannot go on.
    """
    saga = scale_time(order_fulfilment, script.time_scale)
    routes = Routes((saga,))
    tally.phase = "starting broker, service and participants"
    with (
        TemporaryDirectory(prefix="saga-demo-") as folder,
        EmbeddedBroker(dict.fromkeys(routes.topics_in | routes.topics_out, _PARTITIONS)) as broker,
        ThreadPoolExecutor(2, "saga-demo") as threads,
    ):
        settings = _settings(broker, Path(folder) / "saga.db")
        participants = participants_class(
            broker.bootstrap_servers, None, script.behaviour, on_hop=tally.on_command, warn=tally.warn
        )
        actors = _Actors(participants, _shop(broker, script, tally), threads)
        async with (
            _observing(settings, tally) as observer,
            build_service(settings, (saga,), observer, _always) as service,
        ):
            report = await _run(service, observer, actors, tally, stop_early)
        return _performance(settings.sqlite_path, report, actors, tally)


@dataclass(frozen=True, slots=True)
class _Actors:
    """Those who play beside the service, and the threads that they play in."""

    participants: Participants
    shop: Load
    threads: ThreadPoolExecutor


async def _run(
    service: Service, observer: Observer, actors: _Actors, tally: Tally, stop_early: threading.Event
) -> LoadReport:
    """Let all play until the shop has every outcome; then the service is drained, and the participants go home."""
    stop, stop_participants = asyncio.Event(), threading.Event()
    in_thread = partial(asyncio.get_running_loop().run_in_executor, actors.threads)
    try:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(run(service, stop, observer), name="service")
            writing_back = tasks.create_task(checkpoint(service.store, observer), name="write back")
            tasks.create_task(_wait_for(in_thread(actors.participants.run, stop_participants)), name="participants")
            await _ready(actors.participants, stop_early)
            tally.phase = "placing orders"
            report = await in_thread(actors.shop.run, stop_early)
            tally.phase = "stopping"
            stop.set()
            await serving
            writing_back.cancel()
            stop_participants.set()
    finally:
        stop_early.set()
        stop_participants.set()
    return report


@asynccontextmanager
async def _observing(settings: Settings, tally: Tally) -> AsyncIterator[Observer]:
    """Yield the tally as the observer, beside one that exports traces if a variable says where to."""
    if endpoint(Kind.TRACES) is None:
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


async def _ready(participants: Participants, stop_early: threading.Event) -> None:
    until = time.monotonic() + _READY_TIMEOUT_S
    while not (participants.ready.is_set() or stop_early.is_set()):
        if time.monotonic() > until:
            raise NotReady(
                f"the participants were not given their topics within {_READY_TIMEOUT_S:.0f} s: this machine is very "
                "busy; try again later"
            )
        await asyncio.sleep(_READY_POLL_S)


def _settings(broker: EmbeddedBroker, file: Path) -> Settings:
    kafka = KafkaSettings(bootstrap_servers=broker.bootstrap_servers, fetch_wait=FETCH_WAIT)
    return Settings(kafka=kafka, store=f"sqlite:///{file}", shutdown_timeout=_SHUTDOWN_TIMEOUT_S)


def _shop(broker: EmbeddedBroker, script: Script, tally: Tally) -> Load:
    plan = Plan(
        orders=script.orders,
        seed=script.seed,
        pace=Rate(script.per_s),
        mix=script.mix,
        patience_s=script.patience_s,
        settle_s=script.settle_s,
    )
    return Load(
        broker.bootstrap_servers,
        plan,
        on_placed=tally.on_order,
        on_outcome=tally.on_outcome,
        warn=tally.warn,
    )


def _always(_trace_id: str) -> bool:
    return True


def _performance(file: Path, report: LoadReport, actors: _Actors, tally: Tally) -> DemoResult:
    ledgers, journal, count = actors.participants.ledgers, actors.shop.journal, tally.count()
    return DemoResult(
        report=report,
        audit=audit(ledgers, journal.outcomes, journal.placed),
        statuses={status: count[status] for status in Status},
        undone=sum(entry.did is Effect.UNDONE for ledger in ledgers.values() for entry in ledger.entries),
        story=_story(file, tally),
    )


def _story(file: Path, tally: Tally) -> Story | None:
    heard = tally.stories.best
    if heard is None:
        return None
    order_id = heard.instance.key
    with open_queries(file) as reading:
        (row,) = reading.instances_by_id([heard.instance.id])
        entries = reading.history(row, _MAX_ENTRIES)
    return Story(
        saga=heard.saga,
        instance=heard.instance,
        placed_at=tally.placed[order_id],
        spans=heard.spans,
        handled=tally.handled[order_id],
        entries=entries,
    )
