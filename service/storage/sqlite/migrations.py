"""Brings a database to the newest schema: numbered `.sql` files, each applied once, in one transaction."""

from collections.abc import Iterator
from importlib.resources import files

import aiosqlite

from saga_coordinator.service.errors import StoreError


async def migrate(connection: aiosqlite.Connection, name: str) -> None:
    """Apply the missing migrations, and write at least the version, so that a read-only database fails now.

    `name` is the database, for the error message. Raises `StoreError`, or `sqlite3.Error`.
    """
    async with connection.execute("PRAGMA user_version") as cursor:
        row = await cursor.fetchone()
    version = int(row[0]) if row else 0
    steps = dict(_steps())
    if version > max(steps):
        raise StoreError(
            f"database {name} has schema {version}, this program knows {max(steps)}: run the newer program, "
            "or restore a backup from before its upgrade"
        )
    for number, sql in sorted(steps.items()):
        if number > version:
            await connection.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version = {number};\nCOMMIT;")
    await connection.executescript(f"BEGIN IMMEDIATE; PRAGMA user_version = {max(steps)}; COMMIT;")


def newest_schema() -> int:
    """Return the schema that the migrations lead to."""
    return max(number for number, _ in _steps())


def _steps() -> Iterator[tuple[int, str]]:
    for file in (files("saga_coordinator.service.storage.sqlite") / "migrations").iterdir():
        if file.name.endswith(".sql"):
            yield int(file.name.split("_", 1)[0]), file.read_text(encoding="utf-8")
