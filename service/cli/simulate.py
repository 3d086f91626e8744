"""`saga simulate`: instances by the thousand on virtual time, against participants that a file describes."""

from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Annotated

import typer

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.machine import Direction
from saga_coordinator.service.cli.console import ProgressLine, echo, print_json, remark, table
from saga_coordinator.service.cli.definitions import newest
from saga_coordinator.service.cli.options import Json
from saga_coordinator.service.simulation.engine import Simulation, Why
from saga_coordinator.service.simulation.figures import Figures, ParticipantLoad, figures
from saga_coordinator.service.simulation.model_file import ModelFile
from saga_coordinator.service.simulation.plot import drawn, length, share
from saga_coordinator.service.simulation.resolved_model import resolve


def simulate(
    name: Annotated[str, typer.Argument(metavar="SAGA", help="A saga of the catalog; its newest version")],
    *,
    participants: Annotated[
        Path, typer.Option(help="TOML: who takes part, how fast, how reliable", exists=True, dir_okay=False)
    ],
    instances: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many")] = 10_000,
    seed: Annotated[int, typer.Option(help="One seed, the same run to the last digit")] = 1,
    plot: Annotated[Path | None, typer.Option(help="Draw cycle times and load into this SVG file")] = None,
    json: Json = False,
) -> None:
    """Run instances on virtual time against modelled participants.

    Prints completion rate, cycle times, retries, compensations, stalls, and each participant's load.
    docs/examples/order-fulfilment.toml is a model with everything in it.

    JSON: {"saga", "version", "instances", "seed", "virtual_s", "transitions", "statuses": {STATUS: COUNT},
    "completion_rate", "cycle_time_s": {STATUS: {"count", "mean", "p50", "p90", "p95", "p99", "max"}},
    "steps": {STEP: {"commands", "retries", "repeats", "compensations"}}, "why": [{"step", "direction", "code",
    "count"}], "stalls": as why, "events": {RECEIVE: {"arrived", "buffered", "unmatched"}}, "raised": {TEXT: COUNT},
    "participants": {NAME: {"requests", "carried_out", "done", "refused", "retryable", "lost", "busy", "at_once",
    "peak", "waited_p50", "waited_p99"}}}
    """
    simulation = _simulation(newest(name), participants, instances, seed)
    progress = ProgressLine()
    simulation.run(progress)
    progress.end()
    found = figures(simulation, seed)
    if json:
        print_json(found.as_json())
    else:
        show(found)
    if plot is not None:
        plot.write_text(drawn(simulation, found), encoding="utf-8")
        remark(f"{plot}: cycle times and load")


def _simulation(saga: AnySaga, path: Path, instances: int, seed: int) -> Simulation:
    """Read the model and prepare the simulation; exit with 2 where the model is wrong."""
    try:
        model = resolve(saga, ModelFile.read(path), seed)
    except ValueError as error:
        remark(str(error))
        raise typer.Exit(2) from None
    return Simulation(saga, model, instances, seed)


def show(figures: Figures) -> None:
    """Print everything: endings, cycle times, steps, reasons, events, participants."""
    echo(_summary(figures))
    table(["cycle time", "instances", "mean", "p50", "p90", "p95", "p99", "max"], _cycles(figures))
    echo("")
    table(["step", "commands", "retries", "repeats", "compensations"], _steps(figures))
    for title, ranked in (("Compensated because", figures.why), ("Stalled because", figures.stalls)):
        if ranked:
            echo("")
            table([title, "code", "instances"], ([_step(why), why.code, f"{count:,}"] for why, count in ranked))
    if figures.events:
        echo("")
        table(["event", "arrived", "buffered", "unmatched"], _events(figures))
    if figures.raised:
        echo("")
        table(["the saga's functions raised", "times"], ([each, f"{n:,}"] for each, n in figures.raised.items()))
    echo("")
    head = ["participant", "requests", "done", "refused", "retryable", "lost", "busy", "at once", "peak", "wait p50"]
    table([*head, "wait p99"], ([name, *_load(load)] for name, load in figures.participants.items()))


def _summary(figures: Figures) -> str:
    endings = ", ".join(f"{count:,} {status}" for status, count in figures.statuses.items())
    return (
        f"{figures.saga} v{figures.version}: {figures.instances:,} instances in {length(figures.virtual_s)} of virtual "
        f"time, {figures.transitions:,} transitions, seed {figures.seed}\n"
        f"completion rate {share(figures.completion_rate, 2)} ({endings})\n"
    )


def _step(why: Why) -> str:
    if why.step is None:
        return "-"
    return why.step if why.direction is Direction.FORWARD else f"the undo of {why.step}"


def _cycles(figures: Figures) -> Iterator[list[str]]:
    for status, spread in figures.cycle_time_s.items():
        count, *lengths = astuple(spread)
        yield [status, f"{count:,}", *map(length, lengths)]


def _steps(figures: Figures) -> Iterator[list[str]]:
    for step, counts in figures.steps.items():
        yield [step, *(f"{count:,}" if count else "-" for count in counts.values())]


def _events(figures: Figures) -> Iterator[list[str]]:
    for receive, counts in figures.events.items():
        yield [receive, *(f"{counts.get(what, 0):,}" for what in ("arrived", "buffered", "unmatched"))]


def _load(load: ParticipantLoad) -> list[str]:
    """Write what a participant bore. Where it has any number of places there is no share of them."""
    counts = (load.requests, load.done, load.refused, load.retryable, load.lost)
    return [
        *(f"{count:,}" for count in counts),
        "-" if load.busy is None else share(load.busy, 0),
        f"{load.at_once:.1f}",
        f"{load.peak:,}",
        length(load.waited_p50),
        length(load.waited_p99),
    ]
