"""What every verb needs that looks at instances: the database, the catalog, and the one instance that is meant."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.sagas.machine import CommandState, Instance, instance_id
from saga_coordinator.service.catalog import load_catalog
from saga_coordinator.service.cli.configuration import load_settings
from saga_coordinator.service.cli.console import fail
from saga_coordinator.service.storage.sqlite.queries import InstanceRow, Reading, open_queries


class Look(NamedTuple):
    """The database at this moment, and the catalog."""

    reading: Reading
    routes: Routes


class Found(NamedTuple):
    """One instance: as it is stored, its definition, and as the machine knows it."""

    row: InstanceRow
    saga: AnySaga
    instance: Instance[Any]


@contextmanager
def looking() -> Iterator[Look]:
    """Read settings and catalog, and open the database."""
    settings = load_settings()
    routes = Routes(load_catalog(settings.catalog))
    with open_queries(settings.sqlite_path) as reading:
        yield Look(reading, routes)


def find(look: Look, wanted: str, saga: str | None) -> Found:
    """Return the instance of an id or a business key; end with 1 if there is none, or more than one."""
    sagas = [saga] if saga else sorted(look.routes.newest)
    ids = {instance_id(name, wanted) for name in sagas} | ({wanted.lower()} if _is_id(wanted) else set())
    rows = [row for row in look.reading.instances_by_id(ids) if saga in {None, row.saga}]
    if not rows:
        fail(f"no instance of {', '.join(sagas)} has the id or the key {wanted!r}: `saga ls` lists them")
    if len(rows) > 1:
        names = " or ".join(f"--saga {row.saga}" for row in rows)
        fail(f"{wanted!r} is the key of {len(rows)} instances: say which by {names}")
    return found(look, rows[0])


def found(look: Look, row: InstanceRow) -> Found:
    """Return an instance with its definition; end with 1 if the catalog lacks it."""
    saga = look.routes.sagas.get((row.saga, row.version))
    if saga is None:
        fail(f"the catalog has no saga {row.saga} version {row.version}: add it again to see its instance {row.id}")
    return Found(row, saga, row.instance(saga))


def known(look: Look, row: InstanceRow) -> Instance[Any] | None:
    """Return an instance, None if the catalog lacks its definition."""
    saga: AnySaga | None = look.routes.sagas.get((row.saga, row.version))
    return None if saga is None else row.instance(saga)


def command_state_to_json(command_state: CommandState) -> dict[str, object]:
    """Return what a program is told of one direction of a step."""
    return {
        "progress": command_state.progress,
        "attempt": command_state.attempt,
        "sendings": command_state.sendings,
        "command_id": command_state.command_id,
        "asked_at": command_state.asked_at,
        "due_at": command_state.due_at,
    }


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
