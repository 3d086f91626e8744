"""`saga serve` as it is wired: what changes something is served, on loopback, even while there is no Kafka."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from saga_coordinator.sagas.catalog import catalog
from saga_coordinator.service.app.serve import serve
from saga_coordinator.service.settings import ApiSettings, KafkaSettings, Settings
from saga_coordinator.service.telemetry.observer import Telemetry
from tests.unit.handlers._support.coordinator import open_coordinator
from tests.unit.handlers._support.order_log import EVENTS, Log

LIMIT = 20.0
OLGA = {"who": "olga", "why": "a test order"}


@asynccontextmanager
async def served(folder: Path, host: str) -> AsyncIterator[httpx.AsyncClient]:
    """Serve on a database that holds one dead letter, with a Kafka that nobody has started."""
    async with open_coordinator(folder / "saga.db", *catalog) as it:
        await it.take(Log().record(EVENTS, "o-1", b"{", ()))
    port = free_port()
    settings = Settings(
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        store=f"sqlite:///{folder}/saga.db",
        api=ApiSettings(bind=f"{host}:{port}"),
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
        assert "bound to loopback" in answer.json()["detail"]


@pytest.mark.parametrize(
    "body", ["[" * 100_000, '{"who": "\\ud800", "why": "x"}', '{"who": "o\\u0000", "why": "x"}', ""]
)
async def test_a_body_that_nobody_should_send_is_a_problem(tmp_path: Path, body: str) -> None:
    async with served(tmp_path, "127.0.0.1") as client:
        answer = await client.post(
            "/api/v1/instances/nobody/pause", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code in {400, 422}
        assert answer.headers["content-type"] == "application/problem+json"
