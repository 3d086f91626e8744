"""Databases on one server of PostgreSQL, each for one test at a time."""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, urlsplit
from uuid import UUID, uuid4

from saga_coordinator.service.addresses import parse_postgres
from saga_coordinator.service.storage.postgres.migrations import upgrade
from saga_coordinator.service.storage.postgres.queries import open_queries
from saga_coordinator.service.storage.postgres.session import PostgresSession, Server
from saga_coordinator.service.storage.queries import Queries

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


@dataclass(frozen=True, slots=True)
class Database:
    """One database; its URL has no password."""

    url: str
    password: str | None

    @property
    def name(self) -> str:
        return urlsplit(self.url).path[1:]

    @property
    def server(self) -> Server:
        """How a store reaches it."""
        return Server(parse_postgres(self.url), self.name, lambda: self.password)

    @property
    def variables(self) -> Mapping[str, str]:
        """The settings that name it, as variables of the environment."""
        return {"SAGA_STORE": self.url} | ({"SAGA_STORE_PASSWORD": self.password} if self.password else {})

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement, run by a connection of its own; parameters are written as ?."""
        for number in range(1, len(parameters) + 1):
            sql = sql.replace("?", f"${number}", 1)

        async def found() -> list[tuple[Any, ...]]:
            connection = await self.server.connect({"search_path": "saga"})
            try:
                return [tuple(map(_plain, row)) for row in await connection.fetch(sql, *parameters)]
            finally:
                await connection.close()

        return in_thread(found())

    def queries(self) -> AbstractContextManager[Queries]:
        return open_queries(self.server)


class Postgres:
    """A server, as `SAGA_TEST_POSTGRES` names it: the URL of a database of a user who may create others.

    Databases are emptied and used again: to create and drop one costs the server a quarter of a second.
    """

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._root = self._database(self._parts.path[1:])
        self._created: list[Database] = []
        self._free: list[Database] = []

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Yield an empty database with the newest schema, and an identity of its own."""
        database = self.acquire()
        try:
            yield database
        finally:
            self.release(database)

    def acquire(self) -> Database:
        """Return an empty database with the newest schema, and an identity of its own, until it is released."""
        if self._free:
            return self._free.pop()
        database = self.create()
        in_thread(_upgraded(database.server))
        return database

    def create(self) -> Database:
        """Create a database without a schema."""
        database = self._database(f"saga_test_{uuid4().hex}")
        self._root.rows(f"CREATE DATABASE {database.name}")
        self._created.append(database)
        return database

    def release(self, database: Database) -> None:
        """Empty a database for another test, and end the sessions in it."""
        database.rows(_EMPTY)
        self._free.append(database)

    def close(self) -> None:
        """Drop all databases."""
        for each in self._created:
            self._root.rows(f"DROP DATABASE {each.name} WITH (FORCE)")

    def _database(self, name: str) -> Database:
        parts: SplitResult = self._parts
        host = parts.netloc.rpartition("@")[2]
        url = parts._replace(netloc=f"{parts.username or ''}@{host}", path=f"/{name}").geturl()
        return Database(url, parts.password)


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


def _plain(value: object) -> object:
    return str(value) if isinstance(value, UUID) else value
