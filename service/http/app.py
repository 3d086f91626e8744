"""The HTTP API: whether the coordinator lives, has started and is ready, and what it has measured."""

from collections.abc import Callable
from http import HTTPStatus

from fastapi import FastAPI, Response
from starlette.types import ASGIApp

from saga_coordinator.service.health import Check, Health
from saga_coordinator.service.http.problems import add_problem_handlers, problem


def build_api(health: Health, metrics: Callable[[], bytes], media_type: str, actions: ASGIApp | None = None) -> FastAPI:
    """Return the API. `metrics` returns the text of `/metrics`, which may take milliseconds, of that media type.

    `actions` answers what is below `/api`.
    """
    api = FastAPI(title="saga-coordinator", docs_url=None, redoc_url=None, openapi_url=None)
    add_problem_handlers(api)

    @api.get("/livez")
    async def livez() -> dict[str, str]:
        """Answer as long as the event loop runs: no outage of Kafka is a reason to restart the coordinator."""
        return {"status": "live"}

    @api.get("/startupz", response_model=None)
    async def startupz() -> dict[str, str] | Response:
        """Return whether the set-up has ended."""
        if health.is_started:
            return {"status": "started"}
        return _unavailable("the coordinator is still being set up", health)

    @api.get("/readyz", response_model=None)
    async def readyz() -> dict[str, object] | Response:
        """Say whether work is done now, and if not, what is in the way and since when."""
        if health.is_ready:
            return {"status": "ready", "checks": [_to_json(check) for check in health.checks]}
        return _unavailable("the coordinator does no work now", health)

    @api.get("/metrics")
    def measured() -> Response:
        """Return what was measured, made on a thread beside the loop."""
        return Response(metrics(), media_type=media_type)

    if actions is not None:
        api.mount("/api", actions)
    return api


def _unavailable(what: str, health: Health) -> Response:
    failing = [check for check in health.checks if not check.is_ok]
    named = "; ".join(f"{check.name}: {check.reason} (since {_since(check)})" for check in failing)
    detail = f"{what}: {named or 'every check holds, and the set-up is not over'}"
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, checks=[_to_json(check) for check in health.checks])


def _to_json(check: Check) -> dict[str, object]:
    value: dict[str, object] = {"name": check.name, "ok": check.is_ok, "since": _since(check)}
    return value if check.reason is None else {**value, "reason": check.reason}


def _since(check: Check) -> str:
    return check.since.isoformat(timespec="milliseconds").replace("+00:00", "Z")
