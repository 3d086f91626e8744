"""Network addresses as settings and requests write them: HOST:PORT, [HOST]:PORT for IPv6, and URLs of PostgreSQL."""

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

MAX_PORT: Final = 65_535
UNIX: Final = "unix:"
"""What precedes the path of a Unix socket."""


class Address(NamedTuple):
    """A host, without the brackets of IPv6, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Return the address that HOST:PORT names. Raises `ValueError` for anything else."""
    host, _, port = text.rpartition(":")
    name = host.removeprefix("[").removesuffix("]")
    if not name or not port.isdecimal() or int(port) > MAX_PORT or ((":" in name) != (host == f"[{name}]")):
        raise ValueError("must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    return Address(name, int(port))


def is_loopback(authority: str) -> bool:
    """Return whether `host:port` is of this machine only. A name other than localhost is not believed."""
    try:
        host = urlsplit(f"//{authority}").hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_local(bind: str) -> bool:
    """Return whether only programs on this machine can connect to an address or a Unix socket."""
    return bind.startswith(UNIX) or is_loopback(bind)


POSTGRES_PORT: Final = 5432
POSTGRES: Final = "postgresql://"

NO_TLS: Final = "disable"
VERIFY_FULL: Final = "verify-full"
TLS_MODES: Final = (NO_TLS, "verify-ca", VERIFY_FULL)


class PostgresAddress(NamedTuple):
    """Where a PostgreSQL database is: the `hosts` are tried in order; one that begins with / is a socket's folder.

    Without a `user` it is the user of this process. `tls` is one of `TLS_MODES`.
    """

    hosts: tuple[Address, ...]
    database: str
    user: str | None
    tls: str


def parse_postgres(url: str) -> PostgresAddress:
    """Return what a URL of PostgreSQL names. Raises `ValueError` for anything else."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    if not url.startswith(POSTGRES) or not parts.path[1:] or parts.fragment or options.keys() - _OPTIONS:
        raise ValueError("must be postgresql://USER@HOST[:PORT][,HOST…]/DATABASE, with ?sslmode=… or ?host=/FOLDER")
    user, at, _ = parts.netloc.rpartition("@")
    if ":" in user:
        raise ValueError("holds a password: set SAGA_STORE_PASSWORD or SAGA_STORE_PASSWORD_FILE instead")
    hosts = tuple(_hosts(parts, options))
    local = all(host.startswith("/") or is_loopback(str(Address(host, port))) for host, port in hosts)
    tls = options.get("sslmode", NO_TLS if local else VERIFY_FULL)
    if tls not in TLS_MODES:
        raise ValueError(f"sslmode={tls} is none of {', '.join(TLS_MODES)}: others do not check whose server it is")
    return PostgresAddress(hosts, unquote(parts.path[1:]), unquote(user) if at else None, tls)


_OPTIONS: Final = {"host", "port", "sslmode"}


def _hosts(parts: SplitResult, options: dict[str, str]) -> Iterator[Address]:
    """Yield the hosts of a URL; a socket's folder stands in its options, as for libpq."""
    port = int(options.get("port", POSTGRES_PORT))
    names = parts.netloc.rpartition("@")[2] or options.get("host", "localhost")
    for name in names.split(","):
        is_plain = name.startswith("/") or name.endswith("]") or ":" not in name
        yield Address(name.strip("[]"), port) if is_plain else parse_address(name)
