"""Opening a store: one coordinator at a time, no newer schema, no live instance without its definition."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest
from msgspec import structs

from saga_coordinator.contracts.messages.orders import OrderCancelled
from saga_coordinator.handlers.ports import Transaction
from saga_coordinator.handlers.records import Changes, OutboxRow, Place, Record, UnreadableInstance
from saga_coordinator.handlers.routing import BadCatalog, LiveVersions, Routes
from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment
from saga_coordinator.service.app.bootstrap import build_service
from saga_coordinator.service.errors import StoreError
from saga_coordinator.service.settings import Settings
from saga_coordinator.service.storage.columns import from_headers
from saga_coordinator.service.storage.sqlite.store import SqliteStore
from tests.conformance._support.stores import TIME, Kind, OpenStore, begun, known, outbox_message, starts
from tests.support import saga_kit
from tests.unit.handlers._support.coordinator import Watcher, open_coordinator, sampled
from tests.unit.handlers._support.order_log import Log


async def test_a_store_that_is_opened_again_has_all_that_was_committed(
    store: OpenStore, kind: Kind, tmp_path: Path
) -> None:
    await store.transact(lambda tx: tx.save(starts(begun())))
    await store.acquire("t", 0, "me")
    await store.close()
    again = kind.new(tmp_path, known)
    await again.open()
    try:
        assert await again.transact(lambda tx: tx.load([begun().instance.id])) == {begun().instance.id: begun()}
        assert (await again.acquire("t", 0, "me")).epoch == 2
    finally:
        await again.close()


async def test_an_instance_whose_version_is_gone_is_left_out_and_says_what_to_do_i30(
    store: OpenStore, kind: Kind, tmp_path: Path
) -> None:
    await store.transact(lambda tx: tx.save(starts(begun())))
    await store.close()
    other = kind.new(tmp_path, Routes([saga_kit.saga(saga_kit.safe("a"))]).saga_of)
    await other.open()
    try:
        why, has_ended = await other.transact(partial(unreadable_instances, begun().instance.id))
        assert "order-fulfilment version 1 is not in the catalog: add it again" in why
        assert not has_ended
    finally:
        await other.close()


async def unreadable_instances(id_: str, tx: Transaction) -> UnreadableInstance:
    assert await tx.load([id_]) == {}
    return tx.unreadable_instances[id_]


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


class TestSqlite:
    """What only a store on one file has to care about."""

    @pytest.mark.parametrize("folder", ["plain", "with space", "per%20cent", "a?b=c", "a#b", "ü"])
    async def test_it_opens_in_a_folder_of_any_name(self, tmp_path: Path, folder: str) -> None:
        store = SqliteStore(made(tmp_path / folder) / "saga.db", known)
        await store.open()
        try:
            await store.transact(lambda tx: tx.save(starts(begun())))
            assert await store.next_timer() == begun().instance.next_timer_at
        finally:
            await store.close()
        assert (tmp_path / folder / "saga.db").stat().st_size > 0

    async def test_a_folder_that_does_not_exist_is_not_made(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match=r"there is no folder .*lost: mount its volume"):
            await SqliteStore(tmp_path / "lost" / "saga.db", known).open()
        assert names_in(tmp_path) == []

    @pytest.mark.parametrize("name", ["saga.db", "link.db", "folder/saga.db"])
    async def test_a_second_store_on_the_same_file_is_refused(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "link.db").symlink_to("saga.db")
        (tmp_path / "folder").symlink_to(tmp_path)
        first, second = SqliteStore(tmp_path / "saga.db", known), SqliteStore(tmp_path / name, known)
        await first.open()
        try:
            with pytest.raises(StoreError, match=r"saga\.db open .* by SAGA_NAME and SAGA_STORE"):
                await second.open()
        finally:
            await second.close()
            await first.close()
        await second.open()
        await second.close()

    async def test_a_newer_schema_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "saga.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 99")
        store = SqliteStore(path, known)
        with pytest.raises(StoreError, match="schema 99, this program knows"):
            await store.open()
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)
            connection.execute("PRAGMA user_version = 0")
        await store.open()
        await store.close()

    async def test_a_file_that_is_no_database_is_refused_and_not_held(self, tmp_path: Path) -> None:
        path = tmp_path / "saga.db"
        path.write_bytes(b"this is a text and long enough to be taken for a header" * 30)
        with pytest.raises(StoreError, match=r"saga\.db cannot be used: file is not a database"):
            await SqliteStore(path, known).open()
        path.unlink()
        store = SqliteStore(path, known)
        await store.open()
        await store.close()

    async def test_every_commit_is_on_the_disk_before_it_is_reported(self, tmp_path: Path) -> None:
        store = SqliteStore(tmp_path / "saga.db", known)
        await store.open()
        try:
            assert await pragmas(store) == [("wal",), (2,)]
        finally:
            await store.close()

    async def test_a_transaction_has_the_file_before_it_reads(self, tmp_path: Path) -> None:
        """Else another writer could come between what it reads and what it writes upon."""
        store = SqliteStore(tmp_path / "saga.db", known)
        await store.open()
        try:
            with closing(sqlite3.connect(tmp_path / "saga.db", timeout=0, isolation_level=None)) as other:

                async def work(tx: Transaction) -> None:
                    await tx.load([begun().instance.id])
                    with pytest.raises(sqlite3.OperationalError, match="locked"):
                        other.execute("BEGIN IMMEDIATE")

                await store.transact(work)
                other.execute("BEGIN IMMEDIATE")
        finally:
            await store.close()

    async def test_the_service_does_not_start_on_live_instances_without_their_definition_i30(
        self, tmp_path: Path
    ) -> None:
        settings = Settings(store=f"sqlite:///{tmp_path}/saga.db")
        async with build_service(settings, [order_fulfilment], Watcher(), sampled) as service:
            await service.store.transact(lambda tx: tx.save(starts(begun())))
        with pytest.raises(BadCatalog, match=r"order-fulfilment version 1 has 1 live instance \('o-1'\) but is not in"):
            async with build_service(settings, [saga_kit.saga(saga_kit.safe("a"))], Watcher(), sampled):
                pass
        async with build_service(settings, [order_fulfilment], Watcher(), sampled):
            pass

    async def test_every_version_that_is_missing_is_named_with_its_number_and_its_first_instances_i30(
        self, tmp_path: Path
    ) -> None:
        path, log = tmp_path / "saga.db", Log()
        newer = replace(order_fulfilment, version=2)
        async with open_coordinator(path) as it:
            await it.take(*(log.placed(f"o-{number}") for number in range(1, 5)))
            await it.take(log.event(OrderCancelled(order_id="o-2", reason="not wanted"), "o-2"))
            await it.take(*map(log.answer, it.messages[2:4]))
            await it.take(*map(log.answer, it.messages[8:]))
            assert it.status("o-2") == "compensated"
        async with open_coordinator(path, order_fulfilment, newer) as it:
            await it.take(log.placed("o-5"))
        settings = Settings(store=f"sqlite:///{path}")
        with pytest.raises(BadCatalog) as refused:
            async with build_service(settings, [replace(order_fulfilment, version=3)], Watcher(), sampled):
                pass
        remedy = "add it again, and remove it only when its last instance has ended (`saga ls --saga order-fulfilment`)"
        missing = f"but is not in the catalog: {remedy}"
        assert str(refused.value).splitlines() == [
            f"saga order-fulfilment version 1 has 3 live instances ('o-1', 'o-3', 'o-4') {missing}",
            f"saga order-fulfilment version 2 has 1 live instance ('o-5') {missing}",
        ]

    async def test_the_service_does_not_start_under_a_name_on_whose_topic_no_reply_will_come(
        self, tmp_path: Path
    ) -> None:
        path, log = tmp_path / "saga.db", Log()
        async with open_coordinator(path) as it:
            await it.take(log.placed())
        renamed = Settings(name="shop", store=f"sqlite:///{path}")
        with pytest.raises(BadCatalog, match=r"saga\.replies\.v1, and SAGA_NAME=shop reads shop\.replies\.v1"):
            async with build_service(renamed, [order_fulfilment], Watcher(), sampled):
                pass

    async def test_of_many_instances_without_their_definition_the_first_are_named_i30(self, tmp_path: Path) -> None:
        path, log = tmp_path / "saga.db", Log()
        async with open_coordinator(path) as it:
            await it.take(*(log.placed(f"o-{number}") for number in range(1, 6)))
            (version,) = await it.store.live_versions()
        assert version == LiveVersions("order-fulfilment", 1, 5, ("o-1", "o-2", "o-3"))
        with pytest.raises(BadCatalog, match=r"has 5 live instances \('o-1', 'o-2', 'o-3', …\)"):
            Routes([saga_kit.saga(saga_kit.safe("a"))]).check_definitions([version])


async def pragmas(store: SqliteStore) -> Sequence[object]:
    """Journal mode and synchronous, as the writing connection has them."""
    connection = store._writer  # noqa: SLF001  only the connection itself knows
    assert connection is not None
    return [
        tuple(row)
        for name in ("journal_mode", "synchronous")
        for row in await connection.execute_fetchall(f"PRAGMA {name}")
    ]


def test_migrations_are_numbered_one_after_the_other() -> None:
    """Of two with the same number only one would be applied."""
    migrations = files("saga_coordinator.service.storage.sqlite") / "migrations"
    names = sorted(each.name for each in migrations.iterdir() if each.name.endswith(".sql"))
    assert [int(name.partition("_")[0]) for name in names] == list(range(1, len(names) + 1))


@contextmanager
def older_database(path: Path, schema: int) -> Iterator[sqlite3.Connection]:
    """A database as the version with this schema has made it."""
    migrations = files("saga_coordinator.service.storage.sqlite") / "migrations"
    with closing(sqlite3.connect(path)) as connection:
        for each in sorted(migrations.iterdir(), key=lambda file: file.name)[:schema]:
            connection.executescript(each.read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA user_version = {schema}")
        yield connection
        connection.commit()


async def test_messages_that_an_older_version_has_left_in_the_outbox_keep_every_byte_i6_i12(tmp_path: Path) -> None:
    left = [OutboxRow(7, outbox_message("a")), OutboxRow(9, structs.replace(outbox_message("b"), headers=()))]
    with older_database(tmp_path / "store.db", schema=10) as connection:
        for seq, message in left:
            columns = (message.topic, message.partition, message.key, from_headers(message.headers), message.value)
            row = (seq, message.message_id, message.home, *columns)
            connection.execute("INSERT INTO outbox VALUES (?,?,?,?,?,?,?,?)", row)
    store = SqliteStore(tmp_path / "store.db", known)
    await store.open()
    try:
        (new,) = await store.transact(lambda tx: tx.save(Changes(outbox=[outbox_message("c")])))
        assert await store.unsent() == [*left, OutboxRow(10, outbox_message("c"))] == [*left, new]
    finally:
        await store.close()


async def test_dead_letters_of_the_schema_before_parking_are_kept_and_park_nobody(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with older_database(path, schema=2) as connection:
        connection.execute("INSERT INTO dead_letter VALUES ('t', 1, 2, 3, x'00', '[]', x'ff', 4, 'no JSON')")
        connection.execute("INSERT INTO held_event VALUES ('t', 1, 9, 3, x'00', '[]', x'ff', 'i-1', 4, 5)")
    store = SqliteStore(path, known)
    await store.open()
    try:
        found = await store.transact(lambda tx: tx.load_dead_letters(Place("t", 1, 2), ()))
        (held,) = await store.transact(lambda tx: tx.load_early_events(["i-1"]))
        counts = await store.counts(TIME)
        assert (counts.dead_letters, counts.parked) == (1, 0)
    finally:
        await store.close()
    (letter,) = found.letters
    assert letter.record == Record(Place("t", 1, 2), 3, b"\0", b"\xff", (), 0)
    assert (letter.cause, letter.instance_id, letter.parks) == ("no JSON", "", False)
    assert held.record == Record(Place("t", 1, 9), 3, b"\0", b"\xff", (), 0)
