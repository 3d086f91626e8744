"""The short form of a transaction: one statement, which is one round trip and holds no lock while anybody decides.

What a batch assumes is checked in the statement: a check that fails divides by zero, which rolls everything back. The
order of the parts is that of the locks, as in the long form: leases, stripes of fresh addresses, instances, all else.
Each part waits for the one before, as its condition reads what that one has returned.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from saga_coordinator.handlers.records import DecidedBatch
from saga_coordinator.service.storage.postgres import leases
from saga_coordinator.service.storage.postgres.rows import (
    HISTORY,
    INSTANCE,
    OUTBOX,
    SUBSCRIPTION,
    Column,
    Columns,
    history_row,
    instance_row,
    mutable_row,
    outbox_row,
)
from saga_coordinator.service.storage.postgres.statements import SETTING, UPDATED
from saga_coordinator.service.storage.postgres.stripes import stripes_of

_MOVE: Final = Columns(
    (
        Column("topic", "text"),
        Column("partition", "integer"),
        Column("epoch", "bigint"),
        Column("expected", "bigint"),
        Column("next_offset", "bigint"),
    )
)
_ENTRY: Final = Columns((Column("id", "uuid"), Column("number", "bigint"), *HISTORY))
_SEQ: Final = Columns((Column("seq", "bigint"),))
_FRESH: Final = Columns((Column("stripe", "integer"), Column("address", "text")))
_PARTS: Final = (_MOVE, UPDATED, INSTANCE, _ENTRY, OUTBOX, _SEQ, SUBSCRIPTION, SUBSCRIPTION)


def _statement(*, has_fresh: bool) -> str:
    """Return the statement. Its parameters are the arrays of `_PARTS`, and stripes and addresses that are fresh."""
    first = [1]
    for part in _PARTS:
        first.append(first[-1] + len(part))
    moves, updates, inserts, entries, messages, acknowledged, subscribed, unsubscribed, fresh = first
    none_held = f"saga.none_held(${fresh}::integer[], ${fresh + 1}::text[])" if has_fresh else "TRUE"
    return f"""
WITH moved AS ({leases.ADVANCE}),
owned AS MATERIALIZED (
    SELECT 1 / CASE WHEN (SELECT count(*) FROM moved) = cardinality(${moves}::text[]) AND {none_held}
        THEN 1 ELSE 0 END AS ok
),
updated AS (
    UPDATE saga.instance AS i SET {SETTING} FROM {UPDATED.arrays(first=updates)}
    WHERE i.id = n.id AND i.revision = n.seen AND (SELECT ok FROM owned) = 1 RETURNING 1
),
unchanged AS MATERIALIZED (
    SELECT 1 / CASE WHEN (SELECT count(*) FROM updated) = cardinality(${updates}::uuid[]) THEN 1 ELSE 0 END AS ok
),
started AS (
    INSERT INTO saga.instance ({INSTANCE.names}) SELECT {INSTANCE.values()} FROM {INSTANCE.arrays(first=inserts)}
    WHERE (SELECT ok FROM unchanged) = 1 ORDER BY n.place RETURNING 1
),
written AS (
    INSERT INTO saga.history (instance, {HISTORY.names})
    SELECT coalesce(n.number, (SELECT i.number FROM saga.instance AS i WHERE i.id = n.id)), {HISTORY.values()}
    FROM {_ENTRY.arrays(first=entries)}
    WHERE (SELECT count(*) FROM started) >= 0 ORDER BY n.place RETURNING 1
),
sent AS (
    INSERT INTO saga.outbox ({OUTBOX.names}) SELECT {OUTBOX.values()} FROM {OUTBOX.arrays(first=messages)}
    WHERE (SELECT count(*) FROM written) >= 0 ORDER BY n.place RETURNING seq
),
deleted AS (DELETE FROM saga.outbox WHERE seq = ANY(${acknowledged}::bigint[])),
subscribed AS (
    INSERT INTO saga.awaited_event ({SUBSCRIPTION.names}) SELECT {SUBSCRIPTION.values()}
    FROM {SUBSCRIPTION.arrays(first=subscribed)} ON CONFLICT DO NOTHING
),
unsubscribed AS (
    DELETE FROM saga.awaited_event AS t USING {SUBSCRIPTION.arrays(first=unsubscribed)}
    WHERE t.address = n.address AND t.instance_id = n.instance_id
)
SELECT (SELECT ok FROM owned), (SELECT ok FROM unchanged), ARRAY(SELECT seq FROM sent ORDER BY seq)
"""  # noqa: S608  own columns


PLAIN: Final = _statement(has_fresh=False)
WITH_FRESH: Final = _statement(has_fresh=True)
"""The check of fresh addresses is a function, since its query needs a snapshot after its locks: it costs 90 us."""


def build(batch: DecidedBatch, numbers: Sequence[int]) -> tuple[str, Sequence[Any]]:
    """Return the statement for a batch, and its arguments; `numbers` are for its new instances."""
    changes = batch.changes
    changed = sorted(changes.instances, key=lambda each: each[0].instance.id)
    new = dict(zip((stored.instance.id for stored, loaded in changed if loaded is None), numbers, strict=True))
    rows: Sequence[Sequence[Sequence[object]]] = (
        sorted(batch.moves),
        [(one.instance.id, seen.revision, *mutable_row(one)) for one, seen in changed if seen is not None],
        [instance_row(stored, new[stored.instance.id]) for stored, loaded in changed if loaded is None],
        [(each.instance_id, new.get(each.instance_id), *history_row(each)) for each in changes.entries],
        [outbox_row(each) for each in changes.outbox],
        [(seq,) for seq in changes.acknowledged],
        sorted(changes.subscribed),
        sorted(changes.unsubscribed),
    )
    arrays = [array for part, some in zip(_PARTS, rows, strict=True) for array in _arrays(part, some)]
    if not batch.fresh:
        return PLAIN, arrays
    return WITH_FRESH, [*arrays, stripes_of(batch.fresh), sorted(batch.fresh)]


def _arrays(columns: Columns, rows: Sequence[Sequence[object]]) -> Iterable[Sequence[object]]:
    return zip(*rows, strict=True) if rows else [()] * len(columns)
