"""The database that SAGA_STORE names: store, queries, checks, backup. No other module knows that it is SQLite."""

from contextlib import AbstractContextManager
from pathlib import Path

from saga_coordinator.service.health import Finding
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.storage.columns import Definitions
from saga_coordinator.service.storage.queries import Queries
from saga_coordinator.service.storage.service_store import ServiceStore
from saga_coordinator.service.storage.sqlite import backup as sqlite
from saga_coordinator.service.storage.sqlite import examination, queries
from saga_coordinator.service.storage.sqlite.backup import Checked, Restored
from saga_coordinator.service.storage.sqlite.store import Report, SqliteStore


def path_of(settings: Settings) -> Path:
    """Return the file of the database."""
    return Path(settings.store.removeprefix("sqlite:///"))


def new_store(settings: Settings, definitions: Definitions, report: Report) -> ServiceStore:
    """Return the store, which is not open yet; `report` is called with its problems, and with None when it works."""
    return SqliteStore(path_of(settings), definitions, report)


def open_queries(settings: Settings) -> AbstractContextManager[Queries]:
    """Return the store as of this moment.

    Raises `FileNotFoundError` if there is none, `StoreError` if its schema is not that of this program, or if it
    cannot be read.
    """
    return queries.open_queries(path_of(settings))


def check_access(settings: Settings) -> Finding:
    """Check whether a coordinator could write to the database."""
    return examination.check_access(path_of(settings))


def check_content(settings: Settings) -> Finding:
    """Check whether the database is damaged, as far as seconds allow."""
    return examination.check_content(path_of(settings))


def check_lock(settings: Settings) -> Finding:
    """Check whether a coordinator runs on the database, which is no failure."""
    return examination.check_lock(path_of(settings))


def backup(settings: Settings, target: Path) -> int:
    """Copy the database to a new file, and return its bytes; see `sqlite.backup.backup`."""
    return sqlite.backup(path_of(settings), target)


def restore(settings: Settings, source: Path) -> Restored:
    """Replace the database by a backup; see `sqlite.backup.restore`."""
    return sqlite.restore(path_of(settings), source)


def check(settings: Settings, file: Path | None) -> tuple[Path, Checked]:
    """Check a file, or the database, and return which it was; see `sqlite.backup.check`."""
    path = file or path_of(settings)
    return path, sqlite.check(path)
