"""A real Kafka starts from Java and Maven, survives being killed, and says what is missing where it cannot start."""

import asyncio
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import KafkaException

from saga_coordinator.service.errors import BrokerError
from tests.support.kafka.java import JavaKafka
from tests.support.kafka.java_jars import KAFKA_VERSION, class_archive, kafka_jars
from tests.support.kafka_fixtures import RealKafka, give_up


@pytest.mark.kafka
def test_what_was_acknowledged_is_still_there_after_kill_9_and_restart(own_kafka: JavaKafka) -> None:
    address = own_kafka.bootstrap_servers
    own_kafka.create_topics({"orders": 4})
    values = [str(number).encode() for number in range(1000)]
    produce(address, "orders", values)

    own_kafka.kill()
    with pytest.raises(KafkaException):
        AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=1)
    own_kafka.restart()

    assert own_kafka.bootstrap_servers == address
    assert sorted(consume(address, "orders", 1000)) == sorted(values)


@pytest.mark.kafka
def test_a_producer_that_was_there_before_the_kill_goes_on_after_the_restart(own_kafka: JavaKafka) -> None:
    own_kafka.create_topics({"orders": 1})
    producer = Producer({"bootstrap.servers": own_kafka.bootstrap_servers, "acks": "all", "log_level": 0})
    producer.produce("orders", b"before")
    assert producer.flush(30) == 0
    own_kafka.kill()
    producer.produce("orders", b"while down")
    own_kafka.restart()
    assert producer.flush(30) == 0
    assert consume(own_kafka.bootstrap_servers, "orders", 2) == [b"before", b"while down"]


@pytest.mark.kafka
def test_it_leaves_its_classes_for_those_that_start_later(own_kafka: JavaKafka) -> None:
    own_kafka.stop()
    assert class_archive().is_file()
    own_kafka.restart()


@pytest.mark.kafka
def test_a_paused_kafka_answers_nobody_until_it_is_resumed(own_kafka: JavaKafka) -> None:
    admin = AdminClient({"bootstrap.servers": own_kafka.bootstrap_servers})
    assert admin.list_topics(timeout=30).brokers
    own_kafka.pause()
    with pytest.raises(KafkaException):
        admin.list_topics(timeout=1)
    own_kafka.resume()
    assert admin.list_topics(timeout=30).brokers


@pytest.mark.kafka
def test_no_topic_comes_to_be_by_asking_for_it_and_one_that_exists_is_refused(own_kafka: JavaKafka) -> None:
    own_kafka.create_topics({"orders": 2})
    asking = {"bootstrap.servers": own_kafka.bootstrap_servers, "allow.auto.create.topics": True}
    Producer(asking).list_topics("unasked", timeout=10)
    admin = AdminClient({"bootstrap.servers": own_kafka.bootstrap_servers})
    assert {name for name in admin.list_topics(timeout=10).topics if not name.startswith("_")} == {"orders"}
    with pytest.raises(BrokerError, match=r"orders.*already exists"):
        own_kafka.create_topics({"orders": 2})


@pytest.mark.kafka
def test_it_dies_with_the_process_that_started_it_even_by_kill_9(tmp_path: Path) -> None:
    if missing := JavaKafka.missing():
        give_up(f"it needs a real Kafka of its own to kill: install {missing}")
    script = "import sys, pathlib; from tests.support.kafka.java import JavaKafka\n"
    script += "with JavaKafka(pathlib.Path(sys.argv[1])) as kafka: print(kafka.bootstrap_servers, flush=True); input()"
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        address = owner.stdout.readline().strip()
        admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
        assert admin.list_topics(timeout=30).brokers
        owner.send_signal(signal.SIGKILL)
    with pytest.raises(KafkaException):
        ask_for(30, admin)


@pytest.mark.kafka
async def test_the_shared_kafka_gives_each_test_topics_of_its_own(real_kafka: RealKafka) -> None:
    first, second = real_kafka.fresh_topic(2), real_kafka.fresh_topic(1)
    where = {"bootstrap_servers": real_kafka.bootstrap_servers}
    async with (
        AIOKafkaProducer(**where, enable_idempotence=True) as producer,
        AIOKafkaConsumer(first, **where, group_id=first, auto_offset_reset="earliest") as consumer,
        asyncio.timeout(60),
    ):
        await producer.send_and_wait(second, b"elsewhere")
        await producer.send_and_wait(first, b"here", key=b"k", headers=[("ce_id", b"1")])
        record = await consumer.getone()
    assert (record.value, record.key, list(record.headers)) == (b"here", b"k", [("ce_id", b"1")])


def test_on_a_bare_machine_it_names_java_and_maven(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare_machine(monkeypatch, tmp_path)
    missing = JavaKafka.missing()
    assert missing is not None
    assert "Java 17 or newer" in missing
    assert "Maven" in missing
    with pytest.raises(BrokerError, match="Java 17 or newer"), JavaKafka():
        pass


def test_a_java_that_is_too_old_is_named_with_its_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare_machine(monkeypatch, tmp_path)
    program(tmp_path, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    program(tmp_path, "mvn", "true")
    assert f"Java 17 or newer, where {tmp_path}/java is Java 11" in str(JavaKafka.missing())
    program(tmp_path, "java", """echo 'java version "1.8.0_292"' >&2""")
    assert f"where {tmp_path}/java is Java 8" in str(JavaKafka.missing())
    program(tmp_path, "java", """echo 'openjdk version "21" 2023-09-19' >&2""")
    assert JavaKafka.missing() is None


def test_maven_is_not_missing_where_the_jars_were_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare_machine(monkeypatch, tmp_path)
    program(tmp_path, "java", """echo 'openjdk version "17.0.15" 2025-04-15' >&2""")
    assert "Maven" in str(JavaKafka.missing())
    (tmp_path / f"kafka-{KAFKA_VERSION}").mkdir()
    assert JavaKafka.missing() is None


def test_two_that_need_the_jars_at_once_fetch_them_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare_machine(monkeypatch, tmp_path)
    calls = tmp_path / "calls"
    program(tmp_path, "mvn", f"echo called >> {calls}; /bin/mkdir jars; echo > jars/kafka.jar")
    both_ready = Barrier(2)

    def fetch() -> Path:
        both_ready.wait(10)
        return kafka_jars()

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.submit(fetch), threads.submit(fetch)
        assert first.result(60) == second.result(60)
    assert (first.result() / "kafka.jar").exists()
    assert calls.read_text() == "called\n"


def test_a_failed_fetch_leaves_no_jars_and_reports_the_output_of_maven(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare_machine(monkeypatch, tmp_path)
    program(tmp_path, "mvn", "/bin/mkdir jars; echo the network is unreachable; exit 1")
    with pytest.raises(BrokerError, match="the network is unreachable"):
        kafka_jars()
    assert {path.name for path in tmp_path.iterdir()} == {"mvn", f"kafka-{KAFKA_VERSION}.lock"}


def test_without_kafka_a_test_is_skipped_or_fails_where_kafka_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGA_TEST_KAFKA_REQUIRED", raising=False)
    with pytest.raises(pytest.skip.Exception, match="Java is missing"):
        give_up("Java is missing")
    monkeypatch.setenv("SAGA_TEST_KAFKA_REQUIRED", "1")
    with pytest.raises(pytest.fail.Exception, match="Java is missing"):
        give_up("Java is missing")


def bare_machine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Have programs and jars only in `folder`."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("SAGA_TEST_KAFKA_CACHE", str(folder))


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def ask_for(seconds: float, admin: AdminClient) -> None:
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        admin.list_topics(timeout=1)


def produce(bootstrap_servers: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap_servers, "acks": "all", "enable.idempotence": True})
    for value in values:
        producer.produce(topic, value, key=value)
    assert producer.flush(30) == 0


def consume(bootstrap_servers: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": topic, "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    limit = time.monotonic() + 60
    values: list[bytes] = []
    while len(values) < count and time.monotonic() < limit:
        values += [message.value() or b"" for message in consumer.consume(count, 0.5) if not message.error()]
    consumer.close()
    return values
