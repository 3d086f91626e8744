"""Fixtures that bring a broker: the embedded one, or a real Kafka. Without a real one the test is skipped, saying why.

`SAGA_TEST_KAFKA=host:port` names a Kafka that runs already. `SAGA_TEST_KAFKA_REQUIRED=1` makes a missing one a failure.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import NoReturn

import pytest

from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.support.kafka.java import JavaKafka, create_topics
from tests.support.shared_server import run_folder, shared_server, skip_or_fail


@dataclass(frozen=True, slots=True)
class RealKafka:
    """A real Kafka that several tests share: each works on topics of its own."""

    bootstrap_servers: str

    def fresh_topic(self, partitions: int) -> str:
        """Create an empty topic with a name that nobody has used, and return the name."""
        name = f"test-{uuid.uuid4()}"
        create_topics(self.bootstrap_servers, {name: partitions})
        return name


@pytest.fixture
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """An embedded broker without topics."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def real_kafka(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[RealKafka]:
    """The Kafka that SAGA_TEST_KAFKA names, else one that is started for all tests of this run, in all workers."""
    named = os.environ.get("SAGA_TEST_KAFKA")
    if named:
        yield RealKafka(named)
        return
    missing = JavaKafka.missing()
    if missing:
        give_up(f"it needs a real Kafka: set SAGA_TEST_KAFKA to the address of one, or install {missing}")
    folder = run_folder(tmp_path_factory, pytestconfig)
    with shared_server(folder, "kafka", lambda: _started(folder)) as bootstrap_servers:
        yield RealKafka(bootstrap_servers)


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[JavaKafka]:
    """A Kafka for this test alone, which may stop, kill and restart it; its log is left in `tmp_path/kafka`."""
    missing = JavaKafka.missing()
    if missing:
        give_up(f"it needs a real Kafka of its own to kill (SAGA_TEST_KAFKA will not do): install {missing}")
    folder = tmp_path / "kafka"
    folder.mkdir()
    with JavaKafka(folder) as kafka:
        yield kafka


@contextmanager
def _started(folder: Path) -> Iterator[str]:
    with JavaKafka(Path(mkdtemp(dir=folder))) as kafka:
        yield kafka.bootstrap_servers


def give_up(reason: str) -> NoReturn:
    """Skip the test for this reason, or fail it where a real Kafka is required."""
    skip_or_fail(reason, "SAGA_TEST_KAFKA_REQUIRED")
