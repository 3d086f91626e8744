"""Makes messages up from the JSON Schema of their model: valid, by chance, and always the same for the same chance."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from saga_coordinator.service.simulation.patterns import text_for

M = TypeVar("M", bound=BaseModel)

TRIES = 200
DEEP = 6
"""Where a model holds itself, so deep at most."""

WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "iris", "jade", "karst", "larch")
MAX_NUMBER = 1_500.0
"""Up to here go numbers of which nothing is said."""

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def generate(model: type[M], chance: Random) -> M:
    """Return a message of this model. Raises `ValueError` if none is found that the model takes."""
    schema = model.model_json_schema(mode="validation")
    maker = _Generator(schema.get("$defs", {}), chance)
    reason = ""
    for _ in range(TRIES):
        try:
            return model.model_validate(maker.value(schema, 0))
        except ValidationError as error:
            first = error.errors()[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        except ValueError as error:
            reason = str(error)
    raise ValueError(f"no {model.__name__} can be made up from its schema ({reason})")


class _Generator:
    """Makes values of schemas that refer to the same definitions."""

    def __init__(self, definitions: Mapping[str, Any], chance: Random) -> None:
        self._definitions = definitions
        self._chance = chance

    def value(self, schema: Mapping[str, Any], depth: int) -> Any:  # noqa: ANN401  whatever JSON can hold
        """Return a value of a schema."""
        if "$ref" in schema:
            return self.value(self._definitions[schema["$ref"].rpartition("/")[2]], depth)
        if "const" in schema:
            return schema["const"]
        for fixed in ("enum", "examples"):
            if schema.get(fixed):
                return self._chance.choice(schema[fixed])
        for several in ("anyOf", "oneOf"):
            if several in schema:
                return self._one_of(schema[several], depth)
        return self._typed(schema, depth)

    def _one_of(self, ways: Sequence[Mapping[str, Any]], depth: int) -> Any:  # noqa: ANN401  as above
        """Choose among several schemas; deep down take null where it will do."""
        if _is_decimal(ways):
            return f"{self._number(ways[0]):.2f}"
        if depth > DEEP and any(each.get("type") == "null" for each in ways):
            return None
        return self.value(self._chance.choice(ways), depth)

    def _typed(self, schema: Mapping[str, Any], depth: int) -> Any:  # noqa: ANN401  as above
        match schema.get("type"):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return self._text(schema)
            case "integer":
                return self._integer(schema)
            case "number":
                return round(self._number(schema), 2)
            case "boolean":
                return self._chance.random() < 0.5  # noqa: PLR2004  a coin
            case _:
                return None

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """Fill what is required, and of the rest what has no default."""
        required = schema.get("required", ())
        return {
            name: self.value(each, depth + 1)
            for name, each in schema.get("properties", {}).items()
            if name in required or (depth <= DEEP and "default" not in each)
        }

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first = [self.value(each, depth + 1) for each in schema.get("prefixItems", ())]
        if "items" not in schema:
            return first
        low = schema.get("minItems", 0 if depth > DEEP else 1)
        high = low if depth > DEEP else max(low, min(low + 2, schema.get("maxItems", low + 2)))
        more = self._chance.randint(low, high) - len(first)
        return first + [self.value(schema["items"], depth + 1) for _ in range(more)]

    def _text(self, schema: Mapping[str, Any]) -> str:
        if pattern := schema.get("pattern"):
            return text_for(pattern, self._chance)
        if formatted := self._formatted(schema.get("format", "")):
            return formatted
        text = f"{self._chance.choice(WORDS)}-{self._chance.randrange(10_000)}"
        return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]

    def _formatted(self, wanted: str) -> str | None:
        """Return a text of a format; None for one that is not known here."""
        at = EPOCH + timedelta(seconds=self._chance.randrange(365 * 24 * 3600))
        word, number = self._chance.choice(WORDS), self._chance.getrandbits(128)
        return {
            "date-time": at.isoformat(),
            "date": at.date().isoformat(),
            "time": at.timetz().isoformat(),
            "duration": f"PT{1 + number % 3600}S",
            "uuid": str(UUID(int=number, version=4)),
            "email": f"{word}@example.org",
            "uri": f"https://example.org/{word}",
        }.get(wanted)

    def _integer(self, schema: Mapping[str, Any]) -> int:
        low, high = _range(schema, 1, most=10)
        step = schema.get("multipleOf", 1)
        return self._chance.randint(-(-int(low) // step), max(-(-int(low) // step), int(high) // step)) * int(step)

    def _number(self, schema: Mapping[str, Any]) -> float:
        low, high = _range(schema, 0.01, most=MAX_NUMBER)
        return self._chance.uniform(low, high)


def _range(schema: Mapping[str, Any], step: float, *, most: float) -> tuple[float, float]:
    """Return the least and the greatest number that a schema takes, within what is likely."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0 if step < 1 else 1 - step) + step)
    high = schema.get("maximum", schema.get("exclusiveMaximum", max(most, low + most) + step) - step)
    return min(low, high), high


def _is_decimal(ways: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether these are the ways to write a decimal: a number, or text, which loses no digits."""
    return [each.get("type") for each in ways] == ["number", "string"]
