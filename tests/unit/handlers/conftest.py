"""The coordinator that most tests of the handlers need."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.handlers._support.coordinator import Coordinator, open_coordinator


@pytest.fixture
async def coordinator(tmp_path: Path) -> AsyncIterator[Coordinator]:
    """Give a coordinator that fulfils orders, on a new database."""
    async with open_coordinator(tmp_path / "saga.db") as opened:
        yield opened
