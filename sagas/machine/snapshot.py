"""An instance as JSON and back: what a store keeps of it. The same instance always gives the same text."""

from dataclasses import dataclass, field, fields, make_dataclass
from operator import attrgetter
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter

from saga_coordinator.sagas.language.nodes import D
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.machine.instance import FIELDS, Instance

STORED_AS: Final = {"attempts": "trials"}
"""The keys of fields that were renamed after instances were stored."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`data` is the JSON of the instance's data model, `state` the JSON of all the rest that changes."""

    data: str
    state: str


_BESIDE = {"id", "saga", "version", "key", "data"}
_CHANGING = [each for each in fields(Instance) if each.name not in _BESIDE]
_NAMES = [each.name for each in _CHANGING]
_values = attrgetter(*_NAMES)
_State: Any = make_dataclass(
    "_State",
    [
        (
            each.name,
            Annotated[FIELDS[each.name], Field(alias=STORED_AS.get(each.name))],
            field(default=each.default, default_factory=each.default_factory),
        )
        for each in _CHANGING
    ],
    frozen=True,
    slots=True,
)
_CODEC = TypeAdapter(_State)


def freeze(instance: Instance[Any]) -> Snapshot:
    """Write an instance as JSON. What has its default is left out."""
    state = _CODEC.dump_json(_State(*_values(instance)), by_alias=True, exclude_defaults=True)
    return Snapshot(instance.data.model_dump_json(), state.decode())


def thaw(saga: Saga[Any, D], id_: str, key: str, snapshot: Snapshot) -> Instance[D]:
    """Read an instance of this saga from JSON. Raises pydantic's `ValidationError` when it is not one."""
    state = _CODEC.validate_json(snapshot.state)
    return Instance(
        id=id_,
        saga=saga.name,
        version=saga.version,
        key=key,
        data=saga.plan.data_type.model_validate_json(snapshot.data),
        **dict(zip(_NAMES, _values(state), strict=True)),
    )
