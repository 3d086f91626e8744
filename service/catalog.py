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
    """Return the sagas of the setting SAGA_CATALOG. Raises as `sagas_at`."""
    return sagas_at(name, "SAGA_CATALOG=")


def sagas_at(place: str, given_as: str = "") -> tuple[AnySaga, ...]:
    """Return the sagas at `MODULE:NAME`, where one saga may be as well as a tuple of them.

    Raises `BadCatalog` if there are none, `UnsoundSaga` if one is refused. `given_as` begins the message.
    """
    found = values_at(place, given_as, "a saga, or a tuple of sagas,")
    sagas = tuple(each for each in found if isinstance(each, Saga))
    if not sagas or len(sagas) < len(found):
        raise BadCatalog(f"{given_as}{place}: it must be a Saga, or a tuple of at least one")
    return sagas


def values_at(place: str, given_as: str, what: str) -> tuple[object, ...]:
    """Return what is at `MODULE:NAME`: one value, or those of a tuple or a list. Raises `BadCatalog`."""
    module, _, attribute = place.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise BadCatalog(f"{given_as}{place}: {error}; name a module and {what} in it") from error
    return tuple(found) if isinstance(found, tuple | list) else (found,)
