"""An instance written anew in the names of another version, without what that version does not know."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from saga_coordinator.sagas.language.cause import Cause
from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.machine import Instance
from saga_coordinator.sagas.versions.mapping import VersionMapping
from saga_coordinator.sagas.versions.outline import AnySaga, Part, parts_of

V = TypeVar("V")

LIKE_A_STEP = {"step", "pivot"}


@dataclass(frozen=True, slots=True)
class VersionPair:
    """Two versions of a saga, how the names of one become those of the other, and the parts of both by name."""

    old: AnySaga
    new: AnySaga
    by: VersionMapping
    was: Mapping[str, Part]
    now: Mapping[str, Part]

    def is_kept(self, name: str) -> bool:
        """Say whether a node of the old version is one of the same kind in the new one."""
        before, after = self.was.get(leaf(name)), self.now.get(leaf(self.by.name(name)))
        if before is None or after is None:
            return False
        return before.kind == after.kind or {before.kind, after.kind} == LIKE_A_STEP

    def fact(self, name: str, fact: str) -> tuple[str | None, str | None]:
        """Return what was declared of a node that is kept, in both versions."""
        before, after = self.was[leaf(name)], self.now[leaf(self.by.name(name))]
        return before.facts.get(fact), after.facts.get(fact)


def pair_of(old: AnySaga, new: AnySaga, by: VersionMapping) -> VersionPair:
    """Put two versions of a saga side by side."""
    return VersionPair(old, new, by, parts_of(old), parts_of(new))


def translated(pair: VersionPair, instance: Instance[Any], data: Any) -> Instance[Any]:  # noqa: ANN401  the new version's data
    """Return the instance as one of the new version. Ids of commands that were sent stay what they are."""
    return replace(
        instance,
        version=pair.new.version,
        data=data,
        steps=_kept(pair, instance.steps),
        waits=_kept(pair, instance.waits),
        choices=_kept(pair, instance.choices),
        attempts=_kept(pair, instance.attempts),
        lists={name: _kept(pair, items) for name, items in _kept(pair, instance.lists).items()},
        cause=_cause(pair, instance.cause),
        stall=_cause(pair, instance.stall),
    )


def begun(instance: Instance[Any]) -> list[str]:
    """Return all that an instance has begun: steps, waits, branches, alternatives, lists."""
    begun = (*instance.steps, *instance.waits, *instance.choices, *instance.attempts, *instance.lists)
    return list(dict.fromkeys(begun))


def _kept(pair: VersionPair, values: Mapping[str, V]) -> dict[str, V]:
    return {pair.by.name(name): value for name, value in values.items() if pair.is_kept(name)}


def _cause(pair: VersionPair, cause: Cause | None) -> Cause | None:
    """A cause names its step as the new version does; that of a step which is no more keeps its name."""
    return cause if cause is None or cause.step is None else replace(cause, step=pair.by.name(cause.step))
