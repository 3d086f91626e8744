"""One Kafka for all processes of a test run: the first that needs it starts it, and stops it after the last user."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

from tests.support.kafka.java import JavaKafka


@contextmanager
def shared_kafka(folder: Path) -> Iterator[str]:
    """Return the address of the Kafka that all callers with this folder share.

    Each user holds a shared lock, which the system releases even if the process is killed. The process that has started
    the Kafka waits at its end until nobody else holds one.
    """
    address = folder / "shared-kafka.address"
    with ExitStack() as stack:
        with _locked(folder / "shared-kafka.start"):
            started = None if address.exists() else stack.enter_context(JavaKafka(Path(mkdtemp(dir=folder))))
            if started is not None:
                address.write_text(started.bootstrap_servers)
            users = stack.enter_context((folder / "shared-kafka.users").open("w"))
            fcntl.flock(users, fcntl.LOCK_SH)
            servers = address.read_text()
        yield servers
        if started is not None:
            with _locked(folder / "shared-kafka.start"):  # the next user starts another
                fcntl.flock(users, fcntl.LOCK_EX)
                address.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
