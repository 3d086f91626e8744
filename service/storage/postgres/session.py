"""A session with the server: opened when it is used, by one caller at a time, and given up when it breaks.

A statement is never cancelled: a cancel while the server waits for a replica would leave a commit that others see and
no replica has. What takes too long loses its connection instead, and its outcome is unknown.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import asyncpg
from asyncpg.connect_utils import SessionAttribute

from saga_coordinator.service.addresses import NO_TLS, VERIFY_FULL, PostgresAddress
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.postgres.errors import is_of_statement, meaning_of

T = TypeVar("T")
Row: TypeAlias = Sequence[Any]
Connection: TypeAlias = "asyncpg.Connection[Any]"

CONNECT_TIMEOUT: Final = 5.0
CALL_TIMEOUT: Final = 15.0
CLOSE_TIMEOUT: Final = 2.0

SETTINGS: Final = {
    "application_name": "saga-coordinator",
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "statement_timeout": "10s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "5s",
    "client_connection_check_interval": "1s",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",  # rows are locked in the order of the arrays that name them: no deadlocks
    "enable_mergejoin": "off",
}


@dataclass(frozen=True, slots=True)
class Server:
    """How to reach a database. `password` is called at each connect: a file may hold another one by then."""

    address: PostgresAddress
    name: str
    """The database as messages name it."""
    password: Callable[[], str | None] = lambda: None
    tls: ssl.SSLContext | None = None

    async def connect(self, settings: Mapping[str, str]) -> Connection:
        """Return a connection to the host that accepts writes."""
        hosts, database, user, _ = self.address
        return await asyncpg.connect(
            host=[each.host for each in hosts],
            port=[each.port for each in hosts],
            user=user,
            database=database,
            password=self.password(),
            ssl=self.tls or False,
            timeout=CONNECT_TIMEOUT,
            target_session_attrs=SessionAttribute.read_write,
            server_settings=dict(settings),
            max_cached_statement_lifetime=0,
            max_cacheable_statement_size=0,
        )


def tls_context(
    mode: str, authorities: Path | None, certificate: Path | None, key: Path | None
) -> ssl.SSLContext | None:
    """Return how a server is verified in one of `TLS_MODES`, None for no encryption; with a client certificate."""
    if mode == NO_TLS:
        return None
    context = ssl.create_default_context(cafile=authorities)
    context.check_hostname = mode == VERIFY_FULL
    if certificate is not None:
        context.load_cert_chain(certificate, key, password="")
    return context


class PostgresSession:
    """One connection, which is replaced after it was lost, but never within a transaction.

    Its methods raise `Conflict`, and `StoreError` for any other failure.
    """

    def __init__(self, server: Server, settings: Mapping[str, str] = SETTINGS) -> None:
        self._server = server
        self._settings = settings
        self._connection: Connection | None = None
        self._in_transaction = False

    async def fetch(self, sql: str, *parameters: object) -> Sequence[Row]:
        """Return the rows of a statement."""
        return await self._call(lambda connection: connection.fetch(sql, *parameters))

    async def change(self, sql: str, *parameters: object) -> int:
        """Return how many rows a statement has changed."""
        status = await self._call(lambda connection: connection.execute(sql, *parameters))
        return int(status.rpartition(" ")[2])

    async def run(self, script: str) -> str:
        """Run statements, and return the tag that the last one ended with."""
        return await self._call(lambda connection: connection.execute(script))

    async def begin(self, mode: str = "") -> None:
        await self.run(f"BEGIN {mode}")
        self._in_transaction = True

    async def commit(self) -> None:
        """Commit. When it fails its outcome is unknown, unless it raises `Conflict`."""
        tag = await self.run("COMMIT")
        self._in_transaction = False
        if tag != "COMMIT":
            raise StoreError(f"{self._server.name}: the transaction was rolled back; it is retried")

    async def rollback(self) -> None:
        """Undo the transaction. If that fails the connection is abandoned, which undoes it too."""
        if self._in_transaction and not self._is_lost:
            with suppress(StoreError):
                await self.run("ROLLBACK")
        self._in_transaction = False

    async def close(self) -> None:
        """Close the connection; abandon it if the server does not answer."""
        connection, self._connection, self._in_transaction = self._connection, None, False
        if connection is not None:
            closing = asyncio.ensure_future(connection.close())
            await asyncio.wait({closing}, timeout=CLOSE_TIMEOUT)
            connection.terminate()
            with suppress(Exception):
                await closing

    @property
    def _is_lost(self) -> bool:
        return self._connection is None or self._connection.is_closed()

    async def _call(self, use: Callable[[Connection], Awaitable[T]]) -> T:
        try:
            connection = await self._usable()
            late = asyncio.get_running_loop().call_later(CALL_TIMEOUT, connection.terminate)
            try:
                return await use(connection)
            finally:
                late.cancel()
        except BaseException as error:
            if not is_of_statement(error):
                self._abandon()
            if isinstance(error, Exception):
                raise meaning_of(error, self._server.name) from error
            raise

    async def _usable(self) -> Connection:
        if self._connection is None or self._connection.is_closed():
            if self._in_transaction:
                raise ConnectionError("the connection was lost within a transaction")
            self._connection = await self._server.connect(self._settings)
        return self._connection

    def _abandon(self) -> None:
        """Close the socket and send nothing: what ran there may be committed, or not."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None
