"""The figures of a simulation as tables."""

from collections.abc import Iterator
from dataclasses import astuple

from saga_coordinator.sagas.machine import Direction
from saga_coordinator.service.cli.console import echo, table
from saga_coordinator.service.simulation.engine import Why
from saga_coordinator.service.simulation.figures import Figures, Load, Spread
from saga_coordinator.service.simulation.plot import length, share


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
        yield [status, f"{spread.count:,}", *(length(each) for each in _lengths(spread))]


def _lengths(spread: Spread) -> tuple[float, ...]:
    return astuple(spread)[1:]


def _steps(figures: Figures) -> Iterator[list[str]]:
    for step, counts in figures.steps.items():
        yield [step, *(f"{count:,}" if count else "-" for count in counts.values())]


def _events(figures: Figures) -> Iterator[list[str]]:
    for receive, counts in figures.events.items():
        yield [receive, *(f"{counts.get(what, 0):,}" for what in ("arrived", "buffered", "unmatched"))]


def _load(load: Load) -> list[str]:
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
