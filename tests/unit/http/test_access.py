"""What changes something is open to programs on this machine only, and to no page of somebody else."""

import httpx
import pytest
from fastapi import FastAPI

from saga_coordinator.service.addresses import is_loopback
from saga_coordinator.service.http.access import LocalAccess

JSON = {"content-type": "application/json"}


async def asked(
    bind: str = "127.0.0.1:8080", *, method: str = "POST", path: str = "/api/v1/pause", **headers: str
) -> httpx.Response:
    """Ask a route that does nothing but answer."""
    api = FastAPI()
    api.add_middleware(LocalAccess, bind=bind)

    @api.api_route("/{path:path}", methods=["GET", "POST"])
    async def done(path: str) -> str:
        return path

    named = {name.replace("_", "-"): value for name, value in headers.items() if value}
    usual = {"host": "127.0.0.1:8080"} | (JSON if method == "POST" else {})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api), base_url="http://127.0.0.1:8080") as client:
        return await client.request(method, path, content=b"{}" if method == "POST" else None, headers=usual | named)


def refused(response: httpx.Response, status: int) -> str:
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    return str(response.json()["detail"])


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "127.0.0.1", "127.8.8.8:1"])
async def test_a_program_on_this_machine_is_let_through(host: str) -> None:
    assert (await asked(host=host)).status_code == 200


@pytest.mark.parametrize("bind", ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080", "example.org:8080"])
async def test_on_any_other_address_nothing_is_open_and_it_says_why(bind: str) -> None:
    reason = refused(await asked(bind), 403)
    assert reason.startswith(f"SAGA_API__BIND is {bind}: what changes something is open on this machine only")
    assert "SAGA_API__ADMIN_BIND" in reason


async def test_a_unix_socket_is_of_this_machine() -> None:
    assert (await asked("unix:/run/saga.sock", host="localhost")).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "0.0.0.0:8080", "localhost.evil", "a@b", "["],
)
async def test_a_name_that_is_not_this_machines_is_refused_for_rebinding(host: str) -> None:
    assert "Host is" in refused(await asked(host=host), 403)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:3000", "https://127.0.0.1", "http://["]
)
async def test_a_page_of_another_origin_is_refused(origin: str) -> None:
    assert "Origin is" in refused(await asked(origin=origin), 403)


async def test_a_page_of_the_api_itself_is_let_through() -> None:
    assert (await asked(origin="http://127.0.0.1:8080", sec_fetch_site="same-origin")).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_what_a_browser_calls_foreign_is_refused(site: str) -> None:
    refused(await asked(sec_fetch_site=site), 403)


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x", ";"]
)
async def test_what_a_form_could_send_is_refused(media_type: str) -> None:
    assert "send application/json" in refused(await asked(content_type=media_type), 415)


async def test_a_body_too_large_or_of_unknown_size_is_refused() -> None:
    refused(await asked(content_length="2000001"), 413)
    refused(await asked(content_length="-1"), 411)
    refused(await asked(content_length="1e3"), 411)


async def test_health_and_metrics_are_open_to_all() -> None:
    assert (await asked("0.0.0.0:8080", method="GET", path="/livez", host="saga.example")).status_code == 200


@pytest.mark.parametrize("authority", ["", ":", "127.0.0.1:http", "::1", "[::1", "10.0.0.1", "local host"])
def test_what_is_no_loopback_address_is_none(authority: str) -> None:
    assert is_loopback(authority) is (authority == "127.0.0.1:http")
