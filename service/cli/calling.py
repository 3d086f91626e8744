"""Asks the running coordinator to change something, over its API: a SQLite file has one writer."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import httpx

from saga_coordinator.service.cli.configuration import load_settings
from saga_coordinator.service.cli.console import fail

WITHIN: Final = 30.0
"""Seconds that the coordinator may take for an answer."""

_ANY: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  what is bound to all is asked by loopback


def call(path: str, body: Mapping[str, object]) -> dict[str, Any]:
    """Return what the coordinator answers; end with 1 and its reason if it refuses to listen.

    Raises `ConnectionError` if there is none, `TimeoutError` if it does not answer: then nobody knows what it did.
    """
    host, _, port = load_settings().api.bind.rpartition(":")
    address = f"http://{_ANY.get(host, host)}:{port}"
    headers = {"Idempotency-Key": str(uuid4())}
    try:
        answer = httpx.post(f"{address}/api/v1/{path}", json=dict(body), headers=headers, timeout=WITHIN)
    except httpx.ConnectError as error:
        remedy = "start `saga serve`, or let SAGA_API__BIND name the address that it has"
        raise ConnectionError(f"no coordinator answers at {address}: {remedy}") from error
    except httpx.TransportError as error:
        remedy = "whether it was done is not known: look, and ask again"
        raise TimeoutError(f"the coordinator at {address} gave no answer ({type(error).__name__}): {remedy}") from error
    told = _told(answer, address)
    if not answer.is_success:
        fail(str(told.get("detail", answer.status_code)) + _wrong(told))
    return told


def _told(answer: httpx.Response, address: str) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        fail(f"what answers at {address} is no coordinator of this version: its status is {answer.status_code}")
    return told


def _wrong(problem: Mapping[str, Any]) -> str:
    """Say what is wrong with a request."""
    wrong = [f"{each['where']}: {each['what']}" for each in problem.get("wrong", ())]
    return f" ({'; '.join(wrong)})" if wrong else ""
