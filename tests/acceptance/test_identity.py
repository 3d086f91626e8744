"""On a real Kafka: a database reads only what belongs to it, and what an operator says from where."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance._support import evidence
from tests.acceptance._support.evidence import Partition
from tests.acceptance._support.foreign_client import order_fields
from tests.acceptance._support.processes import Serve, saga
from tests.acceptance._support.topics import delete_topics, recreate_topics
from tests.acceptance._support.until import until
from tests.acceptance.test_kafka_changes import ORDERS, REPLIES, SESSION_TIMEOUT_S, place
from tests.support.kafka.java import JavaKafka

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(180)]

WHY: Final = ("--reason", "the topic is ours")
SOON: Final = {"SAGA_KAFKA__SESSION_TIMEOUT": str(SESSION_TIMEOUT_S), "SAGA_KAFKA__START_FROM": "none"}


@pytest.fixture
def kafka(shared_kafka: JavaKafka) -> JavaKafka:
    recreate_topics(shared_kafka)
    return shared_kafka


@pytest.fixture
def serve(kafka: JavaKafka, tmp_path: Path) -> Iterator[Serve]:
    with Serve(tmp_path / "first", kafka.bootstrap_servers, **SOON) as serve:
        yield serve


def test_a_topic_that_is_created_again_while_it_is_read_is_read_when_an_operator_says_so(
    serve: Serve, kafka: JavaKafka
) -> None:
    serve.start()
    order(kafka, "o-1")
    until(lambda: orders(serve) == ["o-1"], "the order has started")
    delete_topics(kafka, ORDERS)
    applied = saga("topics", "apply", SAGA_KAFKA__BOOTSTRAP_SERVERS=kafka.bootstrap_servers)
    assert applied.returncode == 0, applied.stderr
    for number in range(2, 12):
        order(kafka, f"o-{number}")
    says(serve, "is of another topic than before", f"`saga positions set {ORDERS} beginning --reason WHY`")
    done = serve.verb("positions", "set", ORDERS, "beginning", *WHY)
    assert done.returncode == 0, done.stderr
    until(lambda: len(orders(serve)) == 11, "the orders of the new topic have started")
    serve.is_ready_within(30)


def test_a_lost_database_reads_nothing_and_the_one_that_has_the_group_is_left_alone(
    serve: Serve, kafka: JavaKafka, tmp_path: Path
) -> None:
    serve.start()
    order(kafka, "o-1")
    until(lambda: orders(serve) == ["o-1"], "the order has started")
    with Serve(tmp_path / "second", kafka.bootstrap_servers, **SOON, SAGA_KAFKA__GROUP=serve.group) as other:
        other.start(ready=False)
        says(other, "belongs to the database", str(evidence.rows(serve.store, "SELECT id FROM identity")[0][0]))
        order(kafka, "o-2")
        until(lambda: orders(serve) == ["o-1", "o-2"], "the first has started the other order too")
        serve.is_ready_within(5)
        until(lambda: committed(serve) == evidence.next_offsets(serve.store), "the group has committed what is done")
        assert serve.stop() == 0
        for topic in (ORDERS, REPLIES):
            done = other.verb("positions", "set", topic, "committed", *WHY)
            assert done.returncode == 0, done.stderr
        order(kafka, "o-3")
        until(lambda: "o-3" in orders(other), "the second continues where the group has ended", 60)
        assert "o-1" not in orders(other)


def test_a_topic_with_history_is_read_from_the_time_that_an_operator_says(serve: Serve, kafka: JavaKafka) -> None:
    order(kafka, "o-1")
    time.sleep(0.01)  # the records have times in milliseconds
    since = datetime.now(UTC).isoformat()
    order(kafka, "o-2")
    serve.start(ready=False)
    says(serve, "from before this database first saw it", f"`saga positions set {ORDERS} beginning --reason WHY`")
    done = serve.verb("positions", "set", ORDERS, since, *WHY)
    assert done.returncode == 0, done.stderr
    until(lambda: orders(serve) == ["o-2"], "the second order has started")
    serve.is_ready_within(30)
    listed = json.loads(serve.verb("positions", "ls", "--json").stdout)
    assert {each["topic"] for each in listed} == {ORDERS, REPLIES}
    assert all(each["next_offset"] is not None and len(each["topic_id"]) == 22 for each in listed)


def order(kafka: JavaKafka, order_id: str) -> None:
    place(kafka.bootstrap_servers, order_fields(order_id))


def orders(serve: Serve) -> list[str]:
    """The orders that have started, by their numbers."""
    found = evidence.rows(serve.store, "SELECT correlation FROM instance") if serve.store.exists() else []
    return sorted((str(each) for (each,) in found), key=lambda each: int(each.removeprefix("o-")))


def committed(serve: Serve) -> dict[Partition, int]:
    """What the group of a service has committed."""
    return evidence.committed(serve.variables["SAGA_KAFKA__BOOTSTRAP_SERVERS"], serve.group, (ORDERS, REPLIES))


def says(serve: Serve, *words: str) -> None:
    """Wait until readiness says all of these words."""

    def is_said() -> bool:
        answer = serve.get("/readyz")
        return answer is not None and all(json.dumps(word)[1:-1] in answer.body for word in words)

    until(is_said, f"readiness says {words}: {serve.get('/readyz')}", 60)
