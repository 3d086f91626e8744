"""What the benchmark runs, and what it reports of each run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

Part = Literal["machine", "intake", "kafka"]
"""`machine`: one transition; `intake`: batches of records without Kafka; `kafka`: throughput and latency with it."""

PARTS: tuple[Part, ...] = ("machine", "intake", "kafka")

Tracing = Literal["off", "on", "exported"]
"""off: the SDK is disabled; on: context is passed on and there is no endpoint; exported: to a real OTLP endpoint."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One load: so many orders in flight (`window`), or so many a second whatever becomes of them (`rate`)."""

    orders: int
    window: int | None = None
    rate: int | None = None

    @classmethod
    def parse(cls, text: str, orders: int | None = None) -> Self:
        """Read `400` as 400 orders in flight, and `50/s` as 50 orders a second; `1` is one order at a time.

        Without a number of orders it takes some ten seconds. Raises `ValueError`.
        """
        number, slash, unit = text.partition("/")
        if not number.isdecimal() or int(number) == 0 or (slash and unit != "s"):
            raise ValueError(f"{text!r} is no run: write 400 for 400 orders in flight, 50/s for 50 orders a second")
        pace = int(number)
        if slash:
            return cls(orders or max(1_000, 15 * pace), rate=pace)
        return cls(orders or min(12_000, max(500, 30 * pace)), window=pace)

    @property
    def is_busy(self) -> bool:
        """Whether so many orders are in flight that the clients around the service gather messages."""
        return self.window is not None and self.window >= _BUSY

    def title(self) -> str:
        """Say it in two words."""
        if self.window == 1:
            return "one at a time"
        return f"{self.window} in flight" if self.window else f"{self.rate}/s"


_BUSY = 50


@dataclass(frozen=True, slots=True)
class Figures:
    """One run: sagas a second, CPU of the service's process a saga in ms, order to outcome in ms, its memory in MB.

    `parts` is the CPU in us a saga by part of its loop, if that was measured.
    """

    tracing: Tracing
    scenario: Scenario
    sagas_per_s: float
    cpu_ms_per_saga: float
    p50_ms: float
    p99_ms: float
    memory_mb: float
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """The figures by name."""
        return {
            "sagas_per_s": round(self.sagas_per_s, 1),
            "cpu_ms_per_saga": round(self.cpu_ms_per_saga, 3),
            "p50_ms": round(self.p50_ms, 1),
            "p99_ms": round(self.p99_ms, 1),
            "memory_mb": round(self.memory_mb, 1),
            **self.parts,
        }

    def as_json(self) -> dict[str, object]:
        """Return the run as the benchmark's JSON has it."""
        pace = {"window": self.scenario.window} if self.scenario.window else {"rate": self.scenario.rate}
        return {"tracing": self.tracing, **pace, **self.values}


MODES: tuple[Tracing, ...] = ("off", "on", "exported")
WARM_UP = Scenario(2_000, window=400)
FULL = tuple(map(Scenario.parse, ("400", "1000", "1", "50/s", "500/s")))
QUICK = (Scenario(400, window=100), Scenario(100, rate=50))
COMPARED = tuple(map(Scenario.parse, ("1000", "500/s", "1")))
"""What is compared with another checkout, if nothing else is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured and how. `kafka` is a real one, or librdkafka's mock: no durability, higher latency.

    What is compared, and the intake, is measured in `rounds`. With `parts` the service counts what each part of its
    loop takes, which costs time itself.
    """

    measured: tuple[Part, ...] = PARTS
    kafka: Literal["java", "embedded"] = "java"
    scenarios: tuple[Scenario, ...] = FULL
    tracing: tuple[Tracing, ...] = MODES
    rounds: int = 3
    quick: bool = False
    parts: bool = False
