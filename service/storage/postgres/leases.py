"""The statements on leases, and on what identifies the database; see `handlers.ports.LeaseStore`."""

from collections.abc import Collection, Sequence
from typing import Final

from saga_coordinator.handlers.records import Actor, Lease, LeaseMove, PartitionOfTopic, SetPosition
from saga_coordinator.service.storage.postgres.session import PostgresSession, Row

_COLUMNS: Final = "topic, partition, epoch, next_offset, topic_id, is_set"
LEASES: Final = f"SELECT {_COLUMNS} FROM saga.lease"  # noqa: S608  own columns
IDENTITY: Final = "SELECT id, cluster_id FROM saga.identity"

_PLACES: Final = ("history", "verdict", "held_event", "parked", "dead_letter", "dead_letter_audit")
"""The tables that say where a record stands. When a topic is accepted that was created again, they name the old one."""

ADVANCE: Final = (
    "UPDATE saga.lease AS l SET next_offset = m.next_offset"
    " FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[])"
    " AS m(topic, partition, epoch, expected, next_offset)"
    " WHERE l.topic = m.topic AND l.partition = m.partition AND l.epoch = m.epoch"
    " AND l.next_offset IS NOT DISTINCT FROM m.expected AND coalesce(l.next_offset, 0) <= m.next_offset"
    " RETURNING l.topic, l.partition"
)
_OWNED: Final = (
    "SELECT l.partition FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS m(topic, partition, epoch)"
    " JOIN saga.lease l ON l.topic = m.topic AND l.partition = m.partition AND l.epoch = m.epoch"
    " ORDER BY l.topic, l.partition FOR KEY SHARE OF l"
)
_ACQUIRE: Final = (
    "INSERT INTO saga.lease AS l (topic, partition, epoch, owner, next_offset, topic_id) VALUES ($1, $2, 1, $3, $4, $5)"  # noqa: S608  own columns
    " ON CONFLICT (topic, partition) DO UPDATE SET epoch = l.epoch + 1, owner = excluded.owner,"
    " next_offset = coalesce(l.next_offset, excluded.next_offset), topic_id = coalesce(l.topic_id, excluded.topic_id)"
    f" RETURNING {_COLUMNS}"
)
_REGISTER: Final = (
    "INSERT INTO saga.lease (topic, partition, topic_id, epoch, owner)"
    " SELECT n.*, 0, '' FROM unnest($1::text[], $2::integer[], $3::text[]) AS n ON CONFLICT DO NOTHING"
)
_AUDIT: Final = (
    "INSERT INTO saga.position_audit (at, who, why, topic, partition, topic_id, next_offset, before)"
    " VALUES (now(), $1, $2, $3, $4, $5, $6, (SELECT next_offset FROM saga.lease WHERE topic = $3 AND partition = $4))"
)
_SET: Final = (
    "INSERT INTO saga.lease AS l (topic, partition, topic_id, next_offset, epoch, owner, is_set)"
    " VALUES ($1, $2, $3, $4, 1, '', true)"
    " ON CONFLICT (topic, partition) DO UPDATE SET epoch = l.epoch + 1, topic_id = excluded.topic_id,"
    " next_offset = excluded.next_offset, is_set = true"
)
_CONFIRM: Final = (
    "UPDATE saga.lease AS l SET is_set = false FROM unnest($1::text[], $2::integer[]) AS n(topic, partition)"
    " WHERE l.topic = n.topic AND l.partition = n.partition"
)


def to_lease(row: Row) -> Lease:
    return Lease(*row)


async def all_leases(session: PostgresSession) -> Sequence[Lease]:
    return [to_lease(row) for row in await session.fetch(f"{LEASES} ORDER BY topic, partition")]


async def advance(session: PostgresSession, moves: Sequence[LeaseMove]) -> Sequence[Lease]:
    """Move the leases, and return those that are not as expected; one that was never acquired is in epoch 0."""
    if not moves:
        return []
    moved = {tuple(row) for row in await session.fetch(ADVANCE, *zip(*sorted(moves), strict=True))}
    missed = sorted({(each.topic, each.partition) for each in moves} - moved)
    if not missed:
        return []
    actual = {(each.topic, each.partition): each for each in await all_leases(session)}
    return [actual.get(each) or Lease(*each, 0, None) for each in missed]


async def owned(session: PostgresSession, leases: Sequence[Lease]) -> Sequence[int]:
    """Return the partitions of those leases that are still of their epoch, and keep anybody from acquiring them."""
    if not leases:
        return []
    named = zip(*((each.topic, each.partition, each.epoch) for each in leases), strict=True)
    return [row[0] for row in await session.fetch(_OWNED, *named)]


async def acquire(session: PostgresSession, at: PartitionOfTopic, owner: str, start: int | None) -> Lease:
    (row,) = await session.fetch(_ACQUIRE, at.topic, at.partition, owner, start, at.topic_id)
    return to_lease(row)


async def register(session: PostgresSession, cluster_id: str | None, partitions: Sequence[PartitionOfTopic]) -> None:
    await session.change("UPDATE saga.identity SET cluster_id = $1 WHERE cluster_id IS NULL", cluster_id)
    if partitions:
        await session.change(_REGISTER, *zip(*partitions, strict=True))


async def set_positions(
    session: PostgresSession, positions: Sequence[SetPosition], cluster_id: str | None, by: Actor
) -> None:
    known = {(each.topic, each.partition): each.topic_id for each in await all_leases(session)}
    if cluster_id:
        await session.change("UPDATE saga.identity SET cluster_id = $1", cluster_id)
    for at, next_offset in positions:
        await session.change(_AUDIT, *by, *at, next_offset)
        before = known.get((at.topic, at.partition))
        if before and at.topic_id and before != at.topic_id:
            for table in _PLACES:
                sql = f"UPDATE saga.{table} SET topic = $1 WHERE topic = $2 AND partition = $3"  # noqa: S608  own tables
                await session.change(sql, f"{at.topic}@{before}", at.topic, at.partition)
        await session.change(_SET, *at, next_offset)


async def confirm(session: PostgresSession, partitions: Collection[tuple[str, int]]) -> None:
    if partitions:
        await session.change(_CONFIRM, *zip(*sorted(partitions), strict=True))
