"""An instance as JSON and back: what a store keeps of it. The same instance always gives the same text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, TypeAdapter

from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.machine.instance import Attempt, Instance, Status, StepRun, WaitState

D = TypeVar("D", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`data` is the JSON of the instance's data model, `state` the JSON of all the rest that changes."""

    data: str
    state: str


@dataclass(frozen=True, slots=True)
class _State:
    """The changing parts of an instance, without its data."""

    status: Status
    steps: Mapping[str, StepRun]
    choices: Mapping[str, bool]
    started_at: datetime
    deadline_at: datetime | None = None
    paused_at: datetime | None = None
    ended_at: datetime | None = None
    cause: Cause | None = None
    stall: Cause | None = None
    waits: Mapping[str, WaitState] = field(default_factory=dict)
    attempts: Annotated[Mapping[str, Attempt], Field(alias="trials")] = field(default_factory=dict)
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


_CODEC = TypeAdapter(_State)


def freeze(instance: Instance[Any]) -> Snapshot:
    """Write an instance as JSON. What has its default is left out."""
    state = _State(
        instance.status,
        instance.steps,
        instance.choices,
        instance.started_at,
        instance.deadline_at,
        instance.paused_at,
        instance.ended_at,
        instance.cause,
        instance.stall,
        instance.waits,
        instance.attempts,
        instance.lists,
    )
    return Snapshot(
        instance.data.model_dump_json(), _CODEC.dump_json(state, by_alias=True, exclude_defaults=True).decode()
    )


def check_serializable(data: BaseModel) -> None:
    """Raise pydantic's `PydanticSerializationError` for data that JSON has no words for, or that are not of their type.

    A `model_copy(update=...)` looks at neither.
    """
    data.__pydantic_serializer__.to_json(data, warnings="error")


def thaw(saga: Saga[Any, D], id_: str, key: str, snapshot: Snapshot) -> Instance[D]:
    """Read an instance of this saga from JSON. Raises pydantic's `ValidationError` when it is not one."""
    state = _CODEC.validate_json(snapshot.state)
    return Instance(
        id=id_,
        saga=saga.name,
        version=saga.version,
        key=key,
        status=state.status,
        data=saga.plan.data_type.model_validate_json(snapshot.data),
        steps=state.steps,
        choices=state.choices,
        started_at=state.started_at,
        deadline_at=state.deadline_at,
        paused_at=state.paused_at,
        ended_at=state.ended_at,
        cause=state.cause,
        stall=state.stall,
        waits=state.waits,
        attempts=state.attempts,
        lists=state.lists,
    )
