"""A participant as a process of its own, which kills itself at a place: with SERVERS DATABASE PLACE."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from saga_coordinator.contracts import Failure
from saga_coordinator.contracts.messages.inventory import ReserveStock, StockReserved
from saga_coordinator.service.participant.kafka import KafkaOptions, ParticipantRunner
from saga_coordinator.service.participant.records import OutgoingRecord
from saga_coordinator.service.participant.sqlite import SqliteDatabase, SqliteSession
from tests.unit.participant._support.warehouse import Warehouse

FATAL_CALL = 5


class FatalDatabase(SqliteDatabase):
    """A database after whose commit, or around whose removal of published records, the process is killed."""

    place = ""

    async def outbox(self, limit: int) -> Sequence[tuple[int, OutgoingRecord]]:
        rows = await super().outbox(limit)
        if rows and self.place == "after the commit":
            die()
        return rows

    async def forget(self, numbers: Sequence[int]) -> None:
        if self.place == "acknowledged":
            die()
        await super().forget(numbers)
        if self.place == "before the offset":
            die()


class FatalWarehouse(Warehouse):
    """A participant that is killed in its handler."""

    place = ""

    async def reserve(self, command: ReserveStock, session: SqliteSession) -> StockReserved | Failure:
        reply = await super().reserve(command, session)
        if self.place == "in the handler" and len(self.calls) == FATAL_CALL:
            die()
        return reply


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(servers: str, path: str, place: str) -> None:
    database, stop = FatalDatabase(Path(path)), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await database.open()
    try:
        await database.call(lambda db: db.execute("CREATE TABLE IF NOT EXISTS effect (command TEXT, net INTEGER)"))
        inventory = FatalWarehouse(database)
        database.place = inventory.place = place
        options = KafkaOptions(bootstrap_servers=servers, group="inventory", session_timeout=3.0)
        await ParticipantRunner(inventory.participant, database, options).run(stop)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
