"""Imports sagas from their place in the code, MODULE:NAME, and builds the routes of a catalog."""

import importlib
from collections.abc import Sequence
from importlib import import_module
from traceback import extract_tb
from typing import Final

from saga_coordinator.handlers.names import Names
from saga_coordinator.handlers.routing import AnySaga, BadCatalog, Routes
from saga_coordinator.sagas import Saga, UnsoundSaga
from saga_coordinator.sagas.language.wording import suggest
from saga_coordinator.service.settings import Settings

MAX_PLACES: Final = 3
"""How many places of a trace are shown, the last ones."""

_MACHINERY: Final = ("<frozen importlib", importlib.__file__, __file__)
"""Files whose frames import a module and say nothing about it."""


def demo_note(settings: Settings) -> str | None:
    """Return a sentence if no catalog is set, so that nobody mistakes the sagas of the demo for their own."""
    is_set = "catalog" in settings.model_fields_set
    return None if is_set else "SAGA_CATALOG is not set: these are the sagas of the demo"


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
    found = values_at(place, given_as)
    sagas = tuple(each for each in found if isinstance(each, Saga))
    if wrong := [each for each in found if not isinstance(each, Saga)]:
        raise BadCatalog(f"{given_as}{place}: it holds {wrong[0]!r}: it must be a saga, or a tuple of sagas")
    if not sagas:
        raise BadCatalog(f"{given_as}{place}: it is empty: it must be a saga, or a tuple of at least one")
    return sagas


def values_at(place: str, given_as: str = "") -> tuple[object, ...]:
    """Return what is at `MODULE:NAME`: one value, or those of a tuple or a list.

    Raises `BadCatalog`, which says where the import fails, and `UnsoundSaga`.
    """
    module, _, attribute = place.partition(":")
    try:
        found = import_module(module)
    except UnsoundSaga:
        raise
    except Exception as error:
        raise BadCatalog(f"{given_as}{place}: {_describe_import(module, error)}") from error
    if not hasattr(found, attribute):
        hint = suggest(attribute, vars(found), "write MODULE:NAME") if attribute else "write MODULE:NAME"
        raise BadCatalog(f"{given_as}{place}: {found.__file__ or module} has no {attribute!r}: {hint}")
    value = getattr(found, attribute)
    return tuple(value) if isinstance(value, tuple | list) else (value,)


def _describe_import(module: str, error: Exception) -> str:
    """Return why a module cannot be imported, with the last places of the trace in it and in what it imports."""
    if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
        return f"there is no module {error.name}: it is looked for in the working directory and where Python looks"
    text = f"importing {module} raises {type(error).__name__}: {error}"
    frames = [each for each in extract_tb(error.__traceback__) if not each.filename.startswith(_MACHINERY)]
    places = [f"{each.filename}:{each.lineno} in {each.name}" for each in frames[-MAX_PLACES:]]
    if isinstance(error, SyntaxError) and error.filename:
        places.append(f"{error.filename}:{error.lineno}")
    return "\n  ".join([text, *places])
