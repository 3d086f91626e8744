"""One service with its own broker and database, on which scenarios run one after the other."""

import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from saga_coordinator.handlers.routing import Routes
from saga_coordinator.sagas.catalog import catalog
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.bench import parts, processes
from tests.bench.checkout import Checkout
from tests.bench.plan import WARM_UP, Figures, Plan, Scenario, Tracing
from tests.support.kafka.java import JavaKafka

PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Stack:
    """A service that runs. `parts` is the file into which it writes what each part of its loop has taken."""

    name: str
    pid: int
    bootstrap: str
    tracing: Tracing
    folder: Path
    parts: Path | None

    def run(self, scenario: Scenario) -> Figures:
        """Run a scenario, and return its figures. Raises `NotReady` if an order has no outcome, or two."""
        with processes.participants(self.bootstrap, scenario, self.folder / "participants.log"):
            used, parts_before = processes.cpu_seconds(self.pid), self._parts()
            report = processes.place_orders(self.bootstrap, scenario, secrets.randbits(31))
            used, parts_after = processes.cpu_seconds(self.pid) - used, self._parts()
        return Figures(
            self.tracing,
            scenario,
            report["sagas_per_s"],
            used * 1000 / scenario.orders,
            report["p50_ms"],
            report["p99_ms"],
            processes.memory_mb(self.pid),
            {part: round((parts_after[part] - parts_before[part]) * 1e6 / scenario.orders, 1) for part in parts_after},
        )

    def _parts(self) -> dict[str, float]:
        """Return what each part has taken so far, in seconds; nothing if that is not measured."""
        if self.parts is None:
            return {}
        self.parts.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR1)
        while not self.parts.exists():
            time.sleep(0.01)
        seconds: dict[str, float] = json.loads(self.parts.read_text(encoding="utf-8"))
        return seconds


@contextmanager
def stack(checkout: Checkout, plan: Plan, tracing: Tracing, endpoint: str, folder: Path) -> Iterator[Stack]:
    """Start a broker and the service of a checkout, and warm both up."""
    folder.mkdir()
    port, log, file = free_port(), folder / "service.log", folder / "parts.json" if plan.parts else None
    command = (*checkout.module("tests.bench.parts"), "serve") if file else checkout.serve
    with _broker(plan.kafka) as bootstrap:
        environment = processes.service_environment(bootstrap, folder, port, tracing, endpoint)
        environment |= {parts.VARIABLE: str(file)} if file else {}
        with processes.running(command, log, environment, checkout.path) as process:
            processes.wait_for_service(f"http://127.0.0.1:{port}", log, process)
            started = Stack(checkout.name, process.pid, bootstrap, tracing, folder, file)
            started.run(WARM_UP)
            yield started


@contextmanager
def collector(folder: Path) -> Iterator[str]:
    """Start a collector, and yield its endpoint."""
    port, log = free_port(), folder / "collector.log"
    with processes.running((sys.executable, "-m", "tests.bench.collector", str(port)), log):
        processes.wait_for_text(log, "collecting")
        yield f"http://127.0.0.1:{port}/v1/traces"


@contextmanager
def _broker(kafka: str) -> Iterator[str]:
    """Start a broker with all topics."""
    routes = Routes(catalog)
    topics = dict.fromkeys(routes.topics_in | routes.topics_out, PARTITIONS)
    if kafka == "java":
        with JavaKafka(is_optimised=True) as java:
            java.create_topics(topics)
            yield java.bootstrap_servers
    else:
        with EmbeddedBroker(topics) as embedded:
            yield embedded.bootstrap_servers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
