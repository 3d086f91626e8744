"""Plain values as YAML, in block style: every text that YAML could take for something else stands in quotes."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

_PLAIN: Final = re.compile(r"[A-Za-z_/$][\w./$-]*(?: [\w./$,()'-]+)*", re.ASCII)
_WORDS: Final = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def yaml(value: dict[str, Any]) -> str:
    """Write an object; the same object always gives the same text."""
    return "\n".join(_lines(value)) + "\n"


def _lines(value: Any) -> Iterator[str]:  # noqa: ANN401  whatever JSON can hold
    match value:
        case dict() if value:
            for name, each in value.items():
                yield from _entry(f"{_scalar(name)}:", each)
        case list() if value:
            for each in value:
                first, *rest = _lines(each)
                yield f"- {first}"
                yield from (f"  {line}" for line in rest)
        case _:
            yield _scalar(value)


def _entry(name: str, value: Any) -> Iterator[str]:  # noqa: ANN401  whatever JSON can hold
    if isinstance(value, dict | list) and value:
        yield name
        yield from (f"  {line}" for line in _lines(value))
    else:
        yield f"{name} {_scalar(value)}"


def _scalar(value: Any) -> str:  # noqa: ANN401  whatever JSON can hold
    """Write a text as it is, or anything as JSON, which YAML 1.2 contains."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
