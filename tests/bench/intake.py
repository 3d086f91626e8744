"""The intake without Kafka: recorded records through the handlers, by how many records a batch has.

Each run is a process of its own on an empty database (`intake_process.py`). CPU time is that of the process; the parts
of the loop are measured in further runs, because to measure them costs time itself.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

from tests.bench import processes, recording
from tests.bench.checkout import Checkout
from tests.bench.plan import Tracing

BATCHES = (16, 200)
ORDERS, QUICK_ORDERS = 2_000, 100


@dataclass(frozen=True, slots=True)
class IntakeRun:
    """Which batches, with which tracing, and whether the parts are measured instead of the whole."""

    batch: int
    tracing: Tracing
    parts: bool = False

    def title(self) -> str:
        return f"intake, {self.batch} a batch, tracing {self.tracing}"


@dataclass(frozen=True, slots=True)
class Intake:
    """The recorded records, and where spans are exported to."""

    records: Path
    endpoint: str

    @classmethod
    def record(cls, orders: int, folder: Path, endpoint: str) -> "Intake":
        """Record the records of so many orders."""
        file = folder / "records.jsonl"
        recording.write(file, asyncio.run(recording.record(orders, folder / "recording.db")))
        return cls(file, endpoint)

    def measure(self, checkout: Checkout, run: IntakeRun) -> dict[str, float]:
        """Run once, and return microseconds a saga by figure. Raises `NotReady`."""
        command = [*checkout.module("tests.bench.intake_process"), str(self.records), "--batch", str(run.batch)]
        if run.parts:
            command.append("--parts")
        environment = processes.tracing_environment(run.tracing, self.endpoint)
        figures: dict[str, float] = json.loads(processes.output_of(command, checkout.path, environment))
        return figures
