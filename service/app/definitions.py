"""Refuses to continue live instances by a definition that was changed in place, and keeps what they started by."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from saga_coordinator.handlers.routing import AnySaga, BadCatalog, LiveVersions, Routes
from saga_coordinator.sagas.language.wording import format_count
from saga_coordinator.sagas.versions.outline import fingerprint, outline_changes, outline_of
from saga_coordinator.service.storage.service_store import ServiceStore
from saga_coordinator.service.telemetry.logs import logger

MAX_LISTED: Final = 5

Outlines = Mapping[tuple[str, int], str]


async def check(store: ServiceStore, routes: Routes, live: Iterable[LiveVersions], accepted: str | None) -> None:
    """Compare the catalog with the outlines that are stored, and store those that are new or may be replaced.

    `accepted` is the setting `SAGA_ACCEPT_DEFINITION`. Raises `BadCatalog` for each definition that has live instances
    and another outline than they started by.
    """
    stored = await store.outlines()
    changed = list(changed_definitions(routes, stored))
    counts = {(each.saga, each.version): each.number for each in live}
    refused = [
        refusal(saga, stored, counts[saga.name, saga.version])
        for saga in changed
        if (saga.name, saga.version) in counts and acceptance(saga) not in (accepted or "").split(",")
    ]
    if refused:
        raise BadCatalog("\n".join(refused))
    for saga in changed:
        logger().warning(
            "a definition was changed in place",
            saga=saga.name,
            version=saga.version,
            live=counts.get((saga.name, saga.version), 0),
            changes=list(outline_changes(stored[saga.name, saga.version], outline_of(saga))),
        )
    now = {place: outline_of(saga) for place, saga in routes.sagas.items()}
    if new := {place: outline for place, outline in now.items() if stored.get(place) != outline}:
        await store.set_outlines(new)


def changed_definitions(routes: Routes, stored: Outlines) -> Iterator[AnySaga]:
    """Yield the definitions whose outline is another than the one that is stored."""
    for place, saga in routes.sagas.items():
        if place in stored and stored[place] != outline_of(saga):
            yield saga


def acceptance(saga: AnySaga) -> str:
    """Return what the setting has to contain to accept this definition, and no later change of it."""
    return f"{saga.name}:{saga.version}:{fingerprint(outline_of(saga))}"


def refusal(saga: AnySaga, stored: Outlines, number: int) -> str:
    """Return why a changed definition is refused, and both remedies."""
    changes = outline_changes(stored[saga.name, saga.version], outline_of(saga))
    listed = "; ".join(changes[:MAX_LISTED]) + ("; …" if len(changes) > MAX_LISTED else "")
    return (
        f"saga {saga.name} version {saga.version} was changed, and {format_count(number, 'live instance')} "
        f"started by it as it was ({listed}): restore it, and declare the change as version {saga.version + 1} beside "
        f"it; or, if they may continue by the changed one, set SAGA_ACCEPT_DEFINITION={acceptance(saga)}"
    )
