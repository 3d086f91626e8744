"""What PostgreSQL does for each statement: it finds rows by an index in every table that grows."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from saga_coordinator.handlers.records import Changes, EventSubscription
from saga_coordinator.service.storage.queries import DeadLetterFilter, InstanceFilter, NeedsAttention
from tests.conformance._support.stores import TIME
from tests.conformance._support.together import Member, members
from tests.conformance.test_together import parked
from tests.support import saga_kit
from tests.support.postgres.databases import Database, in_thread
from tests.unit.handlers._support.faulty import BAD, NO_FAULT, OLGA, Fault, wide
from tests.unit.handlers._support.order_log import Log

pytestmark = pytest.mark.postgres

SCAN = re.compile(r"Seq Scan on (?!outbox|lease|identity|outline|doubt|schema|pg_)\w+")
"""The outbox is bounded, and the others hold a row for each partition, saga or migration."""

INDEX = re.compile(r"Index (?:Only )?Scan (?:Backward )?(?:using|on) (?P<index>\w+)")
SMALL = re.compile(
    r"(instance_(live|due|number_key)|dead_letter_head|history_\w*at_idx|held_event_expires|"
    r"(outbox|lease|identity|outline|doubt|schema)_\w+)"
)
"""Indexes that may be read whole: they hold what is alive or waits, or are read in their order up to a limit."""

COUNTS = "SELECT (SELECT count(*)"
"""The metrics count dead letters, which wait for somebody."""

LEADING = """
SELECT index.relname, attribute.attname FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
JOIN pg_attribute AS attribute ON attribute.attrelid = indrelid AND attribute.attnum = indkey[0]
WHERE index.relnamespace = 'saga'::regnamespace
"""
"""The first column of each index."""

Statements = dict[str, tuple[object, ...]]


async def test_each_statement_finds_its_rows_by_an_index(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: Statements = {}
    for name in ("execute", "fetch"):
        monkeypatch.setattr(asyncpg.Connection, name, listening(getattr(asyncpg.Connection, name), statements))
    fault = Fault()
    async with members(database, wide(fault, NO_FAULT)) as both:
        await everything_happens(both, fault)
    everything_is_asked(database)
    monkeypatch.undo()
    found = in_thread(plans(database, statements))
    assert len(found) > 50
    assert {sql: steps for sql, steps in found.items() if steps and not sql.startswith(COUNTS)} == {}


def listening(original: Callable[..., Any], statements: Statements) -> Callable[..., Any]:
    """A method of a connection that notes its statement and its arguments."""

    def call(this: object, sql: str, *arguments: object, **named: object) -> Any:  # noqa: ANN401  the library's own form
        if re.match(r"\s*(SELECT|WITH|INSERT|UPDATE|DELETE)", sql):
            statements[sql] = arguments
        return original(this, sql, *arguments, **named)

    return call


async def everything_happens(both: tuple[Member, Member], fault: Fault) -> None:
    """Instances start, are parked, redriven, fired and cancelled, and every query of loops and gauges runs."""
    one, other = both
    log, store = Log(), one.store.store
    letter = await parked(both, fault, log)
    (command,) = one.sent("made.do-b.v1")
    await one.take(log.says(command, saga_kit.Did(word="b")), log.event(saga_kit.Stopped(key="nobody"), "nobody"))
    await other.handlers.redrive.redrive(letter, OLGA)
    await one.take(log.event(saga_kit.Begun(key="nobody"), "nobody"))
    one.clock.pass_by(timedelta(days=2))
    await one.handlers.timers.fire_due()
    await store.transact(lambda tx: tx.load_subscriptions({"address"}))
    waits = [EventSubscription("address", BAD)]
    await store.transact(lambda tx: tx.save(Changes(acknowledged=[1], subscribed=waits)))
    await store.transact(lambda tx: tx.save(Changes(unsubscribed=waits)))
    await store.unsent()
    await store.leases()
    await store.next_timer()
    await store.live_versions()
    await store.counts(one.clock.now())


def everything_is_asked(database: Database) -> None:
    with database.queries() as asked:
        (row, *_) = asked.instances(InstanceFilter(), 9)
        asked.instances(InstanceFilter(ids=[row.id], saga="made", version=1, status="running", before=9), 9)
        asked.instances(InstanceFilter(attention=NeedsAttention(TIME, 4, TIME)), 9)
        (start, *_) = asked.history(row, 9)
        assert start.place is not None
        asked.record(start.place)
        asked.dead_letters(DeadLetterFilter(instance_id=BAD), 9)
        asked.parked([BAD])
        asked.queue(BAD, 9)
        asked.partitions()
        asked.live_versions()


async def plans(database: Database, statements: Statements) -> dict[str, list[str]]:
    """The slow steps by statement, if every way but reading all of a table is preferred."""
    connection = await database.server.connect({"enable_seqscan": "off", "plan_cache_mode": "force_generic_plan"})
    try:
        leading = dict(await connection.fetch(LEADING))
        return {
            sql: slow_steps([line for (line,) in await connection.fetch(f"EXPLAIN {sql}", *arguments)], leading)
            for sql, arguments in statements.items()
        }
    finally:
        await connection.close()


def slow_steps(plan: list[str], leading: dict[str, str]) -> list[str]:
    """The steps that read all of a table that grows, or all of its index: the first column has no condition."""
    slow = [line for line in plan if SCAN.search(line)]
    for line, condition in zip(plan, [*plan[1:], ""], strict=True):
        if (found := INDEX.search(line)) and not SMALL.fullmatch(index := found["index"]):
            first = leading[index]
            if "Index Cond" not in condition or not re.search(rf"\b{first}\b", condition):
                slow.append(f"{line.strip()} without a condition on {first}")
    return slow
