"""Moving a live instance from one version of its saga to another, where nothing is lost and nothing done twice."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from saga_coordinator.sagas.language.nodes import leaf
from saga_coordinator.sagas.machine import Instance
from saga_coordinator.sagas.versions.draft import begun, pair_of, translated
from saga_coordinator.sagas.versions.judging import lost, unclear
from saga_coordinator.sagas.versions.mapping import SAME_NAMES, VersionMapping, read
from saga_coordinator.sagas.versions.obstacles import obstacles, unreadable
from saga_coordinator.sagas.versions.outline import AnySaga


class Disposition(StrEnum):
    """What becomes of an instance when its saga has another version."""

    MOVES = "moves"
    """It goes on in the other version."""
    ASKS = "needs a mapping"
    """The definitions do not say what has become of something that it has."""
    DRAINS = "drains"
    """It ends in its own version."""
    REFUSED = "refused"
    """To move it would lose an undo, or do a step twice."""


@dataclass(frozen=True, slots=True)
class Migration:
    """The fate of an instance, and why. `instance` is the moved one if it moves; `dropped` the data fields it loses."""

    fate: Disposition
    reasons: tuple[str, ...] = ()
    instance: Instance[Any] | None = None
    dropped: tuple[str, ...] = ()


def plan_migration(old: AnySaga, new: AnySaga, instance: Instance[Any], by: VersionMapping = SAME_NAMES) -> Migration:
    """Say what becomes of a live instance of `old` if it is to go on in `new`. Pure."""
    pair = pair_of(old, new, by)
    if drains := {leaf(name) for name in begun(instance)} & set(by.drains):
        return Migration(Disposition.DRAINS, tuple(f"it has reached {name}, which drains" for name in sorted(drains)))
    told = read(old, new, instance.data, by)
    asks = (*unclear(pair, instance), *told.asks)
    if asks:
        return Migration(Disposition.ASKS, asks)
    draft = translated(pair, instance, told.data)
    if unread := tuple(unreadable(pair, draft)):
        return Migration(Disposition.DRAINS, unread)
    for fate, found in ((Disposition.REFUSED, lost), (Disposition.DRAINS, obstacles)):
        if reasons := tuple(found(pair, instance, draft)):
            return Migration(fate, reasons)
    return Migration(Disposition.MOVES, (), draft, told.dropped)


def moved(instance: Instance[Any], old: AnySaga, new: AnySaga, by: VersionMapping = SAME_NAMES) -> Instance[Any]:
    """Return the instance as one of the new version. Raises `ValueError`, with the reasons, if it cannot be moved."""
    judgement = plan_migration(old, new, instance, by)
    if judgement.instance is None:
        why = f"{judgement.fate}: {'; '.join(judgement.reasons)}"
        raise ValueError(f"saga {old.name}: instance {instance.id} stays in version {old.version}, {why}")
    return judgement.instance
