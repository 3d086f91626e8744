"""What the benchmark prints: tables, or one line of JSON."""

import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.bench.bench import Result
from tests.bench.comparison import Comparison, comparison_table
from tests.bench.intake import BATCHES, IntakeRun
from tests.bench.machine import Cost
from tests.bench.plan import Figures, Plan


def print_result(result: Result, plan: Plan, *, as_json: bool) -> None:
    """Print the figures. In JSON `runs` is empty, and others are missing, where that part was not asked for."""
    machine = _machine(plan)
    if as_json:
        _print_json(_as_json(result, machine))
        return
    console, caption = Console(), _described(machine)
    if result.machine is not None:
        console.print(_cost_table(caption, result.machine))
    if result.intake:
        console.print(_intake_table(caption, result.intake))
    if result.runs:
        console.print(_table(caption, result.runs))
    if any(run.parts for run in result.runs):
        console.print(_parts_table(caption, result.runs))


def print_comparisons(comparisons: Sequence[Comparison], plan: Plan, *, as_json: bool) -> None:
    """Print the figures of two checkouts."""
    machine = _machine(plan)
    if as_json:
        _print_json({"machine": machine, "comparisons": [each.as_json() for each in comparisons]})
    else:
        Console().print(comparison_table(comparisons, _described(machine)))


def _as_json(result: Result, machine: dict[str, object]) -> dict[str, object]:
    report: dict[str, object] = {"machine": machine, "runs": [run.as_json() for run in result.runs]}
    if result.machine is not None:
        report["machine_us"] = result.machine.as_json()
    if result.intake:
        report["intake_us"] = [
            {"batch": run.batch, "tracing": run.tracing, **_medians(figures)} for run, figures in result.intake.items()
        ]
    return report


def _print_json(report: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(report) + "\n")


def _medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    return {figure: round(median(each[figure] for each in rounds), 2) for figure in rounds[0]}


def _machine(plan: Plan) -> dict[str, object]:
    """Describe the machine that the figures are of."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "kafka": plan.kafka if "kafka" in plan.measured else None,
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _described(machine: dict[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in machine.items() if value is not None)


def _new_table(title: str, caption: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, caption=caption)
    for column in texts:
        table.add_column(column)
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def _cost_table(caption: str, cost: Cost) -> Table:
    table = _new_table("one transition, CPU time", caption, ("saga", "signal"), ("us",))
    for kind, took in (("the median of an order fulfilled", cost.median), *cost.order.items()):
        table.add_row("order fulfilment", kind, f"{took:.1f}")
    for kind, took in cost.long_list.items():
        table.add_row(f"for_each of {cost.items}", kind.replace("_", " "), f"{took:.1f}")
    return table


def _intake_table(caption: str, intake: dict[IntakeRun, list[dict[str, float]]]) -> Table:
    modes = list(dict.fromkeys(run.tracing for run in intake))
    columns = [(batch, tracing) for batch in BATCHES for tracing in modes]
    named = [f"{batch} a batch, tracing {tracing}" for batch, tracing in columns]
    table = _new_table("the intake without Kafka, CPU us a saga", caption, ("part of the loop",), named)
    figures: dict[str, dict[tuple[int, str], float]] = {}
    for run, rounds in intake.items():
        for figure, value in _medians(rounds).items():
            figures.setdefault(figure, {})[run.batch, run.tracing] = value
    for figure, values in figures.items():
        table.add_row(_TITLES.get(figure, figure), *(f"{values[column]:.0f}" for column in columns))
    return table


_TITLES = {"cpu_us": "the whole process, parts not measured", "user_us": "of it in user mode"}


def _table(caption: str, runs: Sequence[Figures]) -> Table:
    numbers = ("sagas/s", "CPU ms/saga", "p50 ms", "p99 ms", "memory MB")
    table = _new_table("order fulfilment, 10 % compensated", caption, ("tracing", "load"), numbers)
    for run in runs:
        shown = (f"{run.sagas_per_s:.0f}", f"{run.cpu_ms_per_saga:.2f}", f"{run.p50_ms:.1f}", f"{run.p99_ms:.1f}")
        table.add_row(run.tracing, run.scenario.title(), *shown, f"{run.memory_mb:.0f}")
    return table


def _parts_table(caption: str, runs: Sequence[Figures]) -> Table:
    """Return where the time goes under load."""
    named = [f"{run.scenario.title()}, tracing {run.tracing}" for run in runs]
    table = _new_table("where the time goes, CPU us a saga", caption, ("part of the loop",), named)
    for part in runs[0].parts:
        table.add_row(part, *(f"{run.parts[part]:.0f}" for run in runs))
    return table
