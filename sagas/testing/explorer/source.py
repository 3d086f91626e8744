"""Values as the Python that makes them, and the imports which that needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from msgspec import Struct
from pydantic import BaseModel
from pydantic_core import PydanticUndefined


@dataclass(slots=True)
class Source:
    """Writes values; `imports` gathers which names come from which module."""

    imports: dict[str, set[str]] = field(default_factory=dict)

    def name(self, module: str, name: str) -> str:
        """Use a name of a module."""
        if module != "builtins":
            self.imports.setdefault(module, set()).add(name.partition(".")[0])
        return name

    def header(self) -> str:
        """Write the imports: the standard library's first, then the others."""
        standard = {"datetime", "decimal", "uuid"}
        groups = [
            [
                f"from {module} import {', '.join(sorted(names))}"
                for module, names in sorted(self.imports.items())
                if group == (module in standard)
            ]
            for group in (True, False)
        ]
        return "\n\n".join("\n".join(lines) for lines in groups if lines)

    def value(self, value: object) -> str:
        match value:
            case BaseModel():
                return self._model(value)
            case Enum():
                return f"{self._type(value)}.{value.name}"
            case date() | timedelta():
                return self._time(value)
            case Decimal() | UUID():
                return f'{self._type(value)}("{value}")'
            case Mapping() | tuple() | list():
                return self._many(value)
            case str():
                return quoted(value)
            case _ if (names := _names(value)) is not None:
                return f"{self._type(value)}({', '.join(self.value(getattr(value, name)) for name in names)})"
            case _:
                return repr(value)

    def _time(self, value: date | timedelta) -> str:
        if isinstance(value, timedelta):
            return self.span(value)
        return f'{self.name("datetime", type(value).__name__)}.fromisoformat("{value.isoformat()}")'

    def _many(self, value: Mapping[Any, Any] | tuple[Any, ...] | list[Any]) -> str:
        match value:
            case Mapping():
                return "{" + ", ".join(f"{self.value(k)}: {self.value(v)}" for k, v in value.items()) + "}"
            case tuple():
                inside = [self.value(each) for each in value]
                return f"({', '.join(inside)}{',' if len(inside) == 1 else ''})"
            case _:
                return f"[{', '.join(self.value(each) for each in value)}]"

    def span(self, length: timedelta) -> str:
        """Write a length of time in the greatest unit that needs no fraction."""
        self.name("datetime", "timedelta")
        for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1)):
            count, rest = divmod(length, timedelta(seconds=size))
            if count and not rest:
                return f"timedelta({unit}={count})"
        if length == timedelta(0):
            return "timedelta(0)"
        seconds, rest = divmod(length, timedelta(seconds=1))
        return f"timedelta(seconds={seconds}, microseconds={rest // timedelta(microseconds=1)})"

    def _type(self, value: object) -> str:
        return self.name(type(value).__module__, type(value).__qualname__)

    def _model(self, model: BaseModel) -> str:
        fields: Mapping[str, Any] = type(model).model_fields
        given = {
            name: value
            for name in fields
            if (value := getattr(model, name)) != fields[name].default or fields[name].default is PydanticUndefined
        }
        return f"{self._type(model)}({', '.join(f'{name}={self.value(value)}' for name, value in given.items())})"


def quoted(text: str) -> str:
    written = repr(text)
    return written if '"' in written else f'"{written[1:-1]}"'


def _names(value: object) -> Iterable[str] | None:
    """Return the fields of a signal, or of a dataclass; None for any other value."""
    if isinstance(value, Struct):
        return value.__struct_fields__
    return [each.name for each in fields(value)] if is_dataclass(value) and not isinstance(value, type) else None
