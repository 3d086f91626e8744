"""The statements that write rows, built from the lists of their columns."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from saga_coordinator.service.storage.postgres.rows import (
    AUDIT,
    HELD,
    HELD_AT,
    HISTORY,
    INSTANCE,
    LETTER,
    LETTER_AT,
    LETTER_EDIT,
    MUTABLE,
    OUTBOX,
    QUEUED,
    SUBSCRIPTION,
    VERDICT,
    Column,
    Columns,
)


class ArrayStatement(NamedTuple):
    """A statement, and the rows that it is run for, sent as one array a column.

    `must_match`: each row must change one in the table, else another writer was first.
    """

    sql: str
    rows: Sequence[Sequence[object]]
    must_match: bool = False


def _insert(table: str, columns: Columns, ending: str = "") -> str:
    return (
        f"INSERT INTO saga.{table} ({columns.names}) SELECT {columns.values()}"  # noqa: S608  own columns
        f" FROM {columns.arrays()} ORDER BY n.place {ending}"
    )


def _delete(table: str, columns: Columns) -> str:
    matching = " AND ".join(f"t.{each.name} = n.{each.name}" for each in columns)
    return f"DELETE FROM saga.{table} AS t USING {columns.arrays()} WHERE {matching}"  # noqa: S608  own columns


UPDATED: Final = Columns((Column("id", "uuid"), Column("seen", "bigint"), *MUTABLE))
_OF_INSTANCE: Final = Columns((Column("id", "uuid"), *HISTORY))
SETTING: Final = ", ".join(f"{each.name} = {Columns((each,)).values()}" for each in MUTABLE)

INSERT_INSTANCES: Final = _insert("instance", INSTANCE)
UPDATE_INSTANCES: Final = (
    f"UPDATE saga.instance AS i SET {SETTING} FROM {UPDATED.arrays()} WHERE i.id = n.id AND i.revision = n.seen"  # noqa: S608  own columns
)
INSERT_HISTORY: Final = (
    f"INSERT INTO saga.history (instance, {HISTORY.names}) SELECT i.number, {HISTORY.values()}"  # noqa: S608  own columns
    f" FROM {_OF_INSTANCE.arrays()} JOIN saga.instance AS i ON i.id = n.id ORDER BY n.place"
)
INSERT_OUTBOX: Final = _insert("outbox", OUTBOX, "RETURNING seq")
DELETE_OUTBOX: Final = "DELETE FROM saga.outbox WHERE seq = ANY($1::bigint[])"
INSERT_SUBSCRIPTIONS: Final = _insert("awaited_event", SUBSCRIPTION, "ON CONFLICT DO NOTHING")
DELETE_SUBSCRIPTIONS: Final = _delete("awaited_event", SUBSCRIPTION)
INSERT_LETTERS: Final = _insert(
    "dead_letter", LETTER, 'ON CONFLICT (topic, partition, "offset", instance_id) DO NOTHING'
)
DELETE_LETTERS: Final = _delete("dead_letter", LETTER_AT)
EDIT_LETTERS: Final = (
    f"UPDATE saga.dead_letter AS t SET value = n.value, cause = n.cause FROM {LETTER_EDIT.arrays()} WHERE "  # noqa: S608  own columns
    + " AND ".join(f"t.{each.name} = n.{each.name}" for each in LETTER_AT)
)
INSERT_QUEUED: Final = _insert("parked", QUEUED, "ON CONFLICT DO NOTHING")
DELETE_QUEUED: Final = _delete("parked", Columns((Column("seq", "bigint"),)))
INSERT_AUDITS: Final = _insert("dead_letter_audit", AUDIT)
INSERT_HELD: Final = _insert(
    "held_event",
    HELD,
    'ON CONFLICT (topic, partition, "offset", address)'
    " DO UPDATE SET at = excluded.at, expires_at = excluded.expires_at",
)
DELETE_HELD: Final = _delete("held_event", HELD_AT)
INSERT_VERDICTS: Final = _insert("verdict", VERDICT, "ON CONFLICT DO NOTHING")
