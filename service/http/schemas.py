"""The bodies of the requests that change something."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from saga_coordinator.handlers.records import Actor
from saga_coordinator.sagas.machine import OperatorAction, Status, signal

Text = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\x00]+$", max_length=1_000)]
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00]+$", max_length=1_000)]


class ActionRequest(BaseModel):
    """Every request that changes something says who makes it, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: Text
    why: Text

    def by(self) -> Actor:
        """Return both."""
        return Actor(self.who, self.why)


class Retry(ActionRequest):
    """A step, or all for which a stalled instance gave up."""

    step: Name | None = None

    def act(self, now: datetime) -> OperatorAction:
        """Return the signal."""
        return signal.RetryStep(now, self.who, self.why, self.step)


class Skip(ActionRequest):
    """A step, and the reply that it is taken to have had."""

    step: Name
    reply: JsonValue = None


class Cancel(ActionRequest):
    """The instance is to be compensated."""

    def act(self, now: datetime) -> signal.Cancel:
        """Return the signal."""
        return signal.Cancel(now, self.why, self.who)


class Pause(ActionRequest):
    """Nothing is to be sent until it is resumed."""

    def act(self, now: datetime) -> OperatorAction:
        """Return the signal."""
        return signal.Pause(now, self.who, self.why)


class Resume(ActionRequest):
    """It is to continue."""

    def act(self, now: datetime) -> OperatorAction:
        """Return the signal."""
        return signal.Resume(now, self.who, self.why)


class Resolve(ActionRequest):
    """What a stalled instance was made by hand."""

    status: Literal["completed", "compensated"]

    def act(self, now: datetime) -> OperatorAction:
        """Return the signal."""
        return signal.Resolve(now, self.who, self.why, Status(self.status))


InstanceAction: TypeAlias = Retry | Cancel | Pause | Resume | Resolve
"""All that is one signal and needs nothing of the instance."""


class DeadLetterRequest(ActionRequest):
    """The instance for which a record failed, if it failed for several."""

    instance: Name | None = None


class RedriveRequest(DeadLetterRequest):
    """A dry run writes nothing."""

    dry_run: bool = False


class Edit(DeadLetterRequest):
    """Another value, in base64; `force` takes one that cannot be read."""

    value: Annotated[Base64Bytes, Field(description="base64")]
    force: bool = False
