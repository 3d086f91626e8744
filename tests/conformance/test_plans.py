"""What SQLite does for each statement: it finds rows by an index, however many are over, and sorts no backlog."""

import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from saga_coordinator.handlers.records import Actor, Changes, EventSubscription
from saga_coordinator.handlers.redrive import DeadLetterRef
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator
from tests.unit.handlers._support.faulty import NO_FAULT, Fault, Two, wide

OLGA = Actor("olga", "to see what it costs")

SMALL = re.compile(
    r"SCAN (outbox|lease|live|sent|\(subquery-\d\)|(json_each|held|run|command) VIRTUAL TABLE INDEX [13]:)"
)
"""What may be read whole: it is bounded, or made by the statement itself."""

OF_THE_LIVE = re.compile(r"SCAN (instance|one) USING (COVERING )?INDEX instance_live")
WAITING = re.compile(r"SCAN (dead_letter USING (COVERING )?INDEX \w+|CONSTANT ROW)")
"""What grows with what is alive, or waits for somebody, is read by an index that holds all that is asked for."""

SORTED = (
    "FROM dead_letter WHERE (",
    "FROM parked WHERE (",
    "FROM held_event WHERE address",
    "SELECT saga, version",
    "OVER alike",
)
"""Results that may be sorted: the rows of one instance, a few live ones, and what the metrics count."""


async def test_each_statement_finds_its_rows_by_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    statements: dict[str, Any] = {}
    for name in ("execute", "execute_fetchall", "executemany"):
        monkeypatch.setattr(aiosqlite.Connection, name, listening(getattr(aiosqlite.Connection, name), statements))
    path, fault = tmp_path / "saga.db", Fault()
    async with open_coordinator(path, wide(fault, NO_FAULT)) as it:
        await everything_happens(it, fault)
        with closing(sqlite3.connect(path)) as connection:
            plans = {sql: plan(connection, sql, parameters) for sql, parameters in statements.items()}
    assert len(plans) > 25
    assert {sql: steps for sql, steps in plans.items() if any(map(is_slow, steps))} == {}
    sorting = [sql for sql, steps in plans.items() if any("USE TEMP B-TREE FOR ORDER BY" in step for step in steps)]
    assert [sql for sql in sorting if not any(part in sql for part in SORTED)] == []


def listening(original: Callable[..., Any], statements: dict[str, Any]) -> Callable[..., Any]:
    """A method of a connection that notes its statement, with the parameters of one row."""

    def call(this: object, sql: str, parameters: Any = ()) -> Any:  # noqa: ANN401  the library's own form
        statements[sql] = parameters[0] if isinstance(parameters, list) else parameters
        return original(this, sql, parameters)

    return call


async def everything_happens(it: Coordinator, fault: Fault) -> None:
    """Instances start, are parked, redriven, fired and cancelled, and every query of loops and gauges runs."""
    two = await Two(it).begin()
    failing = two.says("a")
    await it.take(failing, two.says("b"), two.stopped(), two.log.event(saga_kit.Stopped(key="nobody"), "nobody"))
    it.clock.pass_by(timedelta(hours=2))
    await it.fire_due()
    fault.heal()
    await it.redrive.redrive(DeadLetterRef(failing.place), OLGA)
    it.instance_cache.clear()
    await it.take(two.says("b", "good"))
    await it.store.transact(lambda tx: tx.load_subscriptions({"address"}))
    await it.store.transact(
        lambda tx: tx.save(Changes(acknowledged=[1], subscribed=[EventSubscription("address", "id")]))
    )
    await it.store.transact(lambda tx: tx.save(Changes(unsubscribed=[EventSubscription("address", "id")])))
    await it.store.unsent()
    await it.store.leases()
    await it.store.next_timer()
    await it.store.live_versions()
    await it.store.counts(it.clock.now())


def plan(connection: sqlite3.Connection, sql: str, parameters: Mapping[str, object]) -> list[str]:
    """What SQLite would do, step by step; nothing for what is no question and no change."""
    if not sql.lstrip().startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
        return []
    return [step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]


def is_slow(step: str) -> bool:
    """Say whether a step reads all of something that grows."""
    return step.startswith("SCAN") and not any(kind.match(step) for kind in (SMALL, OF_THE_LIVE, WAITING))
