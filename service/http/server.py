"""The API on a socket, inside the caller's task group: it ends when its task is cancelled, and takes no signals."""

import contextlib
import errno
import socket
from collections.abc import Iterator

import uvicorn
from fastapi import FastAPI

MAX_PORT = 65_535
SHUTDOWN_TIMEOUT = 2
"""Seconds that requests have to end when the API is stopped."""


def listen(bind: str) -> socket.socket:
    """Return a socket that listens on `host:port`; port 0 is any free one.

    Raises `ValueError` for an address that is none, and `OSError` for one that cannot be had.
    """
    host, _, port = bind.rpartition(":")
    if not host or not port.isdecimal() or int(port) > MAX_PORT:
        raise ValueError(f"SAGA_API__BIND={bind!r} is not host:port, such as 127.0.0.1:8080")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except OSError as error:
        raise OSError(error.errno, f"SAGA_API__BIND={bind}: {_remedy(error)}") from error


def _remedy(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another process listens on this port: stop it, or set SAGA_API__BIND to a free one"
        case errno.EACCES:
            return "this port may not be opened: set SAGA_API__BIND to one above 1023"
        case _:
            return f"{error}: set SAGA_API__BIND to an address of this machine"


async def serve_api(api: FastAPI, listener: socket.socket) -> None:
    """Serve until cancelled, then let the requests that are running end, for at most 2 seconds."""
    config = uvicorn.Config(
        api,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT,
    )
    server = _Server(config)
    try:
        await server.serve(sockets=[listener])
    finally:
        if server.started:
            await server.shutdown(sockets=[listener])
        listener.close()


class _Server(uvicorn.Server):
    """A server that leaves SIGINT and SIGTERM to its process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
