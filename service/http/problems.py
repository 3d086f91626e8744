"""Errors as `application/problem+json` (RFC 9457): one form for everything that goes wrong over HTTP."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


def problem(status: int, detail: str, **members: object) -> JSONResponse:
    """Return a problem that has no type of its own. `detail` says what to do; `members` are added to it."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return JSONResponse(content, status, media_type=MEDIA_TYPE)


def add_problem_handlers(api: FastAPI) -> None:
    """Answer every error of an API with a problem."""

    @api.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        """Answer what the framework or a route has refused."""
        response = problem(error.status_code, f"{request.method} {request.url.path}: {error.detail}")
        response.headers.update(error.headers or {})
        return response

    @api.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        """Name the parts of a request that are wrong, without their values."""
        wrong = [{"where": ".".join(map(str, each["loc"])), "what": each["msg"]} for each in error.errors()]
        detail = "the request does not say what this route understands: see the list of what is wrong"
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, wrong=wrong)

    @api.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        """Answer a fault of the coordinator, whose details are in the log."""
        detail = f"{request.method} {request.url.path} failed with {type(error).__name__}: see the coordinator's log"
        return problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
