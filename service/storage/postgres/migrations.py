"""Brings a database to the newest schema: numbered `.sql` files, each applied once, in one transaction."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final

from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.postgres.session import PostgresSession

UPGRADE_LOCK: Final = 0x5A6B
"""The advisory lock of who upgrades: one at a time."""

_PREPARE: Final = """
CREATE SCHEMA IF NOT EXISTS saga;
CREATE TABLE IF NOT EXISTS saga.schema (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
"""


async def upgrade(session: PostgresSession) -> Sequence[int]:
    """Apply the missing migrations, and return their numbers. Raises `StoreError`."""
    await session.begin()
    try:
        await session.run(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})")
        await session.run(_PREPARE)
        done = await _version(session)
        missing = [(number, script) for number, script in sorted(_steps()) if number > done]
        for number, script in missing:
            await session.run(script)
            await session.change("INSERT INTO saga.schema (version) VALUES ($1)", number)
        await session.commit()
    except BaseException:
        await session.rollback()
        raise
    return [number for number, _ in missing]


async def check(session: PostgresSession, database: str) -> int:
    """Return the schema of a database. Raises `StoreError` if it is not the one of this program."""
    ((is_there,),) = await session.fetch("SELECT to_regclass('saga.schema') IS NOT NULL")
    version = await _version(session) if is_there else 0
    if version < newest_schema():
        raise StoreError(
            f"{database} has schema {version}, this program needs {newest_schema()}: run `saga db upgrade`"
        )
    if version > newest_schema():
        raise StoreError(
            f"{database} has schema {version}, this program knows {newest_schema()}: run the newer program"
        )
    return version


def newest_schema() -> int:
    """Return the schema that the migrations lead to."""
    return max(number for number, _ in _steps())


async def _version(session: PostgresSession) -> int:
    ((version,),) = await session.fetch("SELECT coalesce(max(version), 0) FROM saga.schema")
    return int(version)


def _steps() -> Iterator[tuple[int, str]]:
    for file in (files("saga_coordinator.service.storage.postgres") / "migrations").iterdir():
        if file.name.endswith(".sql"):
            yield int(file.name.split("_", 1)[0]), file.read_text(encoding="utf-8")
