"""Lengths of time as a model's file writes them, and how long something takes that takes now this long, now that."""

import math
import re
from collections.abc import Mapping
from random import Random
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from saga_coordinator.service.simulation.part import Part

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
MAX_DURATION = 10 * 366 * UNITS["d"]
Z99 = 2.3263478740408408
"""The standard normal distribution's 99th percentile."""

_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(us|ms|s|min|h|d)(?![a-z])")


def _seconds(given: object) -> float:
    """Read a length of time: a number of seconds, or text such as `1 min 30 s`."""
    if isinstance(given, int | float) and not isinstance(given, bool):
        return float(given)
    total, at, text = 0.0, 0, given.strip() if isinstance(given, str) else ""
    while found := _PART.match(text, at):
        total += float(found[1]) * UNITS[found[2]]
        at = found.end()
    if not text or at != len(text):
        raise ValueError(f'{given!r} is no length of time: write seconds, or "250 ms", "1.5 s", "2 min", "3 h", "4 d"')
    return total


Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0, le=MAX_DURATION, allow_inf_nan=False)]
MoreThanNothing = Annotated[Seconds, Field(gt=0)]


class Constant(Part):
    """Always the same."""

    kind: Literal["constant"]
    value: Seconds

    def draw(self, _: Random) -> float:
        """Return how long it takes this time, in seconds."""
        return self.value


class Uniform(Part):
    """Anything from `low` to `high`, all alike."""

    kind: Literal["uniform"]
    low: Seconds
    high: Seconds

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high ({self.high} s) is less than low ({self.low} s): swap them")
        return self

    def draw(self, chance: Random) -> float:
        """Return how long it takes this time, in seconds."""
        return chance.uniform(self.low, self.high)


class Exponential(Part):
    """Without memory: `mean` is the mean."""

    kind: Literal["exponential"]
    mean: MoreThanNothing

    def draw(self, chance: Random) -> float:
        """Return how long it takes this time, in seconds."""
        return min(chance.expovariate(1 / self.mean), MAX_DURATION)


class Lognormal(Part):
    """Mostly about `median`, and one in a hundred beyond `p99`: what services are like."""

    kind: Literal["lognormal"]
    median: MoreThanNothing
    p99: MoreThanNothing

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.p99 < self.median:
            raise ValueError(f"p99 ({self.p99} s) is less than the median ({self.median} s): swap them")
        return self

    def draw(self, chance: Random) -> float:
        """Return how long it takes this time, in seconds."""
        spread = math.log(self.p99 / self.median) / Z99
        return min(chance.lognormvariate(math.log(self.median), spread), MAX_DURATION)


class Measured(Part):
    """One of these `values`, all alike: measured elsewhere."""

    kind: Literal["measured"]
    values: Annotated[tuple[Seconds, ...], Field(min_length=1)]

    def draw(self, chance: Random) -> float:
        """Return how long it takes this time, in seconds."""
        return chance.choice(self.values)


def _constant(given: Any) -> Any:  # noqa: ANN401  whatever the file holds
    """Take a plain length of time for one that is always the same."""
    return given if isinstance(given, Mapping) else {"kind": "constant", "value": given}


Latency: TypeAlias = Annotated[
    Annotated[Constant | Uniform | Exponential | Lognormal | Measured, Field(discriminator="kind")],
    BeforeValidator(_constant),
]
"""A length of time, or a table with its `kind`."""

AT_ONCE: Latency = Constant(kind="constant", value=0.0)
