"""Requests to the running coordinator, over its API: only it writes to the store."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import httpx

from saga_coordinator.service.addresses import UNIX, parse_address
from saga_coordinator.service.cli.console import fail
from saga_coordinator.service.cli.environment import load_settings

REQUEST_TIMEOUT: Final = 30.0
"""Seconds that the coordinator may take for an answer."""

_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  where one that listens on all is asked


def call(path: str, body: Mapping[str, object]) -> dict[str, Any]:
    """Return the answer of the coordinator to a `POST`; exit with 1 and its reason if that is a problem.

    Raises `ConnectionError` if there is no coordinator, `TimeoutError` if it does not answer: it may have done it.
    """
    address = load_settings().api.actions_bind
    headers = {"Idempotency-Key": str(uuid4())}
    try:
        with _client(address) as client:
            answer = client.post(f"/api/v1/{path}", json=dict(body), headers=headers)
    except httpx.ConnectError as error:
        remedy = "start `saga serve`, or give this command the SAGA_API__* variables that it has"
        raise ConnectionError(f"no coordinator answers at {address}: {remedy}") from error
    except httpx.TransportError as error:
        remedy = "whether it was done is not known: look, and repeat it"
        raise TimeoutError(f"the coordinator at {address} gave no answer ({type(error).__name__}): {remedy}") from error
    content = _content(answer, address)
    if not answer.is_success:
        wrong = [f"{each['where']}: {each['what']}" for each in content.get("wrong", ())]
        fail(str(content.get("detail", answer.status_code)) + (f" ({'; '.join(wrong)})" if wrong else ""))
    return content


def _client(bind: str) -> httpx.Client:
    """Return a client of this machine, which asks no proxy."""
    if bind.startswith(UNIX):
        transport = httpx.HTTPTransport(uds=bind.removeprefix(UNIX))
        return httpx.Client(base_url="http://localhost", transport=transport, timeout=REQUEST_TIMEOUT)
    address = parse_address(bind)
    host = address._replace(host=_LOOPBACK.get(address.host, address.host))
    return httpx.Client(base_url=f"http://{host}", trust_env=False, timeout=REQUEST_TIMEOUT)


def _content(answer: httpx.Response, address: str) -> dict[str, Any]:
    try:
        content = answer.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        fail(f"what answers at {address} is no coordinator of this version: its status is {answer.status_code}")
    return content
