"""Reads a model from its file, and reports every problem with its line and a remedy."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from saga_coordinator.service.simulation.model import Model

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indexes, from the top of the file."""

_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"\s*((?:[A-Za-z0-9_.\- ]|\"[^\"]*\"|'[^']*')+?)\s*=")


class ModelFile:
    """The text of a model, with the lines of its keys."""

    def __init__(self, name: str, text: str) -> None:
        """Take the file's name and its text. Raises `ValueError` for text that is no TOML."""
        self.name = name
        self._text = text
        try:
            self._raw = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{name}: this is not TOML: {error}") from None

    @classmethod
    def read(cls, path: Path) -> "ModelFile":
        """Read the file. Raises `ValueError` if it is no TOML, and `OSError` if it cannot be read."""
        try:
            return cls(path.name, path.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise ValueError(f"{path.name}: this is not UTF-8 text: {error}") from None

    def model(self) -> Model:
        """Return the model. Raises `ValueError` with everything that is wrong, a line each."""
        try:
            return Model.model_validate(self._raw)
        except ValidationError as error:
            raise ValueError("\n".join(self._describe(each) for each in error.errors())) from None

    def problem(self, place: Place, text: str) -> str:
        """Return a problem with its place: `model.toml:12: default.latency: ...`."""
        line = line_of(self._text, place)
        where = ".".join(_written(each) for each in place)
        return f"{self.name}{f':{line}' if line else ''}: {f'{where}: ' if where else ''}{text}"

    def _describe(self, error: ErrorDetails) -> str:
        missing = error["loc"][-1:] if error["type"] == "missing" else ()
        return self.problem((*self._place(error["loc"]), *missing), _reason(error))

    def _place(self, location: Place) -> Place:
        """Return pydantic's location without the names of union members, which are not in the file."""
        here: Any = self._raw
        place: list[str | int] = []
        for key in location:
            if _holds(here, key):
                here = here[key]
                place.append(key)
        return tuple(place)


def _holds(here: object, key: str | int) -> bool:
    return key in here if isinstance(here, dict) else isinstance(here, list) and isinstance(key, int)


def _reason(error: ErrorDetails) -> str:
    """Return the problem in terms of the file where pydantic's message is about Python."""
    context = error.get("ctx", {})
    match error["type"]:
        case "value_error":
            return str(context["error"])
        case "missing":
            return "it is missing: say it here"
        case "union_tag_invalid" | "union_tag_not_found":
            kinds = context.get("expected_tags", "'constant', 'uniform', 'exponential', 'lognormal', 'measured'")
            return f"kind must be one of {kinds}"
        case _:
            return f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {error['input']!r}"


def line_of(text: str, place: Place) -> int | None:
    """Return the number of the line that says a place, or the nearest thing around it; None if nothing does."""
    best, line, table = 0, None, ()  # type: int, int | None, Place
    seen: dict[Place, int] = {}
    for number, each in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(each):
            here = table = _table(header[2], seen, is_array=header[1] == "[[")
        elif (key := _KEY.match(each)) is not None:
            here = table + _keys(f"{key[1]} = 0")
        else:
            continue
        shared = _shared(here, place)
        if shared == len(here) and shared > best:
            best, line = shared, number
    return line


def _table(header: str, seen: dict[Place, int], *, is_array: bool) -> Place:
    """Return the place that a header opens; the tables of an array are counted."""
    place: Place = ()
    keys = _keys(f"[{header}]")
    for number, key in enumerate(keys):
        place = (*place, key)
        if is_array and number == len(keys) - 1:
            seen[place] = seen.get(place, -1) + 1
        if place in seen:
            place = (*place, seen[place])
    return place


def _keys(line: str) -> tuple[str, ...]:
    """Return the keys that a header or the left side of a line names; none if it is neither."""
    try:
        here: Any = tomllib.loads(line)
    except tomllib.TOMLDecodeError:
        return ()
    keys: list[str] = []
    while isinstance(here, dict) and here:
        key, here = next(iter(here.items()))
        keys.append(key)
    return tuple(keys)


def _shared(one: Sequence[object], other: Sequence[object]) -> int:
    """Count how many keys two places have in common, from the top."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _written(key: str | int) -> str:
    return f'"{key}"' if isinstance(key, str) and not re.fullmatch(r"[A-Za-z0-9_-]+", key) else str(key)
