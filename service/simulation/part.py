"""A table of a model's file: frozen, and without any key that means nothing."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class Part(BaseModel):
    """A table. A key that it does not have is refused, and those that it has are told."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, given: Any) -> Any:  # noqa: ANN401  whatever the file holds
        if not isinstance(given, Mapping):
            raise ValueError(f"it must be a table with {listed(cls.model_fields)}, not {given!r}")  # noqa: TRY004  pydantic's own
        for key in given:
            if key not in cls.model_fields:
                raise ValueError(unknown_name(str(key), cls.model_fields))
        return given


def unknown_name(name: str, there_are: Mapping[str, object] | list[str], what: str = "setting") -> str:
    """Say that there is nothing of this name, which are there, and which was probably meant."""
    near = get_close_matches(name, list(there_are), n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return f"there is no {what} {name!r}{meant}; there are {listed(there_are) or 'none'}"


def listed(names: Mapping[str, object] | list[str]) -> str:
    """Write names one after the other."""
    return ", ".join(names)
