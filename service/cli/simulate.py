"""`saga simulate`: instances by the thousand on virtual time, against participants that a file describes."""

from pathlib import Path
from typing import Annotated

import typer

from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.service.cli.console import print_json, remark
from saga_coordinator.service.cli.definitions import newest
from saga_coordinator.service.cli.options import Json
from saga_coordinator.service.cli.simulation_table import show
from saga_coordinator.service.simulation.engine import Simulation
from saga_coordinator.service.simulation.figures import figures
from saga_coordinator.service.simulation.model_file import ModelFile
from saga_coordinator.service.simulation.plot import drawn
from saga_coordinator.service.simulation.roles import roles


def simulate(
    name: Annotated[str, typer.Argument(help="A saga of the catalog; its newest version")],
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
    simulation.run()
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
        parts = roles(saga, ModelFile.read(path), seed)
    except ValueError as error:
        remark(str(error))
        raise typer.Exit(2) from None
    return Simulation(saga, parts, instances, seed)
