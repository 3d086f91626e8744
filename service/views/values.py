"""Makes views from the values that they show, and JSON from views, for `--json` and HTTP."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

from saga_coordinator.handlers.records import Place

V = TypeVar("V")


def view(of: type[V], source: object, **more: Any) -> V:  # noqa: ANN401  fields of several types
    """Return a view with the attributes of the same name of a source, and with `more`."""
    names = [field.name for field in fields(of) if field.name not in more]  # type: ignore[arg-type]  # a dataclass
    return of(**{name: getattr(source, name) for name in names if hasattr(source, name)}, **more)


def to_json(value: Any) -> Any:  # noqa: ANN401  what JSON can hold, and what has a form in it
    """Return a value as JSON values: dataclasses are objects, times RFC 3339 in UTC, durations seconds."""
    match value:
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            return round(value.total_seconds(), 6)
        case Place():
            return str(value)
        case Mapping():
            return {str(key): to_json(each) for key, each in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        case _:
            return [to_json(each) for each in value]
