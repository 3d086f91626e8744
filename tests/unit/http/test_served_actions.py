"""`saga serve` as it is wired: what changes something is served, on loopback, even while there is no Kafka."""

import asyncio
import socket
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest

from saga_coordinator.sagas.catalog import catalog
from saga_coordinator.service.app.serve import serve
from saga_coordinator.service.cli.client import call
from saga_coordinator.service.settings import ApiSettings, KafkaSettings, Settings
from saga_coordinator.service.telemetry.observer import Telemetry
from tests.unit.handlers._support.coordinator import open_coordinator
from tests.unit.handlers._support.order_log import EVENTS, Log

LIMIT = 20.0
OLGA = {"who": "olga", "reason": "a test order"}


@asynccontextmanager
async def served(folder: Path, host: str, admin_bind: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Serve on a database that holds one dead letter, with a Kafka that nobody has started."""
    async with open_coordinator(folder / "saga.db", *catalog) as it:
        await it.take(Log().record(EVENTS, "o-1", b"{", ()))
    async with serving(folder, host, admin_bind) as client:
        await is_set_up(client)
        yield client


@asynccontextmanager
async def serving(folder: Path, host: str, admin_bind: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """Serve on a database, with a Kafka that nobody has started, and return when the API lives."""
    port = free_port()
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        store=f"sqlite:///{folder}/saga.db",
        api=ApiSettings(bind=f"{host}:{port}", admin_bind=admin_bind),
    )
    stop = asyncio.Event()
    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(settings, catalog, Telemetry(), stop))
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
                await lives(client)
                yield client
        finally:
            stop.set()


async def lives(client: httpx.AsyncClient) -> None:
    while True:
        try:
            if (await client.get("/livez")).status_code == 200:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.02)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def test_a_dead_letter_is_discarded_by_the_running_service(tmp_path: Path) -> None:
    async with served(tmp_path, "127.0.0.1") as client:
        answer = await client.post(f"/api/v1/dead-letters/{EVENTS}/0/0/discard", json=OLGA)
        assert (answer.status_code, answer.json()["end"]) == (200, "done")
        assert (await client.post("/api/v1/instances/nobody/pause", json=OLGA)).status_code == 404
    async with open_coordinator(tmp_path / "saga.db", *catalog) as it:
        assert it.rows("SELECT verdict, reason LIKE 'discarded by olga%' FROM verdict") == [("dead-lettered", 1)]


async def test_on_all_addresses_nothing_can_be_changed(tmp_path: Path) -> None:
    async with served(tmp_path, "0.0.0.0") as client:  # noqa: S104  that is what is refused
        answer = await client.post(f"/api/v1/dead-letters/{EVENTS}/0/0/discard", json=OLGA)
        assert answer.status_code == 403
        assert "SAGA_API__ADMIN_BIND" in answer.json()["detail"]


@pytest.mark.parametrize("bind", ["0.0.0.0", "127.0.0.1"])  # noqa: S104  as for the probes of a container
@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_beside_probes_on_all_addresses_an_operator_acts_on_a_listener_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, bind: str
) -> None:
    admin_bind = f"127.0.0.1:{free_port()}" if kind == "tcp" else f"unix:{tmp_path}/actions.sock"
    monkeypatch.setenv("SAGA_API__ADMIN_BIND", admin_bind)
    path = f"/api/v1/dead-letters/{EVENTS}/0/0/discard"
    async with served(tmp_path, bind, admin_bind) as client:
        answer = await client.post(path, json=OLGA)
        assert (answer.status_code, admin_bind in answer.json()["detail"]) == (403, True)
        done = await asyncio.to_thread(call, path.removeprefix("/api/v1/"), OLGA)
        assert done["end"] == "done"
    assert not (tmp_path / "actions.sock").exists(), "its socket is gone with it"


async def test_while_another_program_keeps_the_database_it_lives_and_changes_nothing(tmp_path: Path) -> None:
    async with open_coordinator(tmp_path / "saga.db"):
        pass
    with closing(sqlite3.connect(tmp_path / "saga.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with serving(tmp_path, "127.0.0.1") as client:
            ready = await client.get("/readyz")
            assert (ready.status_code, "the database is being opened" in ready.text) == (503, True)
            answer = await client.post("/api/v1/instances/nobody/pause", json=OLGA)
            assert (answer.status_code, "still being set up" in answer.json()["detail"]) == (503, True)
            other.execute("ROLLBACK")
            await is_set_up(client)
            assert (await client.post("/api/v1/instances/nobody/pause", json=OLGA)).status_code == 404


async def is_set_up(client: httpx.AsyncClient) -> None:
    while True:
        if "database is being opened" not in (await client.get("/readyz")).text:
            return
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"who": "\\ud800", "reason": "x"}', '{"who": "o\\u0000", "reason": "x"}', ""]
)
async def test_a_body_that_nobody_should_send_is_a_problem(tmp_path: Path, body: str) -> None:
    async with served(tmp_path, "127.0.0.1") as client:
        answer = await client.post(
            "/api/v1/instances/nobody/pause", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code in {400, 422}
        assert answer.headers["content-type"] == "application/problem+json"
