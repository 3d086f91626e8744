"""What a simulation is told of the world: who takes part, how fast and how reliable, and what comes in.

The file is TOML; `docs/examples/order-fulfilment.toml` is one with everything in it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from saga_coordinator.contracts.message import MAX_RETRY_AFTER
from saga_coordinator.service.simulation.durations import AT_ONCE, UNITS, Latency, MoreThanNothing, Seconds
from saga_coordinator.service.simulation.part import Part

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
"""How many of all, 0 to 1."""


class Sample(Part):
    """One message that could be: its fields, and how often it comes beside the others."""

    data: Mapping[str, Any]
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


Samples: TypeAlias = tuple[Sample, ...]


class Behaviour(Part):
    """How a command is carried out; what is left out is as one level up says.

    Of all commands the share `retryable` fails and may be asked again, at the earliest after `retry_after`; the share
    `refused` fails for good, with `code`. `lost` is the share of answers that never arrive. `honoured`: the share of
    withdrawn commands of child sagas that are turned back. `replies`: what a success answers.
    """

    latency: Latency | None = None
    retryable: Share | None = None
    retry_after: Annotated[Seconds, Field(le=MAX_RETRY_AFTER)] | None = None
    refused: Share | None = None
    code: Annotated[str, Field(min_length=1)] | None = None
    lost: Share | None = None
    honoured: Share | None = None


class CommandBehaviour(Behaviour):
    """How one type of command is carried out."""

    replies: Samples = ()


class Outage(Part):
    """A participant is out: from `begins`, counted from the first start, for `lasts`.

    Meanwhile it answers nothing and commands wait (`nothing`; what it had begun it ends), or everything that it begins
    fails and may be asked again (`retryable`).
    """

    begins: Seconds
    lasts: MoreThanNothing
    answers: Literal["nothing", "retryable"] = "nothing"


class ParticipantBehaviour(Behaviour):
    """A participant: whoever reads one command topic. At most `concurrency` commands are carried out at once."""

    concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    outages: tuple[Outage, ...] = ()


class Arrivals(Part):
    """How instances start: `rate` a second, by chance (`poisson`) or evenly (`uniform`)."""

    rate: Annotated[float, Field(gt=0, le=1_000_000)] = 1.0
    process: Literal["poisson", "uniform"] = "poisson"


class Coming(Part):
    """The event that a `receive` waits for: it comes in this share of instances, so long `after` it is waited for.

    Or after the instance's start: then it may come early.
    """

    share: Share = 1.0
    after: Literal["reached", "start"] = "reached"
    delay: Latency = AT_ONCE
    samples: Samples = ()


class Cancelling(Part):
    """The business cancels this share of instances, so long after their start."""

    share: Share
    delay: Latency


class Model(Part):
    """The whole file. `horizon` is how long after the last start the simulation ends at the latest.

    `participants` are named by their topic (`payments` reads `payments.commands.v1`), `commands` by their type, and
    `events` by the `receive` that waits for them.
    """

    horizon: MoreThanNothing = 30 * UNITS["d"]
    arrivals: Arrivals = Arrivals()
    start: Samples = ()
    default: Behaviour = Behaviour()
    participants: Mapping[str, ParticipantBehaviour] = {}
    commands: Mapping[str, CommandBehaviour] = {}
    events: Mapping[str, Coming] = {}
    cancel: Cancelling | None = None

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        for place, manner in (("default", self.default), *self.participants.items(), *self.commands.items()):
            if (manner.retryable or 0) + (manner.refused or 0) > 1:
                raise ValueError(f"{place}: retryable and refused are more than 1 together: lower one")
        return self
