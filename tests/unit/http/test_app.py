"""The routes, without a socket."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from saga_coordinator.service.health import Health
from saga_coordinator.service.http.app import build_api


@pytest.fixture
def health() -> Health:
    return Health(["kafka", "store"])


@pytest.fixture
def api(health: Health) -> FastAPI:
    return build_api(health, lambda: b"saga_instances 3.0\n", "text/plain; version=0.0.4; charset=utf-8")


@pytest.fixture
async def client(api: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://saga") as client:
        yield client


async def test_it_lives_whatever_is_down(client: httpx.AsyncClient, health: Health) -> None:
    health.failing("kafka", "no connection")
    health.failing("store", "disk full")

    response = await client.get("/livez")

    assert (response.status_code, response.json()) == (200, {"status": "live"})


async def test_it_has_started_when_the_set_up_is_complete(client: httpx.AsyncClient, health: Health) -> None:
    assert (await client.get("/startupz")).status_code == 503

    health.started()

    assert (await client.get("/startupz")).status_code == 200


async def test_every_failing_check_is_named_with_its_reason_and_since_when(
    client: httpx.AsyncClient, health: Health
) -> None:
    health.started()
    health.ok("store")
    health.failing("kafka", "no connection to 127.0.0.1:9092: start the broker")
    since = health.checks[0].since.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    response = await client.get("/readyz")

    problem = response.json()
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["title"], problem["status"]) == ("about:blank", "Service Unavailable", 503)
    assert problem["detail"] == (
        f"the coordinator does no work now: kafka: no connection to 127.0.0.1:9092: start the broker (since {since})"
    )
    assert problem["checks"][0] == {
        "name": "kafka",
        "ok": False,
        "since": since,
        "reason": "no connection to 127.0.0.1:9092: start the broker",
    }
    assert problem["checks"][1]["ok"] is True


async def test_it_is_ready_when_every_check_holds(client: httpx.AsyncClient, health: Health) -> None:
    health.started()
    health.ok("store")
    health.ok("kafka")

    response = await client.get("/readyz")

    assert response.status_code == 200
    assert response.json()["status"] == "ready"
    assert [check["name"] for check in response.json()["checks"]] == ["kafka", "store"]


async def test_it_is_not_ready_before_the_set_up_is_complete(client: httpx.AsyncClient, health: Health) -> None:
    health.ok("store")
    health.ok("kafka")

    response = await client.get("/readyz")

    assert response.status_code == 503
    assert "the set-up is not over" in response.json()["detail"]


async def test_what_was_measured_is_text_for_prometheus(client: httpx.AsyncClient) -> None:
    response = await client.get("/metrics")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.text == "saga_instances 3.0\n"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/livez", 405), ("GET", "/openapi.json", 404)]
)
async def test_what_is_refused_is_a_problem(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    response = await client.request(method, path)

    assert response.status_code == response.json()["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"].startswith(f"{method} {path}: ")


async def test_an_internal_error_is_a_problem_without_details(health: Health) -> None:
    def broken() -> bytes:
        raise RuntimeError("password=hunter2")

    transport = httpx.ASGITransport(build_api(health, broken, "text/plain"), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://saga") as client:
        response = await client.get("/metrics")

    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["detail"] == "GET /metrics failed with RuntimeError: see the coordinator's log"


async def test_a_request_that_is_not_understood_is_a_problem_without_its_values(api: FastAPI) -> None:
    @api.get("/number")
    async def number(given: int) -> int:
        return given

    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://saga") as client:
        response = await client.get("/number", params={"given": "hunter2"})

    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["wrong"][0]["where"] == "query.given"
    assert "hunter2" not in response.text
