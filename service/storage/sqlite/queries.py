"""The read port on a SQLite file: one read-only transaction, each query bounded in rows and time."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.columns import from_time
from saga_coordinator.service.storage.sql_queries import Dialect, SqlQueries
from saga_coordinator.service.storage.sqlite.errors import remedy_at_reading
from saga_coordinator.service.storage.sqlite.migrations import newest_schema

QUERY_TIMEOUT: Final = 5.0
"""Seconds that one query may take."""

BUSY_TIMEOUT_MS: Final = 2_000
STEPS_BETWEEN_CHECKS: Final = 20_000

_COMMANDS: Final = (
    "EXISTS (SELECT 1 FROM json_each(state, '$.steps') AS step, json_each(step.value) AS command"
    " WHERE json_extract(command.value, '$.progress')"
)
_SQLITE: Final = Dialect(
    parameter="?",
    schema="",
    id="id",
    of_ids="id IN (SELECT value FROM json_each({}))",
    usable_ids=iter,
    among=" IN (SELECT value FROM json_each({}))",
    contains="instr({}, {}) > 0",
    parks="parks = 1",
    sent_often=f"{_COMMANDS} IN ('asked', 'waiting') AND json_extract(command.value, '$.sendings') >= {{}})",
    awaits=f"{_COMMANDS} = 'asked' AND step.key || '/' || command.key IN (SELECT value FROM json_each({{}})))",  # noqa: S608  own text
)


@contextmanager
def open_queries(path: Path) -> Iterator[SqlQueries]:
    """Open a database for reading, as of this moment.

    Raises `FileNotFoundError` if there is none, `StoreError` if its schema is not the newest one, and `StoreError`
    if it cannot be read.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"there is no database {path}: `saga serve` makes it; SAGA_STORE says where it is looked for"
        )
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        schema = _begin(connection, path)
        if schema != newest_schema():
            raise StoreError(
                f"database {path} has schema {schema}, this program reads {newest_schema()}: "
                "`saga serve` brings an older one up to date; a newer one needs the newer program"
            )
        yield SqlQueries(_SQLITE, partial(_query, connection, path), schema)


def _begin(connection: sqlite3.Connection, path: Path) -> int:
    """Begin a transaction, and return the schema, 0 of a file that no coordinator has opened."""
    try:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("BEGIN")
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error as error:
        problem = f"database {path} cannot be read: {error}; {remedy_at_reading(error)}"
        raise StoreError(problem) from error


def _query(
    connection: sqlite3.Connection, path: Path, sql: str, parameters: Sequence[object]
) -> Sequence[Sequence[Any]]:
    """Return the rows of a query. Raises `TimeoutError` after `QUERY_TIMEOUT`."""
    until = time.monotonic() + QUERY_TIMEOUT
    connection.set_progress_handler(lambda: time.monotonic() > until, STEPS_BETWEEN_CHECKS)
    try:
        return connection.execute(sql, [_stored(each) for each in parameters]).fetchall()
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
            raise TimeoutError(f"the database did not answer within {QUERY_TIMEOUT:g} s: ask for less") from error
        raise StoreError(f"{path}: {error}; {remedy_at_reading(error)}") from error


def _stored(parameter: Any) -> Any:  # noqa: ANN401  what SQLite takes
    """Return a parameter as SQLite has it: a time in microseconds, a list as JSON."""
    if isinstance(parameter, datetime):
        return from_time(parameter)
    return json.dumps(parameter) if isinstance(parameter, list) else parameter
