"""The statements on leases, and on what identifies the database; see `handlers.ports.LeaseStore`."""

import sqlite3
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import aiosqlite
from pydantic_core import to_json

from saga_coordinator.handlers.records import (
    Actor,
    Lease,
    LeaseMove,
    PartitionOfTopic,
    SetPosition,
)
from saga_coordinator.service.storage.columns import from_time
from saga_coordinator.service.storage.sqlite import rows
from saga_coordinator.service.storage.sqlite.rows import Statement, write

_COLUMNS: Final = "topic, partition, epoch, next_offset, topic_id, is_set"
LEASES: Final = f"SELECT {_COLUMNS} FROM lease"  # noqa: S608  own columns
IDENTITY: Final = "SELECT id, cluster_id FROM identity"

_PLACES: Final = ("history", "verdict", "held_event", "parked", "dead_letter", "dead_letter_audit")
"""The tables that say where a record stands. When a topic is accepted that was created again, they name the old one."""

_ADVANCE: Final = (
    "WITH move AS (SELECT json_extract(value, '$[0]') AS topic, json_extract(value, '$[1]') AS partition,"
    " json_extract(value, '$[2]') AS epoch, json_extract(value, '$[3]') AS expected,"
    " json_extract(value, '$[4]') AS next_offset FROM json_each(?))"
    " UPDATE lease SET next_offset = move.next_offset FROM move"
    " WHERE lease.topic = move.topic AND lease.partition = move.partition AND lease.epoch = move.epoch"
    " AND lease.next_offset IS move.expected AND ifnull(lease.next_offset, 0) <= move.next_offset"
    " RETURNING topic, partition"
)
_ACQUIRE: Final = (
    "INSERT INTO lease (topic, partition, epoch, owner, next_offset, topic_id) VALUES (?, ?, 1, ?, ?, ?)"  # noqa: S608  own columns
    " ON CONFLICT (topic, partition) DO UPDATE SET epoch = epoch + 1, owner = excluded.owner,"
    " next_offset = ifnull(next_offset, excluded.next_offset), topic_id = ifnull(topic_id, excluded.topic_id)"
    f" RETURNING {_COLUMNS}"
)
_REGISTER: Final = (
    "INSERT INTO lease (topic, partition, topic_id, epoch, owner) VALUES (?, ?, ?, 0, '') ON CONFLICT DO NOTHING"
)
_AUDIT: Final = (
    "INSERT INTO position_audit (at, who, why, topic, partition, topic_id, next_offset, before)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT next_offset FROM lease WHERE topic = ? AND partition = ?))"
)
_SET: Final = (
    "INSERT INTO lease (topic, partition, topic_id, next_offset, epoch, owner, is_set) VALUES (?, ?, ?, ?, 1, '', 1)"
    " ON CONFLICT (topic, partition) DO UPDATE SET epoch = epoch + 1, topic_id = excluded.topic_id,"
    " next_offset = excluded.next_offset, is_set = 1"
)


def to_lease(row: Sequence[Any]) -> Lease:
    topic, partition, epoch, next_offset, topic_id, is_set = row
    return Lease(topic, partition, epoch, next_offset, topic_id, is_set=bool(is_set))


def move(connection: sqlite3.Connection, moves: Sequence[LeaseMove]) -> bool:
    """Move the leases, and return whether all were as expected. Called in aiosqlite's thread."""
    return len(rows.fetch(connection, _ADVANCE, (to_json(moves).decode(),))) == len(moves)


async def advance(connection: aiosqlite.Connection, moves: Sequence[LeaseMove]) -> Sequence[Lease]:
    """Move the leases, and return those that are not as expected; one that was never acquired is in epoch 0."""
    moved = {tuple(row) for row in await connection.execute_fetchall(_ADVANCE, (to_json(moves).decode(),))}
    missed = sorted({(each.topic, each.partition) for each in moves} - moved)
    if not missed:
        return []
    actual = {(row[0], row[1]): to_lease(row) for row in await connection.execute_fetchall(LEASES)}
    return [actual.get(each) or Lease(*each, 0, None) for each in missed]


async def acquire(connection: aiosqlite.Connection, at: PartitionOfTopic, owner: str, start: int | None) -> Lease:
    (row,) = await connection.execute_fetchall(_ACQUIRE, (at.topic, at.partition, owner, start, at.topic_id))
    return to_lease(row)


async def register(
    connection: aiosqlite.Connection, cluster_id: str | None, partitions: Sequence[PartitionOfTopic]
) -> None:
    learn = Statement("UPDATE identity SET cluster_id = ? WHERE cluster_id IS NULL", [(cluster_id,)])
    await write(connection, [learn, Statement(_REGISTER, partitions)])


async def set_positions(
    connection: aiosqlite.Connection, positions: Sequence[SetPosition], cluster_id: str | None, by: Actor
) -> None:
    actual = [to_lease(row) for row in await connection.execute_fetchall(LEASES)]
    known = {(lease.topic, lease.partition): lease.topic_id for lease in actual}
    deleted = [
        (f"{at.topic}@{id_}", at.topic, at.partition)
        for at, _ in positions
        for id_ in (known.get((at.topic, at.partition)),)
        if id_ and at.topic_id and id_ != at.topic_id
    ]
    now = from_time(datetime.now(UTC))
    audits = [(now, *by, *each.at, each.next_offset, each.at.topic, each.at.partition) for each in positions]
    await write(
        connection,
        [
            Statement("UPDATE identity SET cluster_id = ?", [(cluster_id,)] if cluster_id else []),
            Statement(_AUDIT, audits),
            *(
                Statement(f"UPDATE {table} SET topic = ? WHERE topic = ? AND partition = ?", deleted)  # noqa: S608  own tables
                for table in _PLACES
            ),
            Statement(_SET, [(*each.at, each.next_offset) for each in positions]),
        ],
    )


async def confirm(connection: aiosqlite.Connection, partitions: Collection[tuple[str, int]]) -> None:
    sql = "UPDATE lease SET is_set = 0 WHERE topic = ? AND partition = ?"
    await write(connection, [Statement(sql, sorted(partitions))])
