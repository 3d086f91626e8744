"""The read port on a store that a coordinator writes: one moment, read-only, bounded, for one schema."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from saga_coordinator.handlers.records import Place
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.storage.queries import InstanceFilter, NeedsAttention
from saga_coordinator.service.storage.sqlite import queries as sqlite_queries
from saga_coordinator.service.storage.sqlite.migrations import newest_schema
from saga_coordinator.service.storage.sqlite.queries import open_queries
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import completed, placed, run_stories, stalled
from tests.unit.handlers._support.coordinator import open_coordinator
from tests.unit.handlers._support.order_log import EVENTS, Log, instance_id


def test_what_is_read_is_of_one_moment_and_keeps_no_coordinator_from_writing(store: Path) -> None:
    async def story() -> None:
        log = Log()
        async with open_coordinator(store) as it:
            await it.take(log.placed("o-1"))
            with open_queries(store) as asked:
                assert len(asked.instances(InstanceFilter(), 10)) == 1
                await it.take(log.placed("o-2"))
                assert len(asked.instances(InstanceFilter(), 10)) == 1
            with open_queries(store) as asked:
                assert len(asked.instances(InstanceFilter(), 10)) == 2

    asyncio.run(story())


def test_an_instance_is_read_as_the_machine_knows_it(store: Path) -> None:
    run_stories(store, completed("o-1"))

    with open_queries(store) as asked:
        (row,) = asked.instances(InstanceFilter(ids=[instance_id("o-1"), instance_id("o-2")]), 2)
        history = asked.history(row, 100)

    instance = row.instance(order_fulfilment)
    assert (instance.id, instance.key, instance.status) == (row.id, "o-1", "completed")
    assert row.revision == len(history) == 5
    assert [entry.seq for entry in history] == [1, 2, 3, 4, 5]
    assert history[0].place == Place(EVENTS, 0, 0)


def test_a_history_is_cut_to_its_newest_entries_in_order(store: Path) -> None:
    run_stories(store, completed("o-1"))

    with open_queries(store) as asked:
        (row,) = asked.instances(InstanceFilter(), 1)
        assert [entry.seq for entry in asked.history(row, 2)] == [4, 5]


def test_only_live_instances_are_asked_whether_they_need_attention(store: Path) -> None:
    run_stories(store, completed("o-1"), stalled("o-2"), placed("o-3"))
    now = datetime.now(UTC)

    with open_queries(store) as asked:
        rows = asked.instances(InstanceFilter(attention=NeedsAttention(now - timedelta(hours=1), 4, now)), 10)
        assert [row.key for row in rows] == ["o-2"]
        rows = asked.instances(InstanceFilter(attention=NeedsAttention(now + timedelta(days=3), 4, now)), 10)
        assert [row.key for row in rows] == ["o-3", "o-2"]


def test_unpublished_messages_and_dead_letters_are_counted(store: Path) -> None:
    run_stories(store, completed("o-1"))

    with open_queries(store) as asked:
        assert asked.backlog() == (0, 5)
        [newest] = asked.history(asked.instances(InstanceFilter(), 1)[0], 1)
        assert asked.is_unpublished(f"{newest.message_id}") is False


def test_nothing_can_be_written_through_it(store: Path) -> None:
    run_stories(store, placed("o-1"))

    with open_queries(store) as asked, pytest.raises(StoreError, match="readonly"):
        asked._query("DELETE FROM instance", ())  # noqa: SLF001  to try what no question does


def test_a_question_that_takes_too_long_is_given_up(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stories(store, *(placed(f"o-{number}") for number in range(20)))

    with open_queries(store) as asked:
        monkeypatch.setattr(sqlite_queries, "QUERY_TIMEOUT", -1.0)
        monkeypatch.setattr(sqlite_queries, "STEPS_BETWEEN_CHECKS", 10)
        with pytest.raises(TimeoutError, match="ask for less"):
            asked.instances(InstanceFilter(), 100)


@pytest.mark.parametrize("version", [0, newest_schema() + 1])
def test_a_database_of_another_schema_is_refused_with_a_remedy(saga: Saga, store: Path, version: int) -> None:
    run_stories(store)
    with closing(sqlite3.connect(store)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")

    with (
        pytest.raises(StoreError, match=f"has schema {version}, this program reads {newest_schema()}"),
        open_queries(store),
    ):
        pass
    assert saga("ls").code == 1


def test_a_missing_database_is_reported_with_its_path(saga: Saga, store: Path) -> None:
    said = saga("ls")

    assert said.code == 1
    shown = f"there is no database {store}: `saga serve` makes it; SAGA_STORE says where it is looked for"
    assert said.err == f"saga: {shown}\n"
    assert not store.exists()


def test_a_file_that_is_no_database_is_one_line_and_no_traceback(saga: Saga, store: Path) -> None:
    store.write_bytes(b"this is no database, and it is longer than the header of one would be" * 20)

    said = saga("ls")

    assert said.code == 1
    assert said.err == (
        f"saga: database {store} cannot be read: file is not a database; `saga db check` says what is "
        "damaged, and `saga db restore FILE` brings a backup back\n"
    )


def test_what_a_killed_coordinator_has_committed_is_read_from_its_log(store: Path) -> None:
    run_stories(store, placed("o-1"))
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("UPDATE instance SET correlation = 'o-x'")
        copy = store.with_name("copy.db")
        for suffix in ("", "-wal"):
            copy.with_name(copy.name + suffix).write_bytes(store.with_name(store.name + suffix).read_bytes())

    with open_queries(copy) as asked:
        assert [row.key for row in asked.instances(InstanceFilter(), 1)] == ["o-x"]
