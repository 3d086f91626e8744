"""The bodies of the requests that change something."""

from typing import Annotated, Literal

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from pydantic_core import to_json

from saga_coordinator.handlers.records import Actor
from saga_coordinator.sagas.machine import Status

Text = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\x00]+$", max_length=1_000)]
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00]+$", max_length=1_000)]


class ActionRequest(BaseModel):
    """Every request that changes something says who makes it, and for what reason."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    who: Text
    reason: Text

    def by(self) -> Actor:
        return Actor(self.who, self.reason)


class Retry(ActionRequest):
    """A step, or all for which a stalled instance gave up."""

    step: Name | None = None


class Skip(ActionRequest):
    """A step, and the reply that it is taken to have had."""

    step: Name
    reply: JsonValue = None

    def raw_reply(self) -> bytes | None:
        """Return the reply as JSON. Raises `ValueError` for text that is no Unicode."""
        return None if self.reply is None else to_json(self.reply)


class Resolve(ActionRequest):
    """What a stalled instance was made by hand."""

    status: Literal[Status.COMPLETED, Status.COMPENSATED]


class Position(ActionRequest):
    """From where a topic is read, or one of its partitions."""

    partition: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    position: Name


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
