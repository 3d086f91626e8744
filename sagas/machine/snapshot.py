"""An instance as JSON and back: what a store keeps of it. The same instance always gives the same text."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from msgspec import DecodeError, defstruct, field, json, structs
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from saga_coordinator.sagas.language.data import to_json
from saga_coordinator.sagas.language.nodes import D
from saga_coordinator.sagas.language.saga import Saga
from saga_coordinator.sagas.machine.instance import Instance

STATE: Final = "its stored state"
"""The title of the `ValidationError` of a state that cannot be read; that of data has the name of their model."""

STORED_AS: Final = {"attempts": "trials"}
"""The keys of fields that were renamed after instances were stored."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`data` is the JSON of the instance's data model, `state` the JSON of all the rest that changes."""

    data: str
    state: str


_BESIDE = {"id", "saga", "version", "key", "data"}
_CHANGING = [each for each in structs.fields(Instance) if each.name not in _BESIDE]
_NAMES = [each.name for each in _CHANGING]
_values = attrgetter(*_NAMES)
_State: Any = defstruct(
    "_State",
    [
        (each.name, each.type, field(default=each.default, default_factory=each.default_factory))  # type: ignore[call-overload]  # what is not given is NODEFAULT
        for each in _CHANGING
    ],
    rename=STORED_AS,
    omit_defaults=True,
)
_encode = json.Encoder().encode
_decode = json.Decoder(_State).decode


def freeze(instance: Instance[Any]) -> Snapshot:
    """Write an instance as JSON. What has its default is left out."""
    return Snapshot(freeze_data(instance), freeze_state(instance))


def freeze_data(instance: Instance[Any]) -> str:
    """Write the data of an instance."""
    return to_json(instance.data)


def freeze_state(instance: Instance[Any]) -> str:
    """Write the state of an instance without its data."""
    return _encode(_State(*_values(instance))).decode()


def thaw(saga: Saga[Any, D], id_: str, key: str, snapshot: Snapshot) -> Instance[D]:
    """Read an instance of this saga from JSON. Raises pydantic's `ValidationError` when it is not one."""
    try:
        state = _decode(snapshot.state)
    except DecodeError as error:
        raise unreadable(STATE, error) from error
    return Instance(
        id=id_,
        saga=saga.name,
        version=saga.version,
        key=key,
        data=saga.plan.data_type.model_validate_json(snapshot.data),
        **dict(zip(_NAMES, _values(state), strict=True)),
    )


def unreadable(title: str, error: DecodeError) -> ValidationError:
    """Return msgspec's error as pydantic's, so that all that is stored fails alike: what is wrong, and where."""
    what, _, where = str(error).partition(" - at ")
    place = (where.strip("`").removeprefix("$."),) if where else ()
    problem = InitErrorDetails(type=PydanticCustomError("state", "{what}", {"what": what}), loc=place, input=None)
    return ValidationError.from_exception_data(title, [problem])
