"""Reads a model from its file, and reports every problem with its line and a remedy."""

import re
import tomllib
from pathlib import Path
from typing import Any, TypeAlias

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from saga_coordinator.service.simulation.model import Model

Place: TypeAlias = tuple[str | int, ...]
"""Keys and indexes, from the top of the file."""


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
        return self.problem((*_present(self._raw, error["loc"]), *missing), _reason(error))


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
    """Return the number of the line that says a place, or the nearest thing around it; None if nothing does.

    The file is read up to each line: that line says what is there now and was not before.
    """
    best, line, whole = 0, None, 0  # type: int, int | None, int
    lines = text.splitlines()
    for number in range(1, len(lines) + 1):
        try:
            read = tomllib.loads("\n".join(lines[:number]))
        except tomllib.TOMLDecodeError:  # in the middle of a value of several lines
            continue
        if (depth := len(_present(read, place))) > best:
            best, line = depth, whole + 1
        whole = number
    return line


def _present(read: Any, place: Place) -> Place:  # noqa: ANN401  what TOML can hold
    """Return the keys and indexes of a place that are there; others, such as the names of union members, are not."""
    present: list[str | int] = []
    for key in place:
        if key in read if isinstance(read, dict) else isinstance(read, list) and key in range(len(read)):
            read = read[key]
            present.append(key)
    return tuple(present)


def _written(key: str | int) -> str:
    return f'"{key}"' if isinstance(key, str) and not re.fullmatch(r"[A-Za-z0-9_-]+", key) else str(key)
