"""What acceptance tests stand on: a Kafka of their own with the topics of the page, and logs that tell why one failed."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from confluent_kafka.admin import AdminClient

from service.kafka.java import JavaKafka
from tests.acceptance.processes import Program, Serve, saga
from tests.acceptance.until import until
from tests.kafka_fixtures import give_up

TAIL: Final = 60
"""Lines of each log that a failing test shows."""


@pytest.fixture(scope="session")
def shared_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JavaKafka]:
    """A Kafka for all tests of this folder that do not harm theirs."""
    if missing := JavaKafka.missing():
        give_up(f"it needs a real Kafka of its own, whose topics it may delete: install {missing}")
    with JavaKafka(tmp_path_factory.mktemp("kafka")) as kafka:
        yield kafka


@pytest.fixture(scope="module")
def orders_kafka(shared_kafka: JavaKafka) -> JavaKafka:
    """The shared Kafka with the topics of order fulfilment, all of them empty."""
    delete_topics(shared_kafka)
    applied = saga("topics", "apply", SAGA_KAFKA__BOOTSTRAP_SERVERS=shared_kafka.bootstrap_servers)
    assert applied.returncode == 0, applied.stderr
    return shared_kafka
