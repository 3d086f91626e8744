"""One transaction on PostgreSQL in its long form: between BEGIN and COMMIT, a statement for each kind of row.

READ COMMITTED: each statement sees what is committed by then. What a transaction has read stays as it is because it
locks it: the rows of instances, in the order of their ids, and where nothing was there a stripe of all addresses, which
any writer at such an address locks too. The order is: leases, stripes, instances, all else.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Final

from saga_coordinator.handlers.ports import Conflict
from saga_coordinator.handlers.records import (
    Changes,
    DeadLetterQueue,
    EarlyEvent,
    EventSubscription,
    InstanceRecord,
    Lease,
    LeaseMove,
    OutboxRow,
    Place,
    UnreadableInstance,
)
from saga_coordinator.service.storage.columns import (
    INSTANCE,
    Definitions,
    audit_row,
    early_event,
    early_event_row,
    letter,
    letter_row,
    queued,
    queued_row,
    read_instance,
    verdict_row,
)
from saga_coordinator.service.storage.postgres import leases, stripes
from saga_coordinator.service.storage.postgres import statements as sql
from saga_coordinator.service.storage.postgres.rows import (
    EARLY_EVENTS,
    LETTERS,
    QUEUE,
    history_row,
    instance_row,
    is_instance_id,
    mutable_row,
    outbox_row,
)
from saga_coordinator.service.storage.postgres.session import PostgresSession, Row
from saga_coordinator.service.storage.postgres.statements import ArrayStatement

BLOCK: Final = 1000
"""So many numbers of instances each value of the sequence stands for."""

_LOAD: Final = f"SELECT {INSTANCE} FROM saga.instance"  # noqa: S608  own columns
_EXISTING: Final = "SELECT id::text FROM saga.instance WHERE id = ANY($1::uuid[])"
_DUE: Final = (
    f"{_LOAD} WHERE wake_at <= $1 AND id IN (SELECT due.id FROM unnest($2::integer[]) AS of(home),"  # noqa: S608  own columns
    " LATERAL (SELECT id, wake_at FROM saga.instance WHERE home = of.home AND wake_at <= $1"
    " AND id <> ALL($3::uuid[]) ORDER BY wake_at LIMIT $4) AS due ORDER BY due.wake_at LIMIT $4)"
    " ORDER BY wake_at FOR UPDATE SKIP LOCKED"
)
_AT: Final = '((topic = $1 AND partition = $2 AND "offset" = $3) OR instance_id = ANY($4::text[]))'
_CONCERNED: Final = (
    f"SELECT instance_id FROM saga.dead_letter WHERE {_AT} UNION SELECT instance_id FROM saga.parked WHERE {_AT}"  # noqa: S608  own text
    " UNION SELECT unnest($4::text[])"
)
_LOCKED: Final = "SELECT 1 FROM saga.instance WHERE id = ANY($1::uuid[]) ORDER BY id"
_IN_ORDER: Final = 'topic, partition, "offset"'


@dataclass(slots=True)
class Numbers:
    """The numbers that this process may give to instances, without asking for each."""

    next: int = 0
    end: int = 0

    async def take(self, session: PostgresSession, count: int) -> Sequence[int]:
        """Return so many numbers that no instance has."""
        taken: list[int] = []
        while len(taken) < count:
            if self.next == self.end:
                ((self.next,),) = await session.fetch("SELECT nextval('saga.instance_number')")
                self.end = self.next + BLOCK
            some = range(self.next, min(self.end, self.next + count - len(taken)))
            taken += some
            self.next = some.stop
        return taken


class PostgresTransaction:
    """The work between BEGIN and COMMIT; see `saga_coordinator.handlers.ports.Transaction`.

    `silent` are the instances that could not be read when their timer was due: they are not loaded for it again.
    """

    def __init__(self, session: PostgresSession, numbers: Numbers, definitions: Definitions, silent: set[str]) -> None:
        self.session = session
        self._numbers = numbers
        self._definitions = definitions
        self._silent = silent
        self.unreadable_instances: dict[str, UnreadableInstance] = {}

    async def advance(self, moves: Sequence[LeaseMove]) -> Sequence[Lease]:
        return await leases.advance(self.session, moves)

    async def load(self, ids: Collection[str]) -> Mapping[str, InstanceRecord]:
        """Return those that exist, and keep the others from being started."""
        named = sorted(filter(is_instance_id, ids))
        if not ids:
            return {}
        there = {id_ for (id_,) in await self.session.fetch(_EXISTING, named)}
        await self._lock(stripes.LOCK, {*ids} - there)
        rows = await self.session.fetch(f"{_LOAD} WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE", named)
        return {stored.instance.id: stored for stored in self._stored(rows)}

    async def load_due(self, now: datetime, limit: int, homes: Sequence[Lease]) -> Sequence[InstanceRecord]:
        """Return the instances whose timer is due and whose home has one of these leases, oldest first."""
        ours = await leases.owned(self.session, homes)
        due = list(self._stored(await self.session.fetch(_DUE, now, ours, sorted(self._silent), limit)))
        self._silent.update(self.unreadable_instances)
        return due

    async def load_early_events(self, addresses: Collection[str]) -> Sequence[EarlyEvent]:
        if not addresses:
            return []
        await self._lock(stripes.SHARE, addresses)
        condition = f"WHERE address = ANY($1::text[]) ORDER BY at, {_IN_ORDER} FOR UPDATE"
        return [early_event(row) for row in await self.session.fetch(f"{EARLY_EVENTS} {condition}", sorted(addresses))]

    async def load_subscriptions(self, addresses: Collection[str]) -> Sequence[EventSubscription]:
        """Return who waits at these addresses, and keep others from beginning to."""
        await self._lock(stripes.LOCK, addresses)
        statement = "SELECT address, instance_id FROM saga.awaited_event WHERE address = ANY($1::text[])"
        return [EventSubscription(*row) for row in await self.session.fetch(statement, sorted(addresses))]

    async def load_expired_events(self, now: datetime, limit: int) -> Sequence[EarlyEvent]:
        condition = f"WHERE expires_at <= $1 ORDER BY expires_at, {_IN_ORDER} LIMIT $2 FOR UPDATE SKIP LOCKED"
        return [early_event(row) for row in await self.session.fetch(f"{EARLY_EVENTS} {condition}", now, limit)]

    async def load_dead_letters(self, place: Place, ids: Collection[str]) -> DeadLetterQueue:
        """Return them, and let nobody park or unpark their instances, or queue records for them, meanwhile."""
        named = (*place, sorted(ids))
        concerned = [id_ for (id_,) in await self.session.fetch(_CONCERNED, *named) if is_instance_id(id_)]
        await self.session.fetch(f"{_LOCKED} FOR UPDATE", concerned)
        letters = await self.session.fetch(f"{LETTERS} WHERE {_AT} ORDER BY at, {_IN_ORDER} FOR UPDATE", *named)
        waiting = await self.session.fetch(f"{QUEUE} WHERE {_AT} ORDER BY seq FOR UPDATE", *named)
        return DeadLetterQueue([letter(each) for each in letters], [queued(each) for each in waiting])

    async def save(self, changes: Changes) -> Sequence[OutboxRow]:
        """Write everything; see `saga_coordinator.handlers.ports.Transaction`."""
        for statement in await self._instances(changes):
            await self._write(statement)
        seqs = await self._fetch(sql.INSERT_OUTBOX, [outbox_row(each) for each in changes.outbox])
        for statement in _others(changes):
            await self._write(statement)
        return [OutboxRow(seq, message) for (seq,), message in zip(seqs, changes.outbox, strict=True)]

    async def set_doubts(self, doubts: Mapping[str, str]) -> None:
        """Replace the instances that stall when they start."""
        await self.session.change("DELETE FROM saga.doubt")
        insert = "INSERT INTO saga.doubt (instance_id, reason) SELECT * FROM unnest($1::text[], $2::text[])"
        await self._write(ArrayStatement(insert, sorted(doubts.items())))

    async def set_outlines(self, outlines: Mapping[tuple[str, int], str]) -> None:
        """Add outlines of definitions, or replace them."""
        insert = (
            "INSERT INTO saga.outline (saga, version, outline)"
            " SELECT * FROM unnest($1::text[], $2::integer[], $3::text[])"
            " ON CONFLICT (saga, version) DO UPDATE SET outline = excluded.outline"
        )
        await self._write(ArrayStatement(insert, [(*place, outline) for place, outline in sorted(outlines.items())]))

    async def _instances(self, changes: Changes) -> Sequence[ArrayStatement]:
        """Insert new instances, update others if their revision is the one that was loaded, and append the history."""
        changed = sorted(changes.instances, key=lambda each: each[0].instance.id)
        new = [stored for stored, loaded in changed if loaded is None]
        numbers = await self._numbers.take(self.session, len(new))
        inserted = [instance_row(stored, number) for stored, number in zip(new, numbers, strict=True)]
        updated = [
            (stored.instance.id, loaded.revision, *mutable_row(stored))
            for stored, loaded in changed
            if loaded is not None
        ]
        history = [(each.instance_id, *history_row(each)) for each in changes.entries]
        return [
            ArrayStatement(sql.INSERT_INSTANCES, inserted, must_match=True),
            ArrayStatement(sql.UPDATE_INSTANCES, updated, must_match=True),
            ArrayStatement(sql.INSERT_HISTORY, history, must_match=True),
        ]

    async def _write(self, statement: ArrayStatement) -> None:
        """Run a statement for its rows. Raises `Conflict` if rows do not match."""
        if not statement.rows:
            return
        changed = await self.session.change(statement.sql, *zip(*statement.rows, strict=True))
        if statement.must_match and changed != len(statement.rows):
            missed = len(statement.rows) - changed
            raise Conflict(f"{missed} of {len(statement.rows)} rows were changed by another writer")

    async def _fetch(self, statement: str, rows: Sequence[Sequence[object]]) -> Sequence[Row]:
        return await self.session.fetch(statement, *zip(*rows, strict=True)) if rows else []

    async def _lock(self, statement: str, addresses: Iterable[str]) -> None:
        """Lock the stripes of some addresses."""
        if numbers := stripes.stripes_of(addresses):
            await self.session.fetch(statement, numbers)

    def _stored(self, rows: Iterable[Row]) -> Iterator[InstanceRecord]:
        """Yield the instances that can be read, and record why the others cannot."""
        for id_, *row in rows:
            match read_instance(self._definitions, str(id_), row):
                case InstanceRecord() as stored:
                    yield stored
                case unreadable:
                    self.unreadable_instances[str(id_)] = unreadable


def _others(changes: Changes) -> Iterator[ArrayStatement]:
    """Yield the statements for rows beside instances and what they send."""
    yield ArrayStatement(sql.DELETE_OUTBOX, [(seq,) for seq in changes.acknowledged])
    yield ArrayStatement(sql.INSERT_SUBSCRIPTIONS, sorted(changes.subscribed))
    yield ArrayStatement(sql.DELETE_SUBSCRIPTIONS, sorted(changes.unsubscribed))
    if changes.is_plain:
        return
    resolved = [(*each.record.place, each.instance_id) for each in changes.resolved]
    yield ArrayStatement(sql.DELETE_LETTERS, sorted(resolved), must_match=True)
    dequeued = [(each.seq,) for each in changes.dequeued]
    yield ArrayStatement(sql.DELETE_QUEUED, sorted(dequeued), must_match=True)
    yield ArrayStatement(sql.INSERT_LETTERS, _sorted(map(letter_row, changes.dead_letters)))
    edited = [(*each.record.place, each.instance_id, each.record.value, each.cause) for each in changes.edited]
    yield ArrayStatement(sql.EDIT_LETTERS, _sorted(edited), must_match=True)
    yield ArrayStatement(sql.INSERT_QUEUED, [queued_row(each) for each in changes.queued])
    yield ArrayStatement(sql.INSERT_AUDITS, [audit_row(each) for each in changes.audits])
    yield ArrayStatement(sql.INSERT_HELD, _sorted(map(early_event_row, changes.buffered)))
    released = [(*each.record.place, each.address) for each in changes.released]
    yield ArrayStatement(sql.DELETE_HELD, sorted(released), must_match=True)
    yield ArrayStatement(sql.INSERT_VERDICTS, _sorted(map(verdict_row, changes.verdicts)))


def _sorted(rows: Iterable[Sequence[object]]) -> Sequence[Sequence[object]]:
    """Sort rows by the place of their record: two transactions insert the same ones in the same order."""
    return sorted(rows, key=itemgetter(0, 1, 2))
