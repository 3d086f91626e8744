"""`python -m tests.bench`: measure order fulfilment on this machine (`make bench`)."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from saga_coordinator.service.errors import BrokerError, NotReady
from tests.bench.bench import measure, measure_against, site
from tests.bench.checkout import Checkout
from tests.bench.plan import COMPARED, FULL, MODES, PARTS, QUICK, Plan, Scenario, Tracing
from tests.bench.report import print_comparisons, print_result


def main(arguments: list[str]) -> int:
    """Measure what the arguments ask for, and return the exit code. Progress goes to standard error."""
    parser, errors = _parser(), Console(stderr=True, highlight=False)
    given = parser.parse_args(arguments)
    try:
        plan = _plan(given)
    except ValueError as error:
        parser.error(str(error))
    try:
        other = None if given.against is None else Checkout.at(given.against)
        with site(plan) as place:
            if other is None:
                print_result(measure(plan, place, errors.print), plan, as_json=given.json)
            else:
                print_comparisons(measure_against(other, plan, place, errors.print), plan, as_json=given.json)
    except (NotReady, BrokerError, OSError) as error:
        errors.print(f"[bold red]bench:[/] {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Measure what one transition costs and what the intake costs; then, with Kafka, throughput, "
        "latency, CPU and memory of the service. With --against, measure another checkout alternately.",
        epilog='JSON, one line: {"machine", "runs": [{"tracing", "window" or "rate", "sagas_per_s", "cpu_ms_per_saga", '
        '"p50_ms", "p99_ms", "memory_mb", PART: us}], "machine_us": {"order_fulfilment": {"median", SIGNAL: ...}, '
        '"for_each_1000": {...}}, "intake_us": [{"batch", "tracing", "cpu_us", "user_us" or PART: us}]}; with '
        '--against {"machine", "comparisons": [{"run", "figure", "here", "there", "ratio", "spread"}]}',
    )
    parser.add_argument("--kafka", choices=("java", "embedded"), default="java", help="a real one from Java, or a mock")
    parser.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    parser.add_argument("--only", choices=PARTS, help="transitions alone, the intake without Kafka, or all with Kafka")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parser.add_argument("--against", type=Path, metavar="PATH", help="another checkout, with a .venv of its own")
    parser.add_argument("--rounds", type=int, default=3, help="how often a comparison, or the intake, is run (3)")
    parser.add_argument("--runs", help="which loads, e.g. 1000,500/s,1: so many in flight, or so many a second")
    parser.add_argument("--orders", type=int, help="how many orders each of these loads has")
    parser.add_argument("--tracing", help="off, on or exported, or several with commas (all; against: off)")
    parser.add_argument("--parts", action="store_true", help="where the service's time goes under load, too")
    return parser


def _plan(given: argparse.Namespace) -> Plan:
    alone = given.against is not None or given.only == "intake"
    return Plan(
        measured=(given.only,) if given.only else PARTS,
        kafka=given.kafka,
        scenarios=_scenarios(given),
        tracing=_tracing(given.tracing or ("off" if alone else ",".join(MODES))),
        rounds=given.rounds,
        quick=given.quick,
        parts=given.parts,
    )


def _scenarios(given: argparse.Namespace) -> tuple[Scenario, ...]:
    if given.runs:
        return tuple(Scenario.parse(each, given.orders) for each in given.runs.split(","))
    if given.quick:
        return QUICK
    return FULL if given.against is None else COMPARED


def _tracing(text: str) -> tuple[Tracing, ...]:
    chosen = text.split(",")
    if wrong := set(chosen) - set(MODES):
        raise ValueError(f"--tracing {','.join(sorted(wrong))}: it is off, on or exported")
    return tuple(mode for mode in MODES if mode in chosen)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
