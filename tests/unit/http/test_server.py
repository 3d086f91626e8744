"""The API on a real socket: it serves inside a task group, ends when cancelled, and takes no signals."""

import asyncio
import signal
import socket

import httpx
import pytest
from fastapi import FastAPI

from saga_coordinator.service.health import Health
from saga_coordinator.service.http.app import build_api
from saga_coordinator.service.http.server import listen, serve_api

LIMIT = 20


@pytest.fixture
def health() -> Health:
    return Health(["kafka"])


@pytest.fixture
def api(health: Health) -> FastAPI:
    return build_api(health, lambda: b"", "text/plain")


def url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def test_it_serves_until_it_is_cancelled(api: FastAPI, health: Health) -> None:
    listener = listen("127.0.0.1:0")
    address = url(listener)
    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as tasks, httpx.AsyncClient(base_url=address) as client:
        serving = tasks.create_task(serve_api(api, listener))

        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 503
        health.started()
        health.ok("kafka")
        assert (await client.get("/readyz")).status_code == 200
        assert "server" not in (await client.get("/livez")).headers

        serving.cancel()

    assert serving.cancelled()
    with pytest.raises(httpx.ConnectError):
        await httpx.AsyncClient().get(f"{address}/livez")


async def test_a_request_that_is_running_ends_before_the_server_does(api: FastAPI) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    @api.get("/slow")
    async def slow() -> str:
        entered.set()
        await go_on.wait()
        return "done"

    listener = listen("127.0.0.1:0")
    async with asyncio.timeout(LIMIT), httpx.AsyncClient() as client, asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(serve_api(api, listener))
        asked = tasks.create_task(client.get(f"{url(listener)}/slow"))
        await entered.wait()
        serving.cancel()
        go_on.set()

    assert asked.result().json() == "done"


async def test_signals_stay_with_the_process(api: FastAPI) -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    listener = listen("127.0.0.1:0")
    async with asyncio.timeout(LIMIT), asyncio.TaskGroup() as tasks, httpx.AsyncClient() as client:
        serving = tasks.create_task(serve_api(api, listener))
        await client.get(f"{url(listener)}/livez")

        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
        serving.cancel()


def test_a_port_in_use_is_named_with_the_variable_to_change() -> None:
    with listen("127.0.0.1:0") as taken:
        bind = f"127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(OSError, match=f"SAGA_API__BIND={bind}: another process listens there"):
            listen(bind)


@pytest.mark.parametrize("bind", ["8080", "localhost", "127.0.0.1:http", "127.0.0.1:70000", ":8080", ""])
def test_an_address_that_is_none_is_refused(bind: str) -> None:
    with pytest.raises(ValueError, match="must be HOST:PORT, such as"):
        listen(bind)


def test_an_address_that_is_not_of_this_machine_is_refused_by_name() -> None:
    with pytest.raises(OSError, match=r"SAGA_API__BIND=192.0.2.1:8080: .* set SAGA_API__BIND to an address of this"):
        listen("192.0.2.1:8080")
