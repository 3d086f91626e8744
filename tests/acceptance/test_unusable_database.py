"""A database that cannot be used: the service ends at once, says which, why and what to do, and leaves nothing open."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance._support.disk import Trouble, locked, on_read_only_disk, read_only
from tests.acceptance._support.processes import Serve
from tests.acceptance._support.until import until

pytestmark = pytest.mark.slow

NOBODY: Final = "127.0.0.1:1"
ENDS_WITHIN_S: Final = 20.0


@contextmanager
def a_folder(database: Path) -> Iterator[None]:
    """Let there be a folder of that name."""
    database.mkdir()
    yield
    database.rmdir()


@contextmanager
def another_file(database: Path) -> Iterator[None]:
    """Let there be a file of that name that is no database."""
    database.write_text("no database, " * 100)
    yield
    database.unlink()


LOCKED: Final = ("database is locked", "end the other program that writes to it")
UNWRITABLE: Final = "let this process write to the file and its folder"
TROUBLES: Final = {
    "new, locked": (False, locked, LOCKED),
    "new, on a read-only disk": (False, on_read_only_disk, ("Read-only file system", UNWRITABLE)),
    "a folder": (False, a_folder, ("unable to open", UNWRITABLE)),
    "another file": (False, another_file, ("not a database", "name another file by SAGA_STORE")),
    "known, locked": (True, locked, LOCKED),
    "known, read-only": (True, read_only, (UNWRITABLE,)),  # of which file it is said depends on whether a log is left
    "known, on a read-only disk": (True, on_read_only_disk, ("Read-only file system", UNWRITABLE)),
}


@pytest.mark.parametrize(("is_known", "trouble", "words"), TROUBLES.values(), ids=TROUBLES)
def test_it_ends_at_once_and_says_why_and_it_starts_when_that_is_put_right(
    tmp_path: Path, trouble: Trouble, words: tuple[str, ...], *, is_known: bool
) -> None:
    database = tmp_path / "disk" / "saga.db"
    database.parent.mkdir()
    with Serve(tmp_path, NOBODY, SAGA_STORE=f"sqlite:///{database}") as serve:
        if is_known:
            starts(serve)
        with trouble(database):
            serve.start(ready=False)
            assert serve.ended(within=ENDS_WITHIN_S) == 1
        [message] = serve.failures()
        assert all(word in message for word in (str(database), *words)), message
        assert "Traceback" not in serve.log
        starts(serve)


def starts(serve: Serve) -> None:
    """See it live, and kill it: there is no Kafka that it could be ready with."""
    serve.start(ready=False)
    until(lambda: serve.get("/livez"), "it lives")
    serve.kill()
