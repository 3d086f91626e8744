"""What keeps the service from starting: it ends at once, and says what is wrong and what to do."""

import re
from pathlib import Path

import pytest

from tests.acceptance._support.processes import Serve
from tests.acceptance._support.topics import delete_topics, recreate_topics
from tests.support.kafka.java import JavaKafka

pytestmark = pytest.mark.kafka

ENDS_WITHIN_S = 15.0
ALL_TOPICS = {
    "orders.events.v1", "orders.events.v1-dlt", "saga.replies.v1", "saga.replies.v1-dlt",
    "inventory.commands.v1", "payments.commands.v1", "reviews.commands.v1", "shipping.commands.v1",
    "notifications.commands.v1", "saga.order-fulfilment.outcomes.v1",
}  # fmt: skip


def test_missing_topics_are_all_named_with_the_command_that_creates_them(
    shared_kafka: JavaKafka, tmp_path: Path
) -> None:
    delete_topics(shared_kafka)
    with Serve(tmp_path, shared_kafka.bootstrap_servers) as serve:
        serve.start(ready=False)
        assert serve.ended(within=ENDS_WITHIN_S) == 1
        [message] = serve.failures()
        assert set(re.findall(r"[a-z.-]+\.v1(?:-dlt)?", message)) == ALL_TOPICS
        assert "saga topics apply" in message
        assert "Traceback" not in serve.log

        applied = serve.verb("topics", "apply")
        assert applied.returncode == 0, applied.stderr
        serve.start()
        assert serve.stop() == 0


def test_one_missing_topic_is_named_and_is_not_made_by_asking_for_it(shared_kafka: JavaKafka, tmp_path: Path) -> None:
    recreate_topics(shared_kafka)
    delete_topics(shared_kafka, "shipping.commands.v1")
    with Serve(tmp_path, shared_kafka.bootstrap_servers) as serve:
        for _ in range(2):
            serve.start(ready=False)
            assert serve.ended(within=ENDS_WITHIN_S) == 1
        messages = serve.failures()
        assert [set(re.findall(r"[a-z.-]+\.v1(?:-dlt)?", line)) for line in messages] == [{"shipping.commands.v1"}] * 2


def test_a_second_service_on_the_same_file_says_so_and_ends(orders_kafka: JavaKafka, tmp_path: Path) -> None:
    recreate_topics(orders_kafka)
    address = orders_kafka.bootstrap_servers
    with Serve(tmp_path, address) as first, Serve(tmp_path / "second", address) as second:
        first.start()
        second.variables["SAGA_STORE"] = first.variables["SAGA_STORE"]
        second.start(ready=False)
        assert second.ended(within=ENDS_WITHIN_S) == 1
        assert "another coordinator" in second.log
        assert str(first.store) in second.log
        assert "SAGA_STORE" in second.log
        assert "Traceback" not in second.log
        first.is_ready_within(1)
        assert first.stop() == 0


def test_a_port_that_is_taken_is_named_with_its_variable(orders_kafka: JavaKafka, tmp_path: Path) -> None:
    address = orders_kafka.bootstrap_servers
    with Serve(tmp_path, address) as serve:
        serve.variables["SAGA_API__BIND"] = address
        serve.start(ready=False)
        assert serve.ended(within=ENDS_WITHIN_S) == 1
        assert f"SAGA_API__BIND={address}" in serve.log
        assert "Traceback" not in serve.log


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SAGA_KAFKA__BOOTSTRAP_SERVERS", "kafka"),
        ("SAGA_KAFKA__BOOTSTRAP_SERVERS", "kafka:nine"),
        ("SAGA_KAFKA__BOOTSTRAP_SERVERS", "PLAINTEXT://kafka:9092"),
        ("SAGA_KAFKA__BOOTSTRAP_SERVERS", "kafka:9092,,other:9092"),
        ("SAGA_KAFKA__BATCH", "0"),
        ("SAGA_KAFKA__SECURITY_PROTOCOL", "TLS"),
        ("SAGA_STORE", "postgres://db"),
        ("SAGA_API__BIND", "8080"),
        ("SAGA_LOG__LEVEL", "loud"),
        ("SAGA_SHUTDOWN_TIMEOUT", "60"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
    ],
)
def test_a_wrong_setting_is_named_by_its_variable_and_ends_with_2(tmp_path: Path, variable: str, value: str) -> None:
    with Serve(tmp_path, "127.0.0.1:1", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1") as serve:
        serve.variables[variable] = value
        serve.start(ready=False)
        assert serve.ended(within=ENDS_WITHIN_S) == 2
        [message] = serve.failures()
        assert variable in message
        assert value in message
