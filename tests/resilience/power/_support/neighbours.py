"""Kafka and the participants, who lose nothing when the coordinator's power fails; and what is noted of its life.

Each command is answered when it comes first. Every fifth order cannot be shipped, and is undone.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from saga_coordinator.handlers.records import OutboxMessage, Record
from tests.unit.handlers._support.coordinator import Wall
from tests.unit.handlers._support.order_log import ANSWERS, EVENTS, Log, header, type_of

Image = Mapping[str, Sequence[tuple[object, ...]]]
"""All rows of the tables that have any."""


class Acknowledged(NamedTuple):
    """The store has said that a transaction is committed; so the database was then."""

    image: Image


class Seen(NamedTuple):
    """So the database looks at a start; what the life before has left may be on the disk or not."""

    image: Image


class Published(NamedTuple):
    """Kafka has a message."""

    message: OutboxMessage


class Appended(NamedTuple):
    """A record stands in one of the topics that the coordinator reads."""

    record: Record


Note = Acknowledged | Seen | Published | Appended


def image(path: Path) -> Image:
    """Return what stands in a database, but for its identity, which a migration gives it before anything is decided."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
        tables = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for (name,) in names}  # noqa: S608  own names
    return {name: rows for name, rows in tables.items() if rows and name != "identity"}


class Neighbours:
    """Kafka and the participants, with all that has happened there so far."""

    def __init__(self, notes: Sequence[Note] = (), note: Callable[[Note], None] = lambda _: None) -> None:
        self.records: list[Record] = []
        self.published: list[OutboxMessage] = []
        self.orders: list[str] = []
        self._log = Log()
        self._answered: set[str] = set()
        self._note = note
        for each in notes:
            match each:
                case Appended(record):
                    topic, partition, _ = record.place
                    key = (record.key or b"").decode()
                    self._append(self._log.record(topic, key, record.value, record.headers, partition=partition))
                case Published(message):
                    self.publish(message)
                case Acknowledged() | Seen():
                    pass

    def order(self) -> None:
        """Place one more order."""
        number = len(self.orders) + 1
        self._append(self._log.placed(f"o-{number}", partition=number % 2))

    def publish(self, message: OutboxMessage) -> None:
        """Take a message from the coordinator."""
        self.published.append(message)
        self._note(Published(message))

    def answer(self) -> None:
        """Answer every command that is not answered yet."""
        for each in self.published:
            if type_of(each) in ANSWERS and each.message_id not in self._answered:
                refused = type_of(each) == "shipping.ship-order.v1" and int((each.key or b"")[2:]) % 5 == 0
                say = self._log.refuse if refused else self._log.answer
                self._append(say(each, partition=each.home))

    def _append(self, record: Record) -> None:
        self.records.append(record)
        if record.place.topic == EVENTS:
            self.orders.append((record.key or b"").decode())
        else:
            self._answered.add(header(record, "ce_causationid") or "")
        self._note(Appended(record))


class ToNeighbours(Wall):
    """The coordinator's publisher."""

    def __init__(self, neighbours: Neighbours) -> None:
        super().__init__()
        self._neighbours = neighbours

    async def publish(self, topic: str, partition: int, rows: Sequence[OutboxMessage]) -> None:  # noqa: ARG002  the port's form
        for row in rows:
            self._neighbours.publish(row)
