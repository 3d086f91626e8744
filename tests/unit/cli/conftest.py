"""The command line in this process, on a database of its own, with no settings but those that a test gives."""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import topics_of_orders


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Take away what the environment says of settings, and work in an empty folder."""
    for name in os.environ:
        if name.startswith(("SAGA_", "OTEL_")) and not name.startswith("SAGA_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SAGA_CATALOG", "saga_coordinator.sagas.catalog:catalog")
    monkeypatch.setenv("SAGA_STORE", f"sqlite:///{tmp_path}/saga.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    handlers = list(logging.getLogger("aiokafka").handlers)
    yield
    logging.getLogger("aiokafka").handlers[:] = handlers


@pytest.fixture
def saga() -> Saga:
    """The command line."""
    return Saga()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The database that the command line looks at."""
    return tmp_path / "saga.db"


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    """An embedded broker with all topics of order fulfilment, for tests that leave it as it is."""
    with EmbeddedBroker(topics_of_orders(4)) as running:
        yield running
