"""Opens the store that SAGA_STORE names, for reading."""

from contextlib import AbstractContextManager

from saga_coordinator.service.settings import Settings
from saga_coordinator.service.storage.queries import Queries
from saga_coordinator.service.storage.sqlite import queries as sqlite


def open_queries(settings: Settings) -> AbstractContextManager[Queries]:
    """Return the store as of this moment.

    Raises `FileNotFoundError` if there is none, `StoreError` if its schema is not that of this program, and
    `StoreError` if it cannot be read.
    """
    return sqlite.open_queries(settings.sqlite_path)
