"""Checks before the start whether a coordinator could work with a database. Nothing is written."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.health import Finding
from saga_coordinator.service.storage.postgres.blocking import blocking_session
from saga_coordinator.service.storage.postgres.session import SETTINGS, PostgresSession, Server

_NEEDED: Final = ("fsync", "full_page_writes", "synchronous_commit")
_REPLICAS: Final = "synchronous_standby_names"
_SETTINGS: Final = f"SELECT name, setting FROM pg_settings WHERE name IN {(*_NEEDED, _REPLICAS)}"  # noqa: S608  own names
_SESSIONS: Final = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()"
)


def check_access(server: Server) -> Finding:
    """Check whether the server can be reached and lets its user in, and whether it accepts writes."""
    try:
        with blocking_session(server) as (session, run):
            ((version, user),) = run(session.fetch("SELECT current_setting('server_version'), current_user"))
    except (StoreError, OSError, ValueError) as error:
        return Finding("database", str(error), "correct SAGA_STORE and what belongs to it, or start the server")
    return Finding("database", f"{server.name} lets {user} in and accepts writes: PostgreSQL {version}")


def check_use(server: Server) -> Sequence[Finding]:
    """Check whether commits outlive a crash of the server, and whether coordinators are connected."""
    try:
        with blocking_session(server) as (session, run):
            return run(_findings(session))
    except StoreError as error:
        return [Finding("durability", str(error), "let the user read pg_settings and pg_stat_activity")]


async def _findings(session: PostgresSession) -> Sequence[Finding]:
    settings = {row[0]: row[1] for row in await session.fetch(_SETTINGS)}
    ((sessions,),) = await session.fetch(_SESSIONS, SETTINGS["application_name"])
    running = f"{sessions} sessions of coordinators" if sessions else "none is connected to this database"
    return [*_durability(settings), Finding("coordinator", running)]


def _durability(settings: Mapping[str, str]) -> Iterator[Finding]:
    off = [name for name in _NEEDED if settings.get(name) == "off"]
    if off:
        yield Finding("durability", f"{' and '.join(off)} off: a crash of the server loses commits", "set them to on")
    elif not settings.get(_REPLICAS):
        detail = "commits outlive a crash of the server; no replica confirms them (synchronous_standby_names is empty)"
        yield Finding("durability", detail)
    else:
        yield Finding("durability", f"commits wait for {settings[_REPLICAS]}")
