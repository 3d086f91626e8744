"""Imports the sagas that a setting names."""

from collections.abc import Sequence
from importlib import import_module

from saga_coordinator.handlers.names import Names
from saga_coordinator.handlers.routing import AnySaga, BadCatalog, Routes
from saga_coordinator.sagas import Saga
from saga_coordinator.service.settings import Settings


def load_routes(settings: Settings) -> Routes:
    """Return the routes of the catalog that the settings name. Raises as `load_catalog`."""
    return build_routes(load_catalog(settings.catalog), settings)


def build_routes(catalog: Sequence[AnySaga], settings: Settings) -> Routes:
    """Return the routes of a catalog under the coordinator's name. Raises `BadCatalog`."""
    return Routes(catalog, names=Names(settings.name), unknown_types=settings.unknown_types)


def load_catalog(name: str) -> tuple[AnySaga, ...]:
    """Return the sagas at `MODULE:NAME`. Raises `BadCatalog` if there are none, `UnsoundSaga` if one is refused."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise BadCatalog(f"SAGA_CATALOG={name}: {error}; name a module and a tuple of sagas in it") from error
    sagas = tuple(found)
    if not sagas or not all(isinstance(each, Saga) for each in sagas):
        raise BadCatalog(f"SAGA_CATALOG={name}: it must be a tuple of at least one Saga")
    return sagas
