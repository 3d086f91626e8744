"""Brings the WAL into the database now and then, beside the transactions, and ends what runs when a sync has failed."""

import asyncio
import sqlite3
from typing import Final

from saga_coordinator.handlers.ports import Observer
from saga_coordinator.service.storage.sqlite.store import SqliteStore

EVERY: Final = 1.0
"""Seconds. The WAL holds what is written in so long, and is used again; what nobody writes costs nothing."""


async def checkpoint(store: SqliteStore, observer: Observer) -> None:
    """Do so for ever. Raises `StoreUnusable` when a sync has failed, in a transaction or here."""
    while True:
        await asyncio.sleep(EVERY)
        try:
            await store.checkpoint()
        except sqlite3.Error as error:
            observer.on_error("the WAL was not written back into the database", error)
