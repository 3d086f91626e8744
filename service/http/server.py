"""The API on a socket, inside the caller's task group: it ends when its task is cancelled, and takes no signals."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from saga_coordinator.service.addresses import UNIX, Address, parse_address

SHUTDOWN_TIMEOUT = 2
"""Seconds that requests have to end when the API is stopped."""


def listen(bind: str, variable: str = "SAGA_API__BIND") -> socket.socket:
    """Return a socket that listens on `host:port` (port 0 is any free one) or `unix:/path`.

    Raises `ValueError` for an address that is none, and `OSError` for one that cannot be had; both name the variable.
    """
    try:
        return (
            _listen_unix(Path(bind.removeprefix(UNIX))) if bind.startswith(UNIX) else _listen_tcp(parse_address(bind))
        )
    except ValueError as error:
        raise ValueError(f"{variable}={bind!r} {error}") from error
    except OSError as error:
        raise OSError(error.errno, f"{variable}={bind}: {_remedy(error, variable)}") from error


def _listen_tcp(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    return socket.create_server(address, family=family)


def _listen_unix(path: Path) -> socket.socket:
    """Return a socket that only the user of this process can connect to; what a crash has left there is replaced."""
    if path.is_socket() and not _is_served(path):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)  # before it listens: until then nobody can connect
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener


def _is_served(path: Path) -> bool:
    """Return whether a process listens on a Unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(str(path)) == 0


def _remedy(error: OSError, variable: str) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"another process listens there: stop it, or set {variable} to a free address"
        case errno.EACCES:
            return f"this address may not be opened: set {variable} to a port above 1023, or a folder it may write to"
        case _:
            return f"{error}: set {variable} to an address of this machine"


async def serve_api(api: ASGIApp, listener: socket.socket) -> None:
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
    server, path = _Server(config), listener.getsockname()
    try:
        await server.serve(sockets=[listener])
    finally:
        if server.started:
            await server.shutdown(sockets=[listener])
        _close(listener, path)


def _close(listener: socket.socket, path: str) -> None:
    if listener.family == socket.AF_UNIX:
        Path(path).unlink(missing_ok=True)
    listener.close()


class _Server(uvicorn.Server):
    """A server that leaves SIGINT and SIGTERM to its process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield
