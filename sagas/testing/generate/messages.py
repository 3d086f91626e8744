"""Valid messages from nothing but the JSON Schema of their model: always the same ones, or others at random."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from saga_coordinator.sagas.testing.generate.patterns import text_for

M = TypeVar("M", bound=BaseModel)

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]
"""Where a value stands in its message: names of fields, and places in lists."""

LARGE = 1_000_000
"""The number of a large message, where nothing limits it."""

LIKELY, LIKELY_WHOLE = 1_500, 10
"""So far above its lower limit lies a random number, or a whole one, at most if it has no upper limit."""

MAX_TRIES = 200
MAX_DEPTH = 6
"""How deep a model that contains itself is filled with what is optional."""

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_YEAR = 365 * 86_400
_TEXTS = ("{n}", "1", "A", "AA", "AAA", "a", "2026-01-01", "someone@example.com", "https://example.com/")


class Chance(Protocol):
    """A generator of random numbers, such as `random.Random`: this package has none of its own."""

    def choice(self, options: Sequence[Any], /) -> Any:  # noqa: ANN401  one of them
        ...

    def randint(self, low: int, high: int, /) -> int:
        """Return a whole number from low to high, both included."""

    def uniform(self, low: float, high: float, /) -> float:
        """Return a number from low to high."""


def generate(model: type[M], *, large: bool = False) -> M:
    """Return a valid message of a model, always the same one.

    A large one has large numbers, longer lists, true instead of false, the last member of each enumeration, and what
    is optional. Raises `ValueError` if the schema does not say enough.
    """
    return _generate(model, None, is_large=large)


def generate_at_random(model: type[M], chance: Chance) -> M:
    """Return a valid message of a model. Raises `ValueError` if the schema does not say enough."""
    return _generate(model, chance)


def has_choices(model: type[BaseModel]) -> bool:
    """Return whether a message of this model decides between a few values: a boolean, or an enumeration."""
    return bool(re.search(r'"type": "boolean"|"enum": \[', json.dumps(model.model_json_schema())))


def _generate(model: type[M], chance: Chance | None, *, is_large: bool = False) -> M:
    """Generate messages until the model accepts one: its validators may demand more than its schema says."""
    problem = ""
    try:
        generator = _Generator(model.model_json_schema(), chance, is_large)
        for _ in range(MAX_TRIES):
            try:
                return model.model_validate_json(json.dumps(generator.value(generator.schema, ())))
            except ValidationError as error:
                first = error.errors()[0]
                problem = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
                if not generator.reject(first["loc"]):
                    break
    except (PydanticInvalidForJsonSchema, LookupError) as error:
        problem = str(error.args[0]).splitlines()[0]
    raise ValueError(f"no valid {model.__name__} can be generated from its schema ({problem}): give a sample of it")


@dataclass(slots=True)
class _Generator:
    """Generates values of a schema and of the definitions within it.

    What the schema leaves open is chosen at random, or without `chance` as the first option. Where the model rejects
    that one the next is chosen: `taken` counts how often, by path.
    """

    schema: Schema
    chance: Chance | None
    is_large: bool
    taken: dict[Path, int] = field(default_factory=dict)
    options: dict[Path, int] = field(default_factory=dict)

    def value(self, schema: Schema, path: Path) -> Any:  # noqa: ANN401  JSON; a case for each kind
        match schema:
            case {"$ref": reference}:
                return self.value(self.schema["$defs"][reference.rpartition("/")[2]], path)
            case {"const": value}:
                return value
            case {"enum": options}:
                return self._member(path, options)
            case {"anyOf": options} | {"oneOf": options}:
                return self._any_of(path, options)
            case {"allOf": parts}:
                return self.value({key: value for part in parts for key, value in part.items()}, path)
            case _:
                return self._of_type(schema, path)

    def reject(self, path: Path) -> bool:
        """Choose another option from now on, at a path or around it. False: none is left."""
        if self.chance:
            return True
        around = [path[:length] for length in range(len(path), 0, -1)]
        deepest = sorted(self.options, key=len, reverse=True)
        for place in (place for each in around for place in deepest if place[: len(each)] == each):
            if self.taken.get(place, 0) + 1 < self.options[place]:
                kept = {key: n for key, n in self.taken.items() if key[: len(place)] != place}
                self.taken = {**kept, place: self.taken.get(place, 0) + 1}
                self.options.clear()
                return True
        return False

    def _one_of(self, path: Path, options: Sequence[Any]) -> Any:  # noqa: ANN401  JSON, or a schema
        return self.chance.choice(options) if self.chance else self._first_of(path, options)

    def _first_of(self, path: Path, options: Sequence[Any]) -> Any:  # noqa: ANN401  as above
        """Choose the first option that was not rejected."""
        self.options[path] = len(options)
        return options[min(self.taken.get(path, 0), len(options) - 1)]

    def _of_type(self, schema: Schema, path: Path) -> Any:  # noqa: ANN401  JSON
        match schema.get("type"):
            case "object":
                return self._object(schema, path)
            case "array":
                return self._list(schema, path)
            case "string":
                return self._text(schema, path)
            case "integer" | "number":
                return self._number(schema, path)
            case "boolean":
                return self._member(path, (False, True))
            case "null":
                return None
            case _:
                return _name(path)

    def _member(self, path: Path, options: Sequence[Any]) -> Any:  # noqa: ANN401  JSON
        return self._one_of(path, options[::-1] if self.is_large else options)

    def _any_of(self, path: Path, options: Sequence[Schema]) -> Any:  # noqa: ANN401  JSON
        """Generate a decimal as the text of a number, and null only if nothing else is left, or deep down."""
        kinds = [each.get("type") for each in options]
        if kinds[:2] == ["number", "string"]:
            return str(self.value(options[0], path))
        if "null" in kinds and len(path) > MAX_DEPTH:
            return None
        ordered = sorted(options, key=lambda each: each.get("type") == "null")
        return self.value(self._one_of(path, ordered), (*path, ""))

    def _object(self, schema: Schema, path: Path) -> dict[str, Any]:
        required = schema.get("required", ())
        generated = {
            name: self.value(each, (*path, name))
            for name, each in schema.get("properties", {}).items()
            if name in required
            or (len(path) <= MAX_DEPTH and ("default" not in each if self.chance else self.is_large))
        }
        extra = schema.get("additionalProperties")
        if isinstance(extra, Mapping) and "properties" not in schema and self.is_large:
            generated[_name(path)] = self.value(extra, (*path, _name(path)))
        return generated

    def _list(self, schema: Schema, path: Path) -> list[Any]:
        schemas = list(schema.get("prefixItems", ()))
        if "items" in schema:
            low = max(schema.get("minItems", 0), int(len(path) <= MAX_DEPTH))
            high = max(low, low + 2 * (len(path) <= MAX_DEPTH))
            count = self.chance.randint(low, high) if self.chance else min(low + self.is_large, high)
            schemas += [schema["items"]] * (min(count, schema.get("maxItems", high)) - len(schemas))
        return [self.value(each, (*path, place)) for place, each in enumerate(schemas)]

    def _number(self, schema: Schema, path: Path) -> float:
        """Choose a number within the limits, a multiple of the step if that is a whole number."""
        step = schema.get("multipleOf", 1 if schema["type"] == "integer" else 0.01)
        low, high = schema.get("minimum"), schema.get("maximum")
        low = schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else low
        high = schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else high
        if self.chance:
            return _number_at_random(self.chance, low, high, step)
        middle = None if low is None or high is None else (low + high) / 2
        numbers: list[float] = [LARGE, 1] if self.is_large else [1]
        numbers += [each for each in (high, low, middle) if each is not None]
        multiples = [-(-each // step) * step if step >= 1 else each for each in numbers]
        fitting = [each for each in multiples if _is_within(each, low, high)]
        chosen: float = self._first_of(path, fitting or numbers)
        return chosen

    def _text(self, schema: Schema, path: Path) -> str:
        """Choose a text; its number makes it unlike others, without chance it is that of the item around it."""
        number = next((each + 1 for each in reversed(path) if isinstance(each, int)), 1)
        number = self.chance.randint(0, 2**64) if self.chance else number
        if (text := _formatted(schema.get("format", ""), number)) is not None:
            return text
        number %= 10_000
        texts = [f"{_name(path).replace('_', '-')}-{number}"]
        pattern = schema.get("pattern", "")
        if pattern and (text := text_for(pattern, self.chance.choice if self.chance else _first)) is not None:
            texts.append(text)
        texts += [each.format(n=LARGE if self.is_large else number) for each in _TEXTS]
        fitted = [text.ljust(schema.get("minLength", 0), "a")[: schema.get("maxLength")] for text in texts]
        try:
            fitting = [text for text in fitted if re.search(pattern, text)]
        except re.error:
            fitting = []
        if not fitting:
            raise LookupError(f"no text can be generated for the pattern {pattern!r}")
        return str(self._first_of(path, fitting))


def _first(options: Sequence[Any]) -> Any:  # noqa: ANN401  a letter, a branch or a number of repetitions
    return options[0]


def _number_at_random(chance: Chance, low: float | None, high: float | None, step: float) -> float:
    """Choose a number within the limits, or where there are none within what is likely."""
    least = min(step, 1) if low is None else low
    most = least + (LIKELY if step < 1 else LIKELY_WHOLE) if high is None else high
    least = min(least, most)
    if step < 1:
        return round(chance.uniform(least, most), 2)
    return chance.randint(-int(-least // step), max(-int(-least // step), int(most // step))) * int(step)


def _name(path: Path) -> str:
    """Return the name of the innermost field around a value."""
    return next((each for each in reversed(path) if isinstance(each, str) and each), "value")


def _is_within(number: float, low: float | None, high: float | None) -> bool:
    return (low is None or number >= low) and (high is None or number <= high)


def _formatted(kind: str, number: int) -> str | None:
    """Return a text of a format, another one for another number; None for an unknown format."""
    at = _EPOCH + timedelta(seconds=(number - 1) % _YEAR)
    return {
        "date-time": at.isoformat(),
        "date": at.date().isoformat(),
        "time": at.timetz().isoformat(),
        "duration": f"PT{(number - 1) % 24 + 1}H",
        "uuid": str(UUID(int=number, version=4)),
        "email": f"someone-{number}@example.com",
        "uri": f"https://example.com/{number}",
        "ipv4": f"192.0.2.{number % 256}",
        "ipv6": f"2001:db8::{number % 2**16:x}",
    }.get(kind)
