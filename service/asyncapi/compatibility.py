"""Checks whether a changed schema still fits everybody who relies on the old one.

A message that the coordinator sends must still match the old schema of its readers, and a message that it reads must
still be accepted as its senders wrote it: either way one schema has to accept all that another describes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

Schema = Mapping[str, Any]

_ANNOTATIONS: Final = {"$schema", "$defs", "$id", "title", "description", "default", "examples", "deprecated"}
_STRUCTURE: Final = {"$ref", "type", "anyOf", "properties", "required", "items", "additionalProperties", "enum"}
_UPPER: Final = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}
_LOWER: Final = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}


def breaks(old: Schema, new: Schema, *, is_sent: bool) -> Iterator[str]:
    """Yield, field by field, what would break somebody who relies on the old schema."""
    wide, narrow = (old, new) if is_sent else (new, old)
    problem = (
        "does not match what its readers were promised" if is_sent else "does not accept what its senders were promised"
    )
    for where, what in _Comparison(wide, narrow, is_sent=is_sent).differ(wide, narrow, _Here()):
        yield f"{where or 'the message'} {problem}: {what}"


class _Here(NamedTuple):
    """A place in both schemas, and the pairs of definitions that lead to it: a model may contain itself."""

    path: str = ""
    within: frozenset[tuple[str, str]] = frozenset()

    def beneath(self, name: str) -> "_Here":
        return self._replace(path=f"{self.path}.{name}" if self.path and name != "[]" else self.path + name)


Difference = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Finds where the schema `wide` does not accept what the schema `narrow` describes."""

    wide: Schema
    narrow: Schema
    is_sent: bool

    def differ(self, wide: Schema, narrow: Schema, here: _Here) -> Iterator[Difference]:
        pair = (str(wide.get("$ref")), str(narrow.get("$ref")))
        if pair in here.within:
            return
        if "None" not in pair:
            here = here._replace(within=here.within | {pair})
        wide, narrow = _resolved(wide, self.wide), _resolved(narrow, self.narrow)
        accepted, described = wide.get("anyOf", [wide]), narrow.get("anyOf", [narrow])
        if len(accepted) == len(described) == 1:
            yield from self._of_one(wide, narrow, here)
            return
        for each in described:
            if all(any(self.differ(other, each, here)) for other in accepted):
                yield here.path, f"{_kind(each)} instead of {' or '.join(map(_kind, accepted))}"

    def _of_one(self, wide: Schema, narrow: Schema, here: _Here) -> Iterator[Difference]:
        if "type" in wide and not _is_of(narrow.get("type"), wide["type"]):
            yield here.path, f"{_kind(narrow)} instead of {_kind(wide)}"
            return
        for keyword in sorted(wide.keys() - _ANNOTATIONS - _STRUCTURE):
            if not _is_within(keyword, narrow.get(keyword), wide[keyword]):
                yield here.path, f"{keyword} {narrow.get(keyword, 'without limit')} instead of {wide[keyword]}"
        if "enum" in wide and not set(narrow.get("enum", [None])) <= set(wide["enum"]):
            yield here.path, f"other values than {wide['enum']}"
        yield from self._of_fields(wide, narrow, here)
        for keyword in ("items", "additionalProperties"):
            if isinstance(wide.get(keyword), dict) and isinstance(narrow.get(keyword), dict):
                yield from self.differ(wide[keyword], narrow[keyword], here.beneath("[]"))

    def _of_fields(self, wide: Schema, narrow: Schema, here: _Here) -> Iterator[Difference]:
        for name in wide.get("required", ()):
            if name not in narrow.get("required", ()):
                yield here.beneath(name).path, "it may be missing" if self.is_sent else "it is required now"
        fields = wide.get("properties", {})
        for name, part in narrow.get("properties", {}).items():
            if name in fields:
                yield from self.differ(fields[name], part, here.beneath(name))
            elif not self.is_sent and name in narrow.get("required", ()):
                yield here.beneath(name).path, "it is not read any more"


def _resolved(node: Schema, root: Schema) -> Schema:
    while "$ref" in node:
        node = root["$defs"][str(node["$ref"]).rsplit("/", 1)[1]]
    return node


def _is_of(narrow: object, wide: object) -> bool:
    return narrow == wide or (narrow, wide) == ("integer", "number")


def _is_within(keyword: str, narrow: Any, wide: Any) -> bool:  # noqa: ANN401  whatever a keyword holds
    if narrow is None:
        return False
    if keyword in _UPPER:
        return bool(narrow <= wide)
    return bool(narrow >= wide) if keyword in _LOWER else bool(narrow == wide)


def _kind(schema: Schema) -> str:
    """Name what a schema describes."""
    return str(schema.get("type") or schema.get("$ref", "anything").rsplit("/", 1)[-1])
