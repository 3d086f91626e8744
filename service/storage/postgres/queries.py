"""The read port on PostgreSQL: one read-only transaction as of one moment, each query bounded in rows and time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final

from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.postgres.blocking import Blocking, blocking_session
from saga_coordinator.service.storage.postgres.errors import is_timeout
from saga_coordinator.service.storage.postgres.migrations import check
from saga_coordinator.service.storage.postgres.rows import is_instance_id
from saga_coordinator.service.storage.postgres.session import PostgresSession, Row, Server
from saga_coordinator.service.storage.sql_queries import Dialect, SqlQueries

QUERY_TIMEOUT: Final = 5.0
"""Seconds that one query may take."""

_SETTINGS: Final = {"application_name": "saga", "timezone": "UTC", "statement_timeout": f"{QUERY_TIMEOUT:g}s"}

_POSTGRES: Final = Dialect(
    parameter="${}",
    schema="saga.",
    id="id::text",
    of_ids="id = ANY({}::uuid[])",
    usable_ids=partial(filter, is_instance_id),
    among=" = ANY({}::text[])",
    contains="strpos({}, {}) > 0",
    parks="parks",
    sent_often="open_sendings >= {}",
    awaits="open_commands && {}::text[]",
)


@contextmanager
def open_queries(server: Server) -> Iterator[SqlQueries]:
    """Open a database for reading, as of this moment.

    Raises `StoreError` if it cannot be read, or if its schema is not that of this program.
    """
    with blocking_session(server, _SETTINGS) as (session, run):
        run(session.begin("ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        yield SqlQueries(_POSTGRES, partial(_query, session, run), run(check(session, server.name)))


def _query(session: PostgresSession, run: Blocking, sql: str, parameters: Sequence[object]) -> Sequence[Row]:
    """Return the rows of a query. Raises `TimeoutError` after `QUERY_TIMEOUT`."""
    try:
        return run(session.fetch(sql, *parameters))
    except StoreError as error:
        if is_timeout(error.__cause__):
            raise TimeoutError(f"the database did not answer within {QUERY_TIMEOUT:g} s: ask for less") from error
        raise
