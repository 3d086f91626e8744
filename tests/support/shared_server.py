"""One server for all processes of a test run: the first that needs it starts it, and stops it after the last user."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, NoReturn

import pytest

from tests.support.side_by_side import is_worker


def run_folder(factory: pytest.TempPathFactory, config: pytest.Config) -> Path:
    """The folder that all workers of a test run have in common."""
    folder = factory.getbasetemp()
    return folder.parent if is_worker(config) else folder


def skip_or_fail(reason: str, required: str) -> NoReturn:
    """Skip the test for this reason, or fail it where this variable is 1."""
    if os.environ.get(required) == "1":
        pytest.fail(f"{required} is set, and {reason}", pytrace=False)
    pytest.skip(reason)


@contextmanager
def shared_server(folder: Path, name: str, start: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Return the address of the server of this name that all callers with this folder share; `start` returns it.

    Each user holds a shared lock, which the system releases even if the process is killed. The process that has started
    the server waits at its end until nobody else holds one.
    """
    file = folder / f"shared-{name}.address"
    with ExitStack() as stack:
        with _locked(folder / f"shared-{name}.start"):
            is_ours = not file.exists()
            if is_ours:
                file.write_text(stack.enter_context(start()))
            users = stack.enter_context((folder / f"shared-{name}.users").open("w"))
            fcntl.flock(users, fcntl.LOCK_SH)
            address = file.read_text()
        yield address
        if is_ours:
            with _locked(folder / f"shared-{name}.start"):  # the next user starts another
                fcntl.flock(users, fcntl.LOCK_EX)
                file.unlink()


@contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
