"""Data as JSON gives them back: what a function of a saga returns is read from its own JSON before anything uses it.

An instance is stored as JSON, and a decision must not depend on whether it was read in between. So memory holds what
storage will hold: a time with an offset, not with a zone; text, not a member of an enum. What `model_copy(update=...)`
does not check, a wrong name or type, is refused when it happens.
"""

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from saga_coordinator.sagas.language.lint.serializable import is_union, name_of
from saga_coordinator.sagas.language.wording import suggest

D = TypeVar("D", bound=BaseModel)

_PLAIN = frozenset({str, bool, NoneType})
"""Types of which JSON gives back exactly what was written. Text must be ASCII, or it might hold half a character."""

_HARMLESS = {"frozen", "extra", "title", "json_schema_extra"}
"""Settings of a model that change no value when it is read."""

_CHANGES = (
    "field_validators",
    "validators",
    "model_validators",
    "root_validators",
    "field_serializers",
    "model_serializers",
)
"""Functions of a model that may change a value when it is written or read, as pydantic collects them."""


_HOLDERS = (BaseModel, tuple, dict)
"""What may hold a model."""


def to_json(model: BaseModel) -> str:
    """Write a model as JSON; `model_dump_json` does the same at a quarter more."""
    return model.__pydantic_serializer__.to_json(model).decode()


class DataReader(Generic[D]):
    """Accepts new data of one saga. Which fields need no look at their JSON is worked out once."""

    def __init__(self, saga: str, kind: type[D]) -> None:
        self._saga = saga
        self.kind = kind
        self._plain = _plain_fields(kind)

    def accept(self, data: D, before: D | None, function: Callable[..., object]) -> D:
        """Return what a function made of the data `before` as JSON gives it back.

        Raises `ValueError`, with saga, function and field, for data that are not of their type, that have a name
        which their model does not have, or that JSON cannot hold or changes at each reading.
        """
        if data is before:
            return data
        if type(data) is not self.kind:
            raise self._refusal(function, f"returns {type(data).__name__}: it must return {self.kind.__name__}")
        if before is not None and self._is_plain_change(data.__dict__, before.__dict__):
            return data
        if wrong := _wrong_name(data):
            raise self._refusal(function, wrong)
        return self._read_back(data, function)

    def _is_plain_change(self, data: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
        """Return whether all that differs are fields of which JSON gives back what was written."""
        for name, value in data.items():
            if name in before and before[name] is value:
                continue
            kind = type(value)
            if kind not in self._plain.get(name, ()) or (kind is str and not value.isascii()):
                return False
        return True

    def _read_back(self, data: D, function: Callable[..., object]) -> D:
        write, read = self.kind.__pydantic_serializer__.to_json, self.kind.__pydantic_validator__.validate_json
        try:
            text = write(data, warnings="error")
            stored: D = read(text)
            if (again := write(stored)) != text and write(read(again)) != again:
                raise self._refusal(function, f"returns data that change at each reading: {text.decode()}")
        except (PydanticSerializationError, ValidationError) as error:
            reason = f"returns data that are no {self.kind.__name__}: {_reason(error)}"
            raise self._refusal(function, reason) from error
        return stored

    def _refusal(self, function: Callable[..., object], what: str) -> ValueError:
        return ValueError(f"saga {self._saga}: {name_of(function)} {what}")


def _reason(error: PydanticSerializationError | ValidationError) -> str:
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return " ".join(str(error).split())


def _plain_fields(kind: type[BaseModel]) -> Mapping[str, frozenset[type]]:
    """Return the fields that hold only plain types, if nothing changes a value of this model when it is read."""
    decorators = kind.__pydantic_decorators__
    changes = any(getattr(decorators, name) for name in _CHANGES)
    config = kind.model_config
    if changes or not config.keys() <= _HARMLESS or config.get("extra") == "allow":
        return {}
    fields = {name: field.annotation for name, field in kind.model_fields.items() if not field.metadata}
    return {name: types for name, given in fields.items() if (types := _types(given)) <= _PLAIN}


def _types(annotation: Any) -> frozenset[Any]:  # noqa: ANN401  a type
    return frozenset(get_args(annotation) if is_union(get_origin(annotation)) else (annotation,))


def _wrong_name(value: BaseModel | tuple[Any, ...] | dict[Any, Any]) -> str | None:
    """Return what is wrong with a model, at any depth, that has a name which its class does not have."""
    if isinstance(value, BaseModel):
        kind, held = type(value), value.__dict__
        known = kind.__pydantic_fields__.keys()
        for name in () if held.keys() == known else held.keys() - known:
            if not hasattr(kind, name):
                hint = suggest(name, kind.model_fields, f"it has {', '.join(kind.model_fields)}")
                return f"sets {name}, which {kind.__name__} does not have: {hint}"
        value = held
    for each in value.values() if isinstance(value, dict) else value:
        if type(each) not in _PLAIN and isinstance(each, _HOLDERS) and (wrong := _wrong_name(each)):
            return wrong
    return None
