"""The model of a simulation: who takes part, how fast and how reliable, and which events come.

The file is TOML; `docs/examples/order-fulfilment.toml` is one with everything in it.
"""

import math
import re
from collections.abc import Mapping
from random import Random
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from saga_coordinator.contracts.message import MAX_RETRY_AFTER
from saga_coordinator.sagas.language.wording import suggest


class Table(BaseModel):
    """A table. An unknown key is refused, with the list of those that are known."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, given: Any) -> Any:  # noqa: ANN401  whatever the file holds
        if not isinstance(given, Mapping):
            raise ValueError(f"it must be a table with {listed(cls.model_fields)}, not {given!r}")  # noqa: TRY004  pydantic's own
        for key in given:
            if key not in cls.model_fields:
                raise ValueError(unknown_name(str(key), cls.model_fields))
        return given


def unknown_name(name: str, there_are: Mapping[str, object] | list[str], what: str = "setting") -> str:
    """Return what to say of an unknown name: which are known, and which was probably meant."""
    otherwise = f"there are {listed(there_are)}" if there_are else "there is none"
    return f"there is no {what} {name!r}: {suggest(name, there_are, otherwise)}"


def listed(names: Mapping[str, object] | list[str]) -> str:
    return ", ".join(names)


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


class Constant(Table):
    """Always the same."""

    kind: Literal["constant"]
    value: Seconds

    def draw(self, _: Random) -> float:
        return self.value


class Uniform(Table):
    """Uniform from `low` to `high`."""

    kind: Literal["uniform"]
    low: Seconds
    high: Seconds

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high ({self.high} s) is less than low ({self.low} s): swap them")
        return self

    def draw(self, chance: Random) -> float:
        return chance.uniform(self.low, self.high)


class Exponential(Table):
    """Exponential, with this mean."""

    kind: Literal["exponential"]
    mean: MoreThanNothing

    def draw(self, chance: Random) -> float:
        return min(chance.expovariate(1 / self.mean), MAX_DURATION)


class Lognormal(Table):
    """Lognormal, with this median and 99th percentile: what services are like."""

    kind: Literal["lognormal"]
    median: MoreThanNothing
    p99: MoreThanNothing

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.p99 < self.median:
            raise ValueError(f"p99 ({self.p99} s) is less than the median ({self.median} s): swap them")
        return self

    def draw(self, chance: Random) -> float:
        spread = math.log(self.p99 / self.median) / Z99
        return min(chance.lognormvariate(math.log(self.median), spread), MAX_DURATION)


class Measured(Table):
    """One of these measured `values`, all equally likely."""

    kind: Literal["measured"]
    values: Annotated[tuple[Seconds, ...], Field(min_length=1)]

    def draw(self, chance: Random) -> float:
        return chance.choice(self.values)


def _constant(given: Any) -> Any:  # noqa: ANN401  whatever the file holds
    return given if isinstance(given, Mapping) else {"kind": "constant", "value": given}


Latency: TypeAlias = Annotated[
    Annotated[Constant | Uniform | Exponential | Lognormal | Measured, Field(discriminator="kind")],
    BeforeValidator(_constant),
]
"""A length of time, or a table with its `kind`; `draw` returns one in seconds."""

AT_ONCE: Latency = Constant(kind="constant", value=0.0)


Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
"""How many of all, 0 to 1."""


class Sample(Table):
    """One possible message: its fields, and its weight beside the others."""

    data: Mapping[str, Any]
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


Samples: TypeAlias = tuple[Sample, ...]


class InheritedBehaviour(Table):
    """How a command is carried out; what is left out is inherited from one level up.

    Of all commands the share `retryable` fails and may be asked again, at the earliest after `retry_after`; the share
    `refused` fails for good, with `code`. `lost` is the share of answers that never arrive. `honoured`: the share of
    withdrawn commands of child sagas that are compensated. `replies`: what a success answers.
    """

    latency: Latency = AT_ONCE
    retryable: Share = 0.0
    retry_after: Annotated[Seconds, Field(le=MAX_RETRY_AFTER)] | None = None
    refused: Share = 0.0
    code: Annotated[str, Field(min_length=1)] = "refused"
    lost: Share = 0.0
    honoured: Share = 1.0

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.retryable + self.refused > 1:
            shares = f"retryable ({self.retryable}) and refused ({self.refused})"
            raise ValueError(f"{shares} are more than 1 together: lower one")
        return self


class CommandBehaviour(InheritedBehaviour):
    """How one type of command is carried out."""

    replies: Samples = ()


class Outage(Table):
    """An outage of a participant: from `begins`, counted from the first start, for `lasts`.

    Meanwhile it answers nothing and commands wait (`nothing`; what it had begun it ends), or everything that it begins
    fails and may be asked again (`retryable`).
    """

    begins: Seconds
    lasts: MoreThanNothing
    answers: Literal["nothing", "retryable"] = "nothing"


class ParticipantBehaviour(InheritedBehaviour):
    """A participant, which reads one command topic. At most `concurrency` commands are carried out at once."""

    concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    outages: tuple[Outage, ...] = ()


class Arrivals(Table):
    """How instances start: `rate` a second, by chance (`poisson`) or evenly (`uniform`)."""

    rate: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    process: Literal["poisson", "uniform"] = "poisson"


class Coming(Table):
    """The event that a `receive` waits for: it comes in this share of instances, so long `after` it is waited for.

    Or after the instance's start: then it may come early.
    """

    share: Share = 1.0
    after: Literal["reached", "start"] = "reached"
    delay: Latency = AT_ONCE
    samples: Samples = ()


class Cancelling(Table):
    """The business cancels this share of instances, so long after their start."""

    share: Share
    delay: Latency


class Model(Table):
    """The whole file. `horizon` is how long after the last start the simulation ends at the latest.

    `participants` are named by their topic (`payments` reads `payments.commands.v1`), `commands` by their type, and
    `events` by the `receive` that waits for them.
    """

    horizon: MoreThanNothing = 30 * UNITS["d"]
    arrivals: Arrivals = Arrivals()
    start: Samples = ()
    default: InheritedBehaviour = InheritedBehaviour()
    participants: Mapping[str, ParticipantBehaviour] = {}
    commands: Mapping[str, CommandBehaviour] = {}
    events: Mapping[str, Coming] = {}
    cancel: Cancelling | None = None
