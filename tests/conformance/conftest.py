"""A store of each kind, open and empty."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conformance._support.stores import SQLITE, Kind, OpenStore, known, on_postgres
from tests.support.postgres.databases import Postgres


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> Iterator[Kind]:
    if request.param == "sqlite":
        yield SQLITE
        return
    postgres = request.getfixturevalue("postgres")
    assert isinstance(postgres, Postgres)
    with on_postgres(postgres) as kind:
        yield kind


@pytest.fixture
async def store(kind: Kind, tmp_path: Path) -> AsyncIterator[OpenStore]:
    opened = kind.new(tmp_path, known)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()
