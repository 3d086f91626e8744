"""The short form of a transaction: one function on the connection, from BEGIN to COMMIT."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from pydantic_core import to_json

from saga_coordinator.handlers.ports import Conflict
from saga_coordinator.handlers.records import DecidedBatch
from saga_coordinator.service.storage.sqlite import leases, rows
from saga_coordinator.service.storage.sqlite.rows import Statement

_EARLY: Final = "SELECT address FROM held_event WHERE address IN (SELECT value FROM json_each(?)) LIMIT 1"


def commit(connection: sqlite3.Connection, batch: DecidedBatch, statements: Sequence[Statement]) -> None:
    """Run the statements of a batch in a transaction. Raises `Conflict` if the database is not as the batch assumes."""
    rows.fetch(connection, "BEGIN IMMEDIATE")
    try:
        _check(connection, batch)
        rows.run_all(connection, statements)
        rows.fetch(connection, "COMMIT")
    except BaseException:
        if connection.in_transaction:
            rows.fetch(connection, "ROLLBACK")
        raise


def _check(connection: sqlite3.Connection, batch: DecidedBatch) -> None:
    """Move the leases, and see that no early event waits; the statements check the instances."""
    if not leases.move(connection, batch.moves):
        raise Conflict("a lease is not as it was")
    if batch.fresh and rows.fetch(connection, _EARLY, (to_json(sorted(batch.fresh)).decode(),)):
        raise Conflict("an early event is buffered for an instance that begins to wait")
