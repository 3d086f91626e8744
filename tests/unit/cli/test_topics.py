"""`saga topics`: what is there, what is missing, and its creation; nothing that is there is ever changed."""

import socket

import pytest
from confluent_kafka.admin import AdminClient

from saga_coordinator.service.kafka import admin
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.support.kafka.java import JavaKafka
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import topics_of_orders


@pytest.fixture
def unreachable() -> str:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def states(saga: Saga, *options: str) -> dict[str, str]:
    return {each["name"]: each["state"] for each in saga.does("topics", "plan", "--json", *options).json}


def test_the_plan_names_what_is_there_missing_and_different(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker({"orders.events.v1": 4, "saga.replies.v1": 2, "foreign": 1}) as broker:
        monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap_servers)
        found = states(saga)
        said = saga.does("topics", "plan")
        matching = states(saga, "--partitions", "2")

    assert found.keys() == topics_of_orders(1).keys()
    assert (found.pop("orders.events.v1"), found.pop("saga.replies.v1")) == ("exists", "differs")
    assert set(found.values()) == {"missing"}
    assert matching["saga.replies.v1"] == matching["orders.events.v1"] == "exists", "more than wanted is no fault"
    assert "Missing: 8 of 10 topics; `saga topics apply` creates them." in said.err
    assert "never changed" in said.out


def test_looking_creates_no_topic(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker() as broker:
        monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap_servers)
        for _ in range(2):
            assert set(states(saga).values()) == {"missing"}


@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_a_kafka_that_is_not_there_is_one_reason_with_its_address(
    saga: Saga, monkeypatch: pytest.MonkeyPatch, unreachable: str, verb: str
) -> None:
    monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", unreachable)

    said = saga("topics", verb)

    assert said.code == 1
    assert said.out == ""
    assert f"no connection to Kafka at {unreachable}" in said.err
    assert "SAGA_KAFKA__BOOTSTRAP_SERVERS" in said.err


def test_a_kafka_that_does_not_answer_is_given_up_in_time(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("SAGA_KAFKA__REQUEST_TIMEOUT", "0.3")

        said = saga("topics", "plan")

    assert said.code == 1
    assert "Kafka at 127.0.0.1" in said.err


def test_a_broker_that_takes_no_such_request_is_one_reason(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedBroker() as broker:
        monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap_servers)

        said = saga("topics", "apply")

    assert said.code == 1
    assert said.err.startswith("saga: IncompatibleBrokerVersion")


def test_where_nothing_is_missing_nothing_is_asked_for(
    saga: Saga, broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap_servers)

    applied = saga.does("topics", "apply", "--json").json

    assert {each["state"] for each in applied} == {"exists"}


@pytest.mark.kafka
def test_apply_creates_what_is_missing_once_and_changes_nothing(
    saga: Saga,
    own_kafka: JavaKafka,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", own_kafka.bootstrap_servers)
    own_kafka.create_topics({"orders.events.v1": 7, "foreign": 1})

    first = saga.does("topics", "apply", "--partitions", "3", "--json").json
    again = saga.does("topics", "apply", "--partitions", "3", "--json").json

    assert first == again
    assert {each["name"]: each["partitions"] for each in first} == topics_of_orders(3) | {"orders.events.v1": 7}
    assert {each["state"] for each in first} == {"exists"}
    [advice] = next(each["advice"] for each in first if each["name"] == "orders.events.v1")
    assert advice.startswith("retention.ms is 7 days, less than 14 or than the age of your oldest backup: ")
    assert advice.endswith("kafka-configs.sh --alter --topic orders.events.v1 --add-config retention.ms=1209600000")
    assert {tuple(each["advice"]) for each in first if each["name"] != "orders.events.v1"} == {()}
    listed = AdminClient({"bootstrap.servers": own_kafka.bootstrap_servers}).list_topics(timeout=10).topics
    assert len(listed["saga.replies.v1"].partitions) == 3
    assert len(listed["foreign"].partitions) == 1


@pytest.mark.kafka
def test_a_topic_that_the_broker_refuses_is_named_with_its_reason(
    saga: Saga,
    own_kafka: JavaKafka,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", own_kafka.bootstrap_servers)

    said = saga("topics", "apply", "--replication", "3")

    assert said.code == 1
    assert "orders.events.v1 was not created: InvalidReplicationFactorError" in said.err


def test_the_rights_are_those_of_its_topics_and_its_group_and_none_on_the_cluster(
    saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", "kafka:9092")
    needed = saga.does("topics", "acls", "--json").json

    def having(operation: str) -> set[str]:
        return {each["name"] for each in needed if each["operation"] == operation}

    read = {"orders.events.v1", "saga.replies.v1"}
    assert having("Read") == read | {"saga-coordinator"}
    assert having("Write") == topics_of_orders(1).keys() - read
    assert having("DescribeConfigs") == having("Write") | {"saga.replies.v1"}
    assert {each["operation"] for each in needed if not each["optional"]} == {"Read", "Write"}
    assert {each["resource"] for each in needed} == {"topic", "group"}
    lines = saga.does("topics", "acls", "--principal", "User:CN=shop").out.splitlines()
    assert lines[0] == (
        "kafka-acls.sh --bootstrap-server kafka:9092 --add --allow-principal User:CN=shop --operation Read "
        "--group saga-coordinator  # its place in the group, and its offsets"
    )


@pytest.mark.parametrize(
    ("replicas", "configs", "brokers", "words"),
    [
        (3, {"min.insync.replicas": 2, "retention.ms": 1_209_600_000}, 3, []),
        (3, {"min.insync.replicas": 1, "retention.ms": -1}, 5, ["min.insync.replicas is 1"]),
        (1, {"min.insync.replicas": 1, "retention.ms": 86_400_000}, 3, ["1 of 3 replicas", "retention.ms is 1 days"]),
        (1, {"min.insync.replicas": 1}, 1, []),
    ],
)
def test_a_topic_that_can_lose_messages_is_advised_on(
    replicas: int, configs: dict[str, int], brokers: int, words: list[str]
) -> None:
    advice = list(admin._advice("t", replicas, configs, brokers))  # noqa: SLF001  a cluster of three costs too much
    assert [text[: len(word)] for text, word in zip(advice, words, strict=True)] == words
