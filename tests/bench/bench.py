"""The benchmark: the machine alone, then order fulfilment on a real Kafka, each part a process of its own.

Orders below the fraud limit, 10 % of them declined at shipping; every commit is on the disk. Kafka, the load and the
participants share the machine with the service: the figures are of one machine, and only compare on one machine.
"""

import json
import os
import platform
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

import httpx
from rich.console import Console
from rich.table import Table

from saga_coordinator.handlers.routing import Routes
from saga_coordinator.sagas.catalog import catalog
from saga_coordinator.service.errors import BrokerError, NotReady
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.bench import processes
from tests.bench.machine import QUICK as QUICK_EFFORT
from tests.bench.machine import Cost, Effort
from tests.bench.machine import cost as cost_of_machine
from tests.bench.plan import FULL, MODES, QUICK, WARM_UP, Figures, Scenario, Tracing
from tests.support.kafka.java import JavaKafka

PARTITIONS = 4


Part = Literal["machine", "kafka"]
"""`machine`: the cost of one transition; `kafka`: sagas a second and latency, with all that is around the machine."""


def bench(*, kafka: str = "java", quick: bool = False, as_json: bool = False, only: Part | None = None) -> int:
    """Measure both parts, or only one; print tables or one line of JSON, and return the exit code.

    `kafka` is `java` (a real one) or `embedded` (librdkafka's mock: no durability, higher latency). Progress goes to
    standard error.
    """
    errors = Console(stderr=True, highlight=False)
    cost: Cost | None = None
    runs: list[Figures] = []
    if only != "kafka":
        errors.print("the machine alone")
        cost = cost_of_machine(QUICK_EFFORT if quick else Effort())
    if only != "machine":
        try:
            with processes.folder() as folder:
                runs = list(_all(kafka, folder, QUICK if quick else FULL, errors.print))
        except (NotReady, BrokerError, OSError) as error:
            errors.print(f"[bold red]bench:[/] {error}")
            return 1
    _print(_machine(None if only == "machine" else kafka), cost, runs, as_json=as_json)
    return 0


def _print(machine: dict[str, object], cost: Cost | None, runs: list[Figures], *, as_json: bool) -> None:
    """Print the figures. In JSON `runs` is empty, or `machine_us` missing, where that part was not asked for."""
    if as_json:
        result: dict[str, object] = {"machine": machine, "runs": [run.as_json() for run in runs]}
        if cost is not None:
            result["machine_us"] = cost.as_json()
        sys.stdout.write(json.dumps(result) + "\n")
        return
    if cost is not None:
        Console().print(_cost_table(machine, cost))
    if runs:
        Console().print(_table(machine, runs))


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


def _all(
    kafka: str, folder: Path, scenarios: tuple[Scenario, ...], report_progress: Callable[[str], None]
) -> Iterator[Figures]:
    """Run every scenario in every mode of tracing, each mode with a fresh broker, service and database."""
    with ExitStack() as around:
        collector_port = _free_port()
        log = folder / "collector.log"
        around.enter_context(processes.running(["tests.bench.collector", str(collector_port)], log))
        processes.wait_for_text(log, "collecting")
        for tracing in MODES:
            report_progress(f"tracing {tracing}")
            endpoint = f"http://127.0.0.1:{collector_port}/v1/traces"
            with _broker(kafka) as bootstrap:
                yield from _one_mode(bootstrap, folder, (tracing, endpoint), scenarios, report_progress)


def _one_mode(
    bootstrap: str,
    folder: Path,
    traced: tuple[Tracing, str],
    scenarios: tuple[Scenario, ...],
    report_progress: Callable[[str], None],
) -> Iterator[Figures]:
    """Start a service, warm it up, and run every scenario."""
    tracing, endpoint = traced
    port, log = _free_port(), folder / f"service-{tracing}.log"
    environment = processes.service_environment(bootstrap, folder, port, tracing, endpoint)
    with processes.running(["saga_coordinator.service.cli", "serve"], log, environment) as pid:
        processes.wait_for_service(f"http://127.0.0.1:{port}", log)
        for scenario in (WARM_UP, *scenarios):
            with processes.participants(bootstrap, scenario, folder / "participants.log"):
                before = processes.cpu_seconds(pid)
                report = processes.place_orders(bootstrap, scenario, secrets.randbits(31))
                cpu = (processes.cpu_seconds(pid) - before) * 1000 / scenario.orders
            figures = Figures(tracing, scenario, report["sagas_per_s"], cpu, report["p50_ms"], report["p99_ms"])
            report_progress(
                f"  {scenario.title()}: {figures.sagas_per_s:.0f}/s, p50 {figures.p50_ms:.0f} ms, CPU {cpu:.2f} ms"
            )
            if scenario is not WARM_UP:
                yield figures
    if tracing == "exported":
        report_progress(f"  spans received: {httpx.get(endpoint).text}")


def _machine(kafka: str | None) -> dict[str, object]:
    """Describe the machine that the figures are of."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "kafka": kafka,
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _cost_table(machine: dict[str, object], cost: Cost) -> Table:
    table = Table(title="one transition, CPU time", caption=_described(machine))
    for column in ("saga", "signal", "us"):
        table.add_column(column, justify="right" if column == "us" else "left")
    for kind, took in (("the median of an order fulfilled", cost.median), *cost.order.items()):
        table.add_row("order fulfilment", kind, f"{took:.1f}")
    for kind, took in cost.long_list.items():
        table.add_row(f"for_each of {cost.items}", kind.replace("_", " "), f"{took:.1f}")
    return table


def _table(machine: dict[str, object], runs: list[Figures]) -> Table:
    table = Table(title="order fulfilment, 10 % compensated", caption=_described(machine))
    for column in ("tracing", "load", "sagas/s", "CPU ms/saga", "p50 ms", "p99 ms"):
        table.add_column(column, justify="left" if column in {"tracing", "load"} else "right")
    for run in runs:
        shown = (f"{run.sagas_per_s:.0f}", f"{run.cpu_ms_per_saga:.2f}", f"{run.p50_ms:.0f}", f"{run.p99_ms:.0f}")
        table.add_row(run.tracing, run.scenario.title(), *shown)
    return table


def _described(machine: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items() if value is not None)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
