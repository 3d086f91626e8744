"""What the benchmark runs, and what it reports of each run."""

from dataclasses import dataclass
from typing import Literal

Tracing = Literal["off", "on", "exported"]
"""off: the SDK is disabled; on: context is passed on and there is no endpoint; exported: to a real OTLP endpoint."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load: so many orders in flight (`window`), or so many a second whatever becomes of them (`rate`)."""

    orders: int
    window: int | None = None
    rate: int | None = None

    def title(self) -> str:
        """Say it in two words."""
        return f"{self.window} in flight" if self.window else f"{self.rate}/s"


@dataclass(frozen=True, slots=True)
class Figures:
    """One run: sagas a second, CPU of the service's process a saga in ms, order to outcome in ms."""

    tracing: Tracing
    scenario: Scenario
    sagas_per_s: float
    cpu_ms_per_saga: float
    p50_ms: float
    p99_ms: float

    def as_json(self) -> dict[str, object]:
        """Return the run as the benchmark's JSON has it."""
        pace = {"window": self.scenario.window} if self.scenario.window else {"rate": self.scenario.rate}
        return {
            "tracing": self.tracing,
            **pace,
            "sagas_per_s": round(self.sagas_per_s, 1),
            "cpu_ms_per_saga": round(self.cpu_ms_per_saga, 3),
            "p50_ms": round(self.p50_ms, 1),
            "p99_ms": round(self.p99_ms, 1),
        }


MODES: tuple[Tracing, ...] = ("off", "on", "exported")
WARM_UP = Scenario(2_000, window=400)
FULL = (
    Scenario(12_000, window=400),
    Scenario(12_000, window=1_000),
    Scenario(1_000, rate=50),
    Scenario(7_500, rate=500),
)
QUICK = (Scenario(400, window=100), Scenario(100, rate=50))
