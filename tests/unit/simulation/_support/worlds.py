"""Simulations for tests: a saga, a model written out, and what came of it."""

from collections.abc import Sequence
from typing import Any

from saga_coordinator.contracts import Command
from saga_coordinator.sagas import Saga, for_each
from saga_coordinator.sagas.language.nodes import ForEach
from saga_coordinator.sagas.machine import Direction, Status
from saga_coordinator.service.simulation.engine import Simulation, Why
from saga_coordinator.service.simulation.figures import Figures, figures
from saga_coordinator.service.simulation.model_file import ModelFile
from saga_coordinator.service.simulation.resolved_model import resolve
from tests.support.saga_kit import Data, Did, command

AnySaga = Saga[Any, Any]


def simulated(saga: AnySaga, model: str, instances: int = 1, seed: int = 1) -> Simulation:
    """Run instances of a saga in the world of a model."""
    simulation = Simulation(saga, resolve(saga, ModelFile("model.toml", model), seed), instances, seed)
    simulation.run()
    return simulation


def figured(saga: AnySaga, model: str, instances: int = 1, seed: int = 1) -> Figures:
    """Run instances, and return the figures."""
    return figures(simulated(saga, model, instances, seed), seed)


def ends(simulation: Simulation) -> set[tuple[Status, float]]:
    """How instances ended, and after how many seconds."""
    return {(each.status, round((each.ended - each.began) / 1e6, 6)) for each in simulation.tally.endings}


def reasons(ranked: Sequence[tuple[Why, int]]) -> list[tuple[str | None, str, int]]:
    """What went wrong forward: step, code and how often."""
    return [(why.step, why.code, count) for why, count in ranked if why.direction is Direction.FORWARD]


def commands(latencies: dict[str, str]) -> str:
    """The tables of commands with constant latencies, by the names of their steps."""
    return "\n".join(f'[commands."made.do-{name}.v1"]\nlatency = "{latency}"' for name, latency in latencies.items())


def each_of(name: str, items: Sequence[str], limit: int | None = None) -> ForEach[Data]:
    """A `for_each` of these items, which can be undone."""
    do, undo = command(name), command(name, undo=True)

    def listed(_: Data) -> list[str]:
        return list(items)

    def send(data: Data, item: str) -> Command[Any]:
        return do.model_validate({"key": f"{data.key}/{item}", "seen": ()})

    def put_back(data: Data, item: str) -> Command[Any]:
        return undo.model_validate({"key": f"{data.key}/{item}", "seen": ()})

    def remember(data: Data, item: str, _: Did) -> Data:
        return data.model_copy(update={"seen": (*data.seen, f"{name}[{item}]")})

    def key(item: str) -> str:
        return item

    send.__annotations__ |= {"return": do}
    put_back.__annotations__ |= {"return": undo}
    return for_each(name, listed, send, key=key, remember=remember, compensate=put_back, limit=limit)
