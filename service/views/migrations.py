"""What would become of live instances in another version of their saga."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from saga_coordinator.handlers.decode import describe_validation_error
from saga_coordinator.handlers.routing import AnySaga
from saga_coordinator.sagas.machine import Status
from saga_coordinator.sagas.versions.mapping import VersionMapping
from saga_coordinator.sagas.versions.migration import Disposition, Migration, plan_migration
from saga_coordinator.service.storage.queries import InstanceRow
from saga_coordinator.service.views.instance import Reader, all_instances
from saga_coordinator.service.views.values import view


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedMigration:
    """What would become of an instance, and why. `dropped` are the data fields that it would lose."""

    id: str
    key: str
    status: str
    fate: Disposition
    reasons: Sequence[str]
    dropped: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """What would become of the live instances of a version. It is not ok if one is refused."""

    ok: bool
    counts: Mapping[Disposition, int]
    instances: Sequence[PlannedMigration]


def plan_migrations(reader: Reader, old: AnySaga, new: AnySaga, mapping: VersionMapping) -> MigrationPlan:
    """Plan the move of all live instances of one version to the other."""
    planned = [
        _plan(row, old, new, mapping)
        for status in Status
        if not status.is_final
        for row in all_instances(reader, saga=old.name, version=old.version, status=status)
    ]
    counted = Counter(each.fate for each in planned)
    return MigrationPlan(
        ok=not counted[Disposition.REFUSED],
        counts={fate: counted[fate] for fate in Disposition},
        instances=planned,
    )


def _plan(row: InstanceRow, old: AnySaga, new: AnySaga, mapping: VersionMapping) -> PlannedMigration:
    try:
        migration = plan_migration(old, new, row.instance(old), mapping)
    except ValidationError as error:
        wrong = describe_validation_error(error, with_words=False)
        reason = f"it cannot be read any more by version {old.version}: {wrong}"
        migration = Migration(Disposition.REFUSED, (reason,))
    return view(PlannedMigration, migration, id=row.id, key=row.key, status=row.status)
