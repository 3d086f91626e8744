"""Fixtures that bring a PostgreSQL. Without one the test is skipped, saying why.

`SAGA_TEST_POSTGRES=postgresql://USER:PASSWORD@HOST/DATABASE` names a server that runs already, with a user who may
create databases; `SAGA_TEST_POSTGRES_BIN` names a folder with PostgreSQL's programs. `SAGA_TEST_POSTGRES_REQUIRED=1`
makes a missing server a failure.
"""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.support.postgres.databases import Database, Postgres
from tests.support.postgres.server import FAST, binaries, postgres_server
from tests.support.shared_server import run_folder, shared_server, skip_or_fail

MISSING = (
    "it needs a PostgreSQL: set SAGA_TEST_POSTGRES to the URL of one, or install one (Debian: apt-get install "
    "postgresql), or the development tools (make setup)"
)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Postgres]:
    """The server that SAGA_TEST_POSTGRES names, else one that is started for all tests of this run."""
    if named := os.environ.get("SAGA_TEST_POSTGRES"):
        with closing(Postgres(named)) as databases:
            yield databases
        return
    if binaries() is None:
        skip_or_fail(MISSING, "SAGA_TEST_POSTGRES_REQUIRED")
    folder = run_folder(tmp_path_factory, pytestconfig)
    with shared_server(folder, "postgres", _started) as url, closing(Postgres(url)) as databases:
        yield databases


@pytest.fixture
def database(postgres: Postgres) -> Iterator[Database]:
    """A database with the newest schema, for this test alone."""
    with postgres.database() as database:
        yield database


@contextmanager
def _started() -> Iterator[str]:
    with postgres_server(**FAST) as server:
        yield server.address
