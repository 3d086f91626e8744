"""Fixtures of the acceptance tests: a Kafka, the service, a client, and logs that show why a test failed."""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.acceptance._support.foreign_client import ForeignClient
from tests.acceptance._support.processes import Program, Serve
from tests.acceptance._support.topics import recreate_topics
from tests.support.kafka.java import JavaKafka
from tests.support.kafka_fixtures import give_up

LINES, COLUMNS = 40, 240
"""How much of the end of each log a failing test shows."""


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
    recreate_topics(shared_kafka)
    return shared_kafka


@pytest.fixture(scope="module")
def serve(orders_kafka: JavaKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """The service as anybody starts it, on the catalog that it comes with."""
    with Serve(tmp_path_factory.mktemp("serve"), orders_kafka.bootstrap_servers) as serve:
        serve.start()
        yield serve


@pytest.fixture(scope="module")
def client(serve: Serve, orders_kafka: JavaKafka) -> Iterator[ForeignClient]:
    """Shop and participants of that service, played by hand."""
    assert serve.exit_code is None
    with ForeignClient(orders_kafka.bootstrap_servers) as client:
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the end of every log that a failed test could have written to."""
    report = yield
    if report.failed:
        report.sections.extend((f"the end of {log}", tail(log)) for log in logs(item))
    return report


def logs(item: pytest.Item) -> list[Path]:
    """The logs of all brokers and programs that a test was given, or has started in its folder."""
    given = getattr(item, "funcargs", {}).values()
    found = {each.log_file for each in given if isinstance(each, JavaKafka | Program)}
    found |= {log for each in given if isinstance(each, Path) for log in each.rglob("*.log")}
    return sorted(log for log in found if log.is_file() and "data" not in log.parts)


def tail(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(line[:COLUMNS] for line in log.read_text(errors="replace").splitlines()[-LINES:])
