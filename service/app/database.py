"""The database that SAGA_STORE names: store, queries, checks, upkeep. No other module knows of which kind it is.

PostgreSQL's driver is imported where it is used: a command on a file does not pay for it.
"""

# ruff: noqa: PLC0415  see above

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from saga_coordinator.service.addresses import POSTGRES, parse_postgres
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.health import Finding
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.storage.columns import Definitions
from saga_coordinator.service.storage.queries import Queries
from saga_coordinator.service.storage.service_store import ServiceStore
from saga_coordinator.service.storage.sqlite import backup as sqlite
from saga_coordinator.service.storage.sqlite import examination, queries
from saga_coordinator.service.storage.sqlite.backup import Checked, Restored
from saga_coordinator.service.storage.sqlite.store import Report, SqliteStore

if TYPE_CHECKING:
    from saga_coordinator.service.storage.postgres.session import Server


def is_file(settings: Settings) -> bool:
    """Return whether the database is a file of its own, and not on a server."""
    return not settings.store.startswith(POSTGRES)


def path_of(settings: Settings) -> Path:
    """Return the file of the database. Raises `StoreError` if it is on a server."""
    if not is_file(settings):
        raise StoreError(
            f"{settings.store} is no file: back it up, restore it and check it by PostgreSQL's own tools, "
            "such as pg_basebackup with an archive of the WAL, and pg_amcheck"
        )
    return Path(settings.store.removeprefix("sqlite:///"))


def new_store(settings: Settings, definitions: Definitions, report: Report) -> ServiceStore:
    """Return the store, which is not open yet; `report` is called with its problems, and with None when it works."""
    if is_file(settings):
        return SqliteStore(path_of(settings), definitions, report)
    from saga_coordinator.service.storage.postgres.store import PostgresStore

    return PostgresStore(_server(settings), definitions, report)


def open_queries(settings: Settings) -> AbstractContextManager[Queries]:
    """Return the store as of this moment.

    Raises `FileNotFoundError` if there is none, `StoreError` if its schema is not that of this program, or if it
    cannot be read.
    """
    if is_file(settings):
        return queries.open_queries(path_of(settings))
    from saga_coordinator.service.storage.postgres.queries import open_queries

    return open_queries(_server(settings))


def upgrade(settings: Settings) -> Sequence[int]:
    """Bring the database to the schema of this program, and return the numbers of the migrations that it lacked.

    Raises `StoreError`, also for a file: a coordinator brings that up to date when it opens it.
    """
    if is_file(settings):
        raise StoreError(f"{path_of(settings)} is a file: `saga serve` brings it up to date when it starts")
    from saga_coordinator.service.storage.postgres.blocking import blocking_session
    from saga_coordinator.service.storage.postgres.migrations import upgrade

    with blocking_session(_server(settings)) as (session, run):
        return run(upgrade(session))


def check_access(settings: Settings) -> Finding:
    """Check whether a coordinator could write to the database."""
    if is_file(settings):
        return examination.check_access(path_of(settings))
    from saga_coordinator.service.storage.postgres.examination import check_access

    return check_access(_server(settings))


def check_use(settings: Settings) -> Sequence[Finding]:
    """Check what the database says of its content and its durability, and whether coordinators run on it."""
    if is_file(settings):
        path = path_of(settings)
        return [examination.check_content(path), examination.check_lock(path)]
    from saga_coordinator.service.storage.postgres.examination import check_use

    return check_use(_server(settings))


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


def _server(settings: Settings) -> "Server":
    from saga_coordinator.service.storage.postgres.session import Server, tls_context

    address = parse_postgres(settings.store)
    files = (settings.store_ssl_cafile, settings.store_ssl_certfile, settings.store_ssl_keyfile)
    return Server(address, settings.store, settings.read_store_password, tls_context(address.tls, *files))
