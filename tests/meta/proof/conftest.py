"""One process of a worker forks all runs of its seeded bugs."""

from collections.abc import Iterator

import pytest

from tests.meta.proof._support.forks import Forks


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    with Forks() as running:
        yield running
