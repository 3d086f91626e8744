"""A warehouse with an open database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.participant._support.warehouse import Warehouse, warehouse


@pytest.fixture
async def inventory(tmp_path: Path) -> AsyncIterator[Warehouse]:
    async with warehouse(tmp_path / "inventory.db") as opened:
        yield opened
