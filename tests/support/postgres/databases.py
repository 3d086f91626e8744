"""Databases on one server of PostgreSQL, each for one test at a time."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg

from saga_coordinator.service.addresses import parse_postgres
from saga_coordinator.service.storage.postgres.migrations import upgrade
from saga_coordinator.service.storage.postgres.session import PostgresSession, Server

T = TypeVar("T")

_EMPTY: Final = """
DO $$ DECLARE name text; BEGIN
    PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'saga' AND tablename <> 'schema' LOOP
        EXECUTE format('DELETE FROM saga.%I', name);
    END LOOP;
    INSERT INTO saga.identity (id) VALUES (gen_random_uuid());
END $$
"""


class Postgres:
    """A server, as `SAGA_TEST_POSTGRES` names it: the URL of a database of a user who may create others.

    Databases are emptied and used again: to create and drop one costs the server a quarter of a second.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._created: list[str] = []
        self._free: list[str] = []

    def acquire(self) -> str:
        """Return the name of an empty database with the newest schema, and an identity of its own."""
        if self._free:
            return self._free.pop()
        name = self.create()
        in_thread(_upgraded(self.server(name)))
        return name

    def create(self) -> str:
        """Create a database without a schema, and return its name."""
        name = f"saga_test_{uuid4().hex}"
        self.run("", f"CREATE DATABASE {name}")
        self._created.append(name)
        return name

    def release(self, name: str) -> None:
        """Empty a database for another test, and end the sessions in it."""
        self.run(name, _EMPTY)
        self._free.append(name)

    def close(self) -> None:
        """Drop all databases."""
        for name in self._created:
            self.run("", f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        """Return how a database is named in settings, without a password."""
        user, host = self._parts.username or "", self._parts.netloc.rpartition("@")[2]
        return self._parts._replace(netloc=f"{user}@{host}", path=f"/{name or self._parts.path[1:]}").geturl()

    def server(self, name: str) -> Server:
        """Return how a database is reached."""
        return Server(parse_postgres(self.url(name)), name, lambda: self._parts.password)

    def run(self, name: str, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a statement in a database, run by a connection of its own."""

        async def rows() -> list[tuple[Any, ...]]:
            connection: asyncpg.Connection[Any] = await self.server(name).connect({"search_path": "saga"})
            try:
                return [
                    tuple(str(each) if isinstance(each, UUID) else each for each in row)
                    for row in await connection.fetch(sql)
                ]
            finally:
                await connection.close()

        return in_thread(rows())


def in_thread(work: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, whether or not an event loop runs here."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result()


async def _upgraded(server: Server) -> None:
    session = PostgresSession(server)
    try:
        await upgrade(session)
    finally:
        await session.close()
