"""What an author declares about two versions: which names have changed and which data to take; and its application."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from msgspec import structs
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError
from pydantic_core import to_json

from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.machine.instance import BY_NAME, Instance
from saga_coordinator.sagas.versions.diff import AnySaga, DeclaredNode, parts_of

V = TypeVar("V")

DROPPED: Final = ""
"""The new name of a data field that is dropped."""


class VersionMapping(BaseModel):
    """How an instance of one version is read by another.

    `steps` gives the new names of nodes (steps, receives, branches, ...), `fields` those of data fields (empty: it is
    dropped), `data` the values of fields that an instance has not, or that do not fit any more. An instance that has
    reached a node in `drains` ends in the old version.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Mapping[str, str] = {}
    fields: Mapping[str, str] = {}
    data: Mapping[str, JsonValue] = {}
    drains: tuple[str, ...] = ()

    def name(self, name: str) -> str:
        """Return the new name of a node, or of a step of an instance: `provision[eu-1]` has that of its node."""
        node = leaf(name)
        return self.steps.get(node, node) + name[len(node) :]


SAME_NAMES: Final = VersionMapping()
"""Every name is the same in both versions."""


@dataclass(frozen=True, slots=True)
class Read:
    """The data of an instance as the new version reads them; `data` is None where `asks` has to be answered first."""

    data: Any
    asks: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def faults(old: AnySaga, new: AnySaga, by: VersionMapping) -> Iterator[str]:
    """Yield what is wrong with a mapping, for any instance."""
    was, now = parts_of(old), parts_of(new)
    for before, after in by.steps.items():
        if before not in was:
            yield f"[steps] {before}: version {old.version} has no such node; it has {', '.join(was)}"
        elif after not in now:
            yield f"[steps] {before} = {after}: version {new.version} has no such node; it has {', '.join(now)}"
        elif {was[before].kind, now[after].kind} not in ({"step", "pivot"}, {was[before].kind}):
            yield f"[steps] {before} = {after}: a {was[before].kind} does not become a {now[after].kind}"
    names = [by.name(name) for name in was]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"[steps] two nodes of version {old.version} would become {name}: each has a place of its own"
    yield from (f"drains: version {old.version} has no node {name}" for name in by.drains if name not in was)
    yield from _faults_of_data(old, new, by)


def _faults_of_data(old: AnySaga, new: AnySaga, by: VersionMapping) -> Iterator[str]:
    was, now = old.plan.data_type.model_fields, new.plan.data_type.model_fields
    for before, after in by.fields.items():
        if before not in was:
            yield f"[fields] {before}: the data of version {old.version} have no such field"
        elif after not in now and after != DROPPED:
            yield f"[fields] {before} = {after}: the data of version {new.version} have no such field"
    for name in by.data:
        if name not in now:
            yield f"[data] {name}: the data of version {new.version} have no such field"


def read(old: AnySaga, new: AnySaga, data: BaseModel, by: VersionMapping) -> Read:
    """Read the data of an instance as those of the new version."""
    known = data.model_dump(mode="json")
    asks = [*_asked(old, new, known, by)]
    named = {by.fields.get(name, name): value for name, value in known.items()}
    kept = {name: value for name, value in named.items() if name in new.plan.data_type.model_fields}
    whole = {name: value for name, value in by.data.items() if name not in kept} | kept
    made, problems = _made(new, whole)
    if misfits := {name: by.data[name] for name in problems if name in by.data}:
        made, problems = _made(new, whole | misfits)
    asks += [f"data field {name}: {problem}; give it a value under [data]" for name, problem in problems.items()]
    dropped = tuple(name for name in known if by.fields.get(name, name) not in new.plan.data_type.model_fields)
    return Read(None if asks else made, tuple(asks), dropped)


def _made(new: AnySaga, values: Mapping[str, Any]) -> tuple[BaseModel | None, dict[str, str]]:
    """Make the data from values as JSON has them, or say of each field what is wrong with it."""
    try:
        return new.plan.data_type.model_validate_json(to_json(values)), {}
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        return None, {str(each["loc"][0]) if each["loc"] else "the whole": each["msg"] for each in found}


def _asked(old: AnySaga, new: AnySaga, known: Mapping[str, Any], by: VersionMapping) -> Iterator[str]:
    """Ask of a field with a value, which the new version has not, whether it is one of the new fields."""
    was, now = old.plan.data_type.model_fields, new.plan.data_type.model_fields
    fresh = [name for name in now if name not in was and name not in by.data and name not in by.fields.values()]
    for name, value in known.items():
        if value is None or name in now or name in by.fields:
            continue
        alike = [each for each in fresh if now[each].annotation == was[name].annotation]
        for each in alike:
            yield (
                f"data field {name} is not in version {new.version}: if it is {each} now, write "
                f'{name} = "{each}" under [fields]; if it is to be dropped, {name} = ""'
            )


LIKE_A_STEP = {"step", "pivot"}


@dataclass(frozen=True, slots=True)
class VersionPair:
    """Two versions of a saga, how the names of one become those of the other, and the parts of both by name."""

    old: AnySaga
    new: AnySaga
    by: VersionMapping
    was: Mapping[str, DeclaredNode]
    now: Mapping[str, DeclaredNode]

    def is_kept(self, name: str) -> bool:
        """Return whether a node of the old version is one of the same kind in the new one."""
        before, after = self.was.get(leaf(name)), self.now.get(leaf(self.by.name(name)))
        if before is None or after is None:
            return False
        return before.kind == after.kind or {before.kind, after.kind} == LIKE_A_STEP

    def fact(self, name: str, fact: str) -> tuple[str | None, str | None]:
        """Return what was declared of a node that is kept, in both versions."""
        before, after = self.was[leaf(name)], self.now[leaf(self.by.name(name))]
        return before.facts.get(fact), after.facts.get(fact)


def pair_of(old: AnySaga, new: AnySaga, by: VersionMapping) -> VersionPair:
    """Compare two versions of a saga part by part."""
    return VersionPair(old, new, by, parts_of(old), parts_of(new))


def translated(pair: VersionPair, instance: Instance[Any], data: Any) -> Instance[Any]:  # noqa: ANN401  the new version's data
    """Return the instance as one of the new version. Ids of commands that were sent stay what they are."""
    named = {each: _kept(pair, getattr(instance, each)) for each in BY_NAME}
    return structs.replace(
        instance,
        version=pair.new.version,
        data=data,
        cause=_cause(pair, instance.cause),
        stall=_cause(pair, instance.stall),
        **named | {"lists": {name: _kept(pair, items) for name, items in named["lists"].items()}},
    )


def _kept(pair: VersionPair, values: Mapping[str, V]) -> dict[str, V]:
    return {pair.by.name(name): value for name, value in values.items() if pair.is_kept(name)}


def _cause(pair: VersionPair, cause: Cause | None) -> Cause | None:
    """Return a cause with its step named as in the new version; the name of a removed step stays."""
    return cause if cause is None or cause.step is None else replace(cause, step=pair.by.name(cause.step))
