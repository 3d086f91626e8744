"""Who may use the routes that change something: until there is authentication, only programs on this machine.

They are open on a loopback address or a Unix socket. A page in a browser on this machine could still reach them, by a
name of its own that leads to 127.0.0.1 (DNS rebinding) or by a form (CSRF): so the Host has to be loopback, an Origin
the same as the Host, and a body JSON, which no form can send.
"""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from saga_coordinator.service.addresses import is_local, is_loopback
from saga_coordinator.service.http.problems import problem

PREFIX: Final = "/api/"
MAX_BODY: Final = 2_000_000
"""Bytes of a request: a record of the largest size, written in base64."""

Refusal = tuple[HTTPStatus, str]


class LocalAccess:
    """Lets a request to `/api/` through, or answers with the reason why not. `bind` is the API's own address."""

    def __init__(self, app: ASGIApp, bind: str) -> None:
        self._app = app
        self._bind = bind

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            refusal = self._refusal(scope["method"], Headers(scope=scope))
            if refusal is not None:
                await problem(*refusal)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, method: str, headers: Headers) -> Refusal | None:
        if not is_local(self._bind):
            return HTTPStatus.FORBIDDEN, (
                f"SAGA_API__BIND is {self._bind}: what changes something is open on this machine only, because it has"
                " no authentication: let SAGA_API__ADMIN_BIND name a loopback address, such as 127.0.0.1:8081"
            )
        return _cross_site(headers) or (_unreadable_body(headers) if method == "POST" else None)


def _cross_site(headers: Headers) -> Refusal | None:
    """Refuse what a page of somebody else could send through a browser on this machine."""
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or not is_loopback(hosts[0]):
        return HTTPStatus.FORBIDDEN, f"Host is {', '.join(hosts) or 'missing'}: ask for 127.0.0.1 or localhost"
    if any(_netloc(origin) != hosts[0] for origin in origins):
        return HTTPStatus.FORBIDDEN, f"Origin is {', '.join(origins)}: only this API's own pages may ask"
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return HTTPStatus.FORBIDDEN, "a page of another site may not ask"
    return None


def _netloc(origin: str) -> str | None:
    """Return host and port of an origin; None: it is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _unreadable_body(headers: Headers) -> Refusal | None:
    """Refuse a body that is no JSON, or of which nobody knows how large it is."""
    media_type = headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json":
        return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type is {media_type or 'missing'}: send application/json"
    length = headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        return HTTPStatus.LENGTH_REQUIRED, "content-length is missing: send the body in one piece"
    if int(length) > MAX_BODY:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has {length} bytes: at most {MAX_BODY} are read"
    return None
