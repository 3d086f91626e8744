"""What is used of aiosqlite's private parts does what it is used for; an upgrade that changes them fails here."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic

import aiosqlite
import pytest

from saga_coordinator.service.storage.sqlite import aiosqlite_internals
from saga_coordinator.service.storage.sqlite.aiosqlite_internals import BoundedWait
from tests.unit.handlers._support.eventually import eventually

LONG = 10.0
"""Seconds: longer than anything here lasts, unless the event loop waits where it must not."""


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[aiosqlite.Connection]:
    async with aiosqlite.connect(tmp_path / "a.db", isolation_level=None) as opened:
        yield opened


def thread_and_sum(connection: sqlite3.Connection) -> tuple[str, int]:
    ((total,),) = connection.execute("SELECT 1 + 2").fetchall()
    return threading.current_thread().name, total


async def test_a_function_runs_in_the_thread_of_its_connection_after_what_came_before(
    connection: aiosqlite.Connection,
) -> None:
    wait = BoundedWait()
    first = connection.execute("CREATE TABLE t (a)")
    results = [await aiosqlite_internals.run(connection, thread_and_sum), await wait.run(connection, thread_and_sum)]
    await first
    names = {name for name, _ in results}
    assert [total for _, total in results] == [3, 3]
    assert len(names) == 1
    assert threading.current_thread().name not in names


async def test_what_a_function_raises_is_raised_where_it_is_awaited(connection: aiosqlite.Connection) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        connection.execute("nonsense")

    for run in (aiosqlite_internals.run, BoundedWait().run):
        with pytest.raises(sqlite3.OperationalError, match="nonsense"):
            await run(connection, fails)


async def test_the_event_loop_stands_still_for_a_short_function(
    connection: aiosqlite.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiosqlite_internals, "MAX_WAIT", LONG)
    happened: list[str] = []
    asyncio.get_running_loop().call_soon(happened.append, "the loop went on")
    await BoundedWait().run(connection, lambda _: happened.append("the function ran"))
    assert happened == ["the function ran", "the loop went on"]


async def test_the_event_loop_goes_on_beside_a_function_that_takes_longer_and_does_not_wait_for_the_next(
    connection: aiosqlite.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, go, began = BoundedWait(), threading.Event(), monotonic()
    slow = asyncio.create_task(wait.run(connection, lambda _: go.wait(LONG)))
    await eventually(lambda: monotonic() - began > aiosqlite_internals.MAX_WAIT, "the loop has gone on")
    assert not slow.done()

    monkeypatch.setattr(aiosqlite_internals, "MAX_WAIT", LONG)
    following = asyncio.create_task(wait.run(connection, thread_and_sum))
    await asyncio.sleep(0)
    go.set()
    assert (await slow, (await following)[1]) == (True, 3)


async def test_some_time_after_a_slow_function_the_event_loop_waits_again(
    connection: aiosqlite.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aiosqlite_internals, "NO_WAIT_FOR", 0.0)
    wait, go = BoundedWait(), threading.Event()
    slow = asyncio.create_task(wait.run(connection, lambda _: go.wait(LONG)))
    await asyncio.sleep(0)
    go.set()
    await slow

    monkeypatch.setattr(aiosqlite_internals, "MAX_WAIT", LONG)
    happened: list[str] = []
    asyncio.get_running_loop().call_soon(happened.append, "the loop went on")
    await wait.run(connection, lambda _: happened.append("the function ran"))
    assert happened == ["the function ran", "the loop went on"]
