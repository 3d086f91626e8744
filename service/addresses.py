"""Network addresses as settings and requests write them: HOST:PORT, and [HOST]:PORT for IPv6."""

from ipaddress import ip_address
from typing import Final, NamedTuple
from urllib.parse import urlsplit

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
