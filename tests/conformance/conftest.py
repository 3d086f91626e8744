"""A store of each kind, open and empty."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conformance._support.stores import KINDS, Kind, OpenStore, known


@pytest.fixture(params=KINDS, ids=lambda kind: str(kind.name))
def kind(request: pytest.FixtureRequest) -> Kind:
    each = request.param
    assert isinstance(each, Kind)
    return each


@pytest.fixture
async def store(kind: Kind, tmp_path: Path) -> AsyncIterator[OpenStore]:
    opened = kind.new(tmp_path, known)
    await opened.open()
    try:
        yield opened
    finally:
        await opened.close()
