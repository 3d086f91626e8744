"""The benchmark: the machine alone, the intake without Kafka, and order fulfilment on a real Kafka.

Orders below the fraud limit, 10 % of them declined at shipping; every commit is on the disk. Kafka, the load and the
participants share the machine with the service: the figures are of one machine, and only compare on one machine.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx

from tests.bench import processes
from tests.bench.checkout import Checkout
from tests.bench.comparison import Comparison, alternate, compare
from tests.bench.intake import BATCHES, ORDERS, QUICK_ORDERS, Intake, IntakeRun
from tests.bench.machine import QUICK as QUICK_EFFORT
from tests.bench.machine import Cost, Effort
from tests.bench.machine import cost as cost_of_machine
from tests.bench.plan import Figures, Plan, Scenario, Tracing
from tests.bench.stack import Stack, collector, stack

Report = Callable[[str], None]
"""Called with each step of the progress."""


@dataclass(slots=True)
class Result:
    """What was measured of this checkout; what was not asked for is empty. `intake` has the figures of each round."""

    machine: Cost | None = None
    intake: dict[IntakeRun, list[dict[str, float]]] = field(default_factory=dict)
    runs: list[Figures] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Site:
    """Where the measuring happens: a folder for what it leaves, and the collector that spans are exported to."""

    folder: Path
    endpoint: str


@contextmanager
def site(plan: Plan) -> Iterator[Site]:
    """Yield a temporary folder, with a collector if a run exports spans."""
    with ExitStack() as around:
        folder = around.enter_context(processes.folder())
        exports = "exported" in plan.tracing
        yield Site(folder, around.enter_context(collector(folder)) if exports else "")


def measure(plan: Plan, site: Site, report: Report) -> Result:
    """Measure this checkout. Raises `NotReady`, `BrokerError`, `OSError`."""
    result = Result()
    if "machine" in plan.measured:
        report("the machine alone")
        result.machine = cost_of_machine(QUICK_EFFORT if plan.quick else Effort())
    if "intake" in plan.measured:
        intake = _record(plan, site, report)
        for run in [run for _ in range(plan.rounds) for run in _intake_runs(plan)]:
            report(run.title())
            result.intake.setdefault(run, []).append(intake.measure(Checkout.here(), run))
    if "kafka" in plan.measured:
        for tracing in plan.tracing:
            report(f"tracing {tracing}")
            with _stack(Checkout.here(), plan, tracing, site) as here:
                result.runs += [_run(here, scenario, report) for scenario in plan.scenarios]
            if tracing == "exported":
                report(f"  spans received: {httpx.get(site.endpoint).text}")
    return result


def measure_against(other: Checkout, plan: Plan, site: Site, report: Report) -> list[Comparison]:
    """Measure this checkout and another alternately. Raises as `measure`."""
    comparisons: list[Comparison] = []
    both = (Checkout.here(), other)
    if "machine" in plan.measured:
        report("the machine alone")
        here, there = (partial(_machine, each, quick=plan.quick) for each in both)
        comparisons += compare("machine, us", *alternate(plan.rounds, here, there))
    if "intake" in plan.measured:
        intake = _record(plan, site, report)
        for run in _intake_runs(plan):
            report(run.title())
            here, there = (partial(intake.measure, each, run) for each in both)
            comparisons += compare(run.title(), *alternate(plan.rounds, here, there))
    if "kafka" in plan.measured:
        for tracing in plan.tracing:
            comparisons += _scenarios_against(other, plan, tracing, site, report)
    return comparisons


def _scenarios_against(
    other: Checkout, plan: Plan, tracing: Tracing, site: Site, report: Report
) -> Iterator[Comparison]:
    """Run scenarios on two services, each with a broker and a database of its own; one rests while the other works."""
    with _stack(Checkout.here(), plan, tracing, site) as here, _stack(other, plan, tracing, site) as there:
        for scenario in plan.scenarios:
            title = f"{scenario.title()}, tracing {tracing}"
            report(title)
            ours, theirs = alternate(plan.rounds, *(partial(_run, each, scenario, report) for each in (here, there)))
            yield from compare(title, [run.values for run in ours], [run.values for run in theirs])


def _run(on: Stack, scenario: Scenario, report: Report) -> Figures:
    figures = on.run(scenario)
    cpu, p50 = f"CPU {figures.cpu_ms_per_saga:.2f} ms", f"p50 {figures.p50_ms:.0f} ms"
    report(f"  {on.name}: {scenario.title()}: {figures.sagas_per_s:.0f}/s, {p50}, {cpu}")
    return figures


def _record(plan: Plan, site: Site, report: Report) -> Intake:
    report("recording what the intake receives")
    return Intake.record(QUICK_ORDERS if plan.quick else ORDERS, site.folder, site.endpoint)


def _intake_runs(plan: Plan) -> list[IntakeRun]:
    """Return the runs of the intake: the whole in each mode of tracing, then the parts."""
    modes = [(tracing, parts) for parts in (False, True) for tracing in plan.tracing]
    return [IntakeRun(batch, tracing, parts) for batch in BATCHES for tracing, parts in modes]


def _machine(checkout: Checkout, *, quick: bool) -> dict[str, float]:
    """Return what each signal of an order costs in a checkout, in us."""
    command = (*checkout.module("tests.bench"), "--only", "machine", "--json", *(("--quick",) if quick else ()))
    report = json.loads(processes.output_of(command, checkout.path, {}))
    costs: dict[str, float] = report["machine_us"]["order_fulfilment"]
    return costs


def _stack(checkout: Checkout, plan: Plan, tracing: Tracing, site: Site) -> AbstractContextManager[Stack]:
    return stack(checkout, plan, tracing, site.endpoint, site.folder / f"{checkout.name}-{tracing}")
