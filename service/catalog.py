"""Imports the sagas that a setting names."""

from importlib import import_module

from saga_coordinator.handlers.routing import AnySaga, BadCatalog
from saga_coordinator.sagas import Saga


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
