"""Valid messages out of nothing but their schema: the same schema always gives the same message."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from saga_coordinator.sagas.testing.generate.patterns import text_for

M = TypeVar("M", bound=BaseModel)

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]

GREAT = 1_000_000
"""The number of a large sample, where nothing limits it."""

_MAX_TRIES = 200
_FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-00000000000{n}",
    "email": "someone-{n}@example.com",
    "uri": "https://example.com/{n}",
    "ipv4": "192.0.2.{n}",
    "ipv6": "2001:db8::{n}",
}
_TEXTS = ("{n}", "1", "A", "AA", "AAA", "a", "2026-01-01", "someone@example.com", "https://example.com/")


def make(kind: type[M], *, large: bool = False) -> M:
    """Return a valid message of a kind.

    A large one has great numbers, lists of two, true for false, the last of each enumeration, and what is optional.
    Raises `ValueError` if the schema does not say enough.
    """
    try:
        maker = _Generator(kind.model_json_schema(), large=large)
    except PydanticInvalidForJsonSchema as error:
        raise ValueError(_unmade(kind, str(error).splitlines()[0])) from error
    problem = ""
    for _ in range(_MAX_TRIES):
        try:
            return kind.model_validate_json(json.dumps(maker.message()))
        except ValidationError as error:
            found = error.errors()[0]
            problem = f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
            if not maker.take_another(found["loc"]):
                break
    raise ValueError(_unmade(kind, problem))


def has_choices(kind: type[BaseModel]) -> bool:
    """Say whether a message of this kind decides between a few things: a truth, or one of an enumeration."""
    return bool(re.search(r'"type": "boolean"|"enum": \[', json.dumps(kind.model_json_schema())))


def _unmade(kind: type[BaseModel], problem: str) -> str:
    return f"no valid {kind.__name__} could be made from its schema ({problem}): give one among the samples"


@dataclass(slots=True)
class _Generator:
    """Makes values for one schema. `taken` counts how often another choice was taken at a place."""

    schema: Schema
    large: bool
    taken: dict[Path, int] = field(default_factory=dict)
    choices: dict[Path, int] = field(default_factory=dict)

    def message(self) -> Any:  # noqa: ANN401  JSON
        self.choices.clear()
        return self._value(self.schema, (), "value", 1)

    def take_another(self, place: Sequence[str | int]) -> bool:
        """Take another choice at the place, or around it. False: there is none."""
        around = [tuple(place[:length]) for length in range(len(place), 0, -1)]
        deepest = sorted(self.choices, key=len, reverse=True)
        for path in (path for each in around for path in deepest if path[: len(each)] == each):
            if self.taken.get(path, 0) + 1 < self.choices[path]:
                within = [each for each in self.taken if each != path and each[: len(path)] == path]
                self.taken = {each: count for each, count in self.taken.items() if each not in within}
                self.taken[path] = self.taken.get(path, 0) + 1
                return True
        return False

    def _value(self, schema: Schema, path: Path, name: str, number: int) -> Any:  # noqa: ANN401  JSON
        if "$ref" in schema:
            return self._value(self.schema["$defs"][schema["$ref"].rpartition("/")[2]], path, name, number)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._one_of(path, schema["enum"][::-1] if self.large else schema["enum"])
        for word in ("anyOf", "oneOf"):
            if word in schema:
                options = sorted(schema[word], key=lambda each: each.get("type") == "null")
                return self._value(self._one_of(path, options), (*path, ""), name, number)
        if "allOf" in schema:
            return self._value({k: v for part in schema["allOf"] for k, v in part.items()}, path, name, number)
        return self._plain(schema, path, name, number)

    def _plain(self, schema: Schema, path: Path, name: str, number: int) -> Any:  # noqa: ANN401  JSON
        match schema.get("type"):
            case "string":
                return self._text(schema, path, name, number)
            case "integer" | "number":
                return self._number(schema, path)
            case "boolean":
                return self.large
            case "array":
                return self._list(schema, path, name)
            case "object":
                return self._object(schema, path, name, number)
            case "null":
                return None
            case _:
                return name

    def _object(self, schema: Schema, path: Path, name: str, number: int) -> dict[str, Any]:
        required = schema.get("required", ())
        made = {
            key: self._value(each, (*path, key), key, number)
            for key, each in schema.get("properties", {}).items()
            if key in required or self.large
        }
        extra = schema.get("additionalProperties")
        if isinstance(extra, Mapping) and "properties" not in schema and self.large:
            made[name] = self._value(extra, (*path, name), name, number)
        return made

    def _list(self, schema: Schema, path: Path, name: str) -> list[Any]:
        first = schema.get("prefixItems", ())
        made = [self._value(each, (*path, place), name, place + 1) for place, each in enumerate(first)]
        if "items" not in schema:
            return made
        count = min(max(schema.get("minItems", 0), 2 if self.large else 1), schema.get("maxItems", 2))
        return [self._value(schema["items"], (*path, place), name, place + 1) for place in range(count)]

    def _number(self, schema: Schema, path: Path) -> float:
        """Return the wanted number, or the nearest to it that the limits allow."""
        step = schema.get("multipleOf", 1)
        least = schema.get("minimum", schema.get("exclusiveMinimum"))
        most = schema.get("maximum", schema.get("exclusiveMaximum"))
        numbers: list[float] = [GREAT, 1] if self.large else [1]
        for limit, away in ((most, -step), (least, step)):
            numbers += [] if limit is None else [limit, limit + away]
        if least is not None and most is not None:
            numbers.append((least + most) / 2)
        numbers += [-(-each // step) * step for each in numbers]
        fitting = [each for each in numbers if _is_within(each, schema)]
        chosen: float = self._one_of(path, fitting or numbers)
        return chosen

    def _text(self, schema: Schema, path: Path, name: str, number: int) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]].format(n=number)
        texts = [f"{name.replace('_', '-')}-{number}"]
        pattern = schema.get("pattern")
        if pattern is not None:
            texts += [text for text in (text_for(pattern),) if text is not None]
        texts += [each.format(n=GREAT if self.large else number) for each in _TEXTS]
        fitting = [text for each in texts if (text := _fitted(each, schema)) is not None]
        return str(self._one_of(path, fitting or texts))

    def _one_of(self, path: Path, options: Sequence[Any]) -> Any:  # noqa: ANN401  JSON, or a schema
        """Take one of several: the first, unless another was asked for."""
        self.choices[path] = len(options)
        return options[min(self.taken.get(path, 0), len(options) - 1)]


def _fitted(text: str, schema: Schema) -> str | None:
    """Return a text made as long, or as short, as it has to be; None if it does not match then."""
    text = text.ljust(schema.get("minLength", 0), "a")[: schema.get("maxLength", len(text) + 1_000)]
    pattern = schema.get("pattern")
    return text if pattern is None or re.search(pattern, text) else None


def _is_within(number: float, schema: Schema) -> bool:
    """Say whether a number keeps the limits of its schema."""
    return bool(
        number >= schema.get("minimum", number)
        and number <= schema.get("maximum", number)
        and number > schema.get("exclusiveMinimum", number - 1)
        and number < schema.get("exclusiveMaximum", number + 1)
        and number % schema.get("multipleOf", number or 1) == 0
    )
