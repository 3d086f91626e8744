"""`saga serve` as a process: it starts, reports readiness, drains on a signal, and says why it cannot start."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer

from tests.support.kafka.faulty_broker import FaultyBroker
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import placed, run_stories, topics_of_orders

pytestmark = pytest.mark.slow

SAGA = Path(sys.executable).with_name("saga")
LIMIT = 30.0


class Served:
    """A running `saga serve`."""

    def __init__(self, process: "subprocess.Popen[str]", api: str, log: Path) -> None:
        self.process = process
        self.api = api
        self.log = log

    def readiness(self) -> int | None:
        """The status of /readyz, None while nobody listens."""
        try:
            return httpx.get(f"{self.api}/readyz", timeout=2).status_code
        except httpx.TransportError:
            return None

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Return when it holds; fail after half a minute, or when the process has ended."""
        end = time.monotonic() + LIMIT
        while not condition():
            assert self.process.poll() is None, f"it ended before: {what}\n{self.log.read_text()}"
            assert time.monotonic() < end, f"not within {LIMIT} s: {what}\n{self.log.read_text()}"
            time.sleep(0.02)

    def ends(self, *signals: signal.Signals) -> int:
        """Send signals, and return the exit code."""
        for each in signals:
            self.process.send_signal(each)
        return self.process.wait(LIMIT)


@contextmanager
def serving(folder: Path, bootstrap_servers: str, **settings: str) -> Iterator[Served]:
    port, log = free_port(), folder / "serve.log"
    named = {
        "SAGA_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
        "SAGA_API__BIND": f"127.0.0.1:{port}",
        "SAGA_KAFKA__SESSION_TIMEOUT": "2",
        "SAGA_KAFKA__START_FROM": "beginning",
    }
    with (
        log.open("w") as output,
        subprocess.Popen(
            [SAGA, "serve"], env=os.environ | named | settings, cwd=folder, stdout=output, stderr=output, text=True
        ) as process,
    ):
        try:
            yield Served(process, f"http://127.0.0.1:{port}", log)
        finally:
            process.kill()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def refused(folder: Path, bootstrap_servers: str, **settings: str) -> tuple[int, str]:
    """Exit code and last error of a service that does not start."""
    with serving(folder, bootstrap_servers, **settings) as served:
        code = served.process.wait(LIMIT)
    return code, failure(served.log)


def failure(log: Path) -> str:
    """The sentence of the last line, which is an error of the log."""
    line = json.loads(log.read_text().splitlines()[-1])
    assert line["level"] == "error"
    return str(line["event"])


@pytest.fixture
def fresh() -> Iterator[FaultyBroker]:
    """A broker without a memory of consumer groups."""
    with FaultyBroker(topics_of_orders(2)) as running:
        yield running


def test_it_becomes_ready_and_drains_on_sigterm_with_0(tmp_path: Path, fresh: FaultyBroker) -> None:
    with serving(tmp_path, fresh.bootstrap_servers) as served:
        served.wait_until(lambda: served.readiness() == 200, "it is ready")
        assert httpx.get(f"{served.api}/livez").status_code == 200

        assert served.ends(signal.SIGTERM) == 0
    assert '"event": "drained"' in served.log.read_text()
    assert "Traceback" not in served.log.read_text()


def test_what_a_crash_has_left_unsent_leaves_after_the_start(
    tmp_path: Path, store: Path, fresh: FaultyBroker, saga: Saga
) -> None:
    run_stories(store, placed("o-1"))
    append(fresh, "orders.events.v1")  # what the coordinator had read before the crash
    assert saga.does("ls", "--json").json["unpublished_messages"] == 2

    with serving(tmp_path, fresh.bootstrap_servers) as served:
        served.wait_until(lambda: served.readiness() == 200, "it is ready")
        served.wait_until(lambda: saga.does("ls", "--json").json["unpublished_messages"] == 0, "all is sent")
        assert served.ends(signal.SIGINT) == 0


def test_a_damaged_database_ends_it_with_1_and_names_file_and_remedy(
    tmp_path: Path, store: Path, fresh: FaultyBroker, saga: Saga
) -> None:
    run_stories(store, placed("o-1"))
    append(fresh, "orders.events.v1")  # what the coordinator had read before
    with serving(tmp_path, fresh.bootstrap_servers) as served:
        served.wait_until(lambda: served.readiness() == 200, "it is ready")
        served.wait_until(lambda: saga.does("ls", "--json").json["unpublished_messages"] == 0, "all is sent")
        served.wait_until(lambda: store.with_name("saga.db-wal").stat().st_size > 0, "it writes")
        with store.open("r+b") as damaged:
            damaged.seek(3 * 4096)
            damaged.write(b"\xa5" * (store.stat().st_size - 3 * 4096))
        code = served.process.wait(LIMIT)

    message = failure(served.log)
    assert (code, "Traceback" in served.log.read_text()) == (1, False)
    assert message.startswith(f"{store}: database disk image is malformed; the file is damaged")
    assert "`saga db restore FILE` brings a backup back" in message


def test_a_stopped_partition_is_an_error_and_a_metric(tmp_path: Path, fresh: FaultyBroker) -> None:
    append(fresh, "orders.events.v1")
    with serving(tmp_path, fresh.bootstrap_servers, SAGA_KAFKA__START_FROM="none") as served:
        served.wait_until(lambda: '"event": "partition stopped"' in served.log.read_text(), "it is logged")
        served.wait_until(
            lambda: "saga_partitions_stopped 1.0" in httpx.get(f"{served.api}/metrics").text, "it is measured"
        )
        assert 'saga_check_ok{check="kafka"} 0.0' in httpx.get(f"{served.api}/metrics").text

    [line] = [json.loads(each) for each in served.log.read_text().splitlines() if "orders.events.v1:0" in each]
    assert (line["event"], line["level"], line["partition"]) == ("partition stopped", "error", "orders.events.v1:0")
    assert "`saga positions set orders.events.v1 beginning --reason WHY`" in line["reason"]


def append(broker: FaultyBroker, topic: str) -> None:
    """Append a record to the first partition of a topic."""
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    producer.produce(topic, b"{}", partition=0)
    assert producer.flush(10) == 0


def test_a_second_signal_ends_it_at_once_with_1(tmp_path: Path, fresh: FaultyBroker) -> None:
    with serving(tmp_path, fresh.bootstrap_servers) as served:
        served.wait_until(lambda: served.readiness() == 200, "it is ready")

        assert served.ends(signal.SIGTERM, signal.SIGINT) == 1
    assert "a second signal: ending at once" in served.log.read_text()


def test_without_kafka_it_runs_reports_it_and_ends_with_0_i34(tmp_path: Path) -> None:
    with serving(tmp_path, "127.0.0.1:1") as served:
        served.wait_until(lambda: served.readiness() == 503, "the API is up")
        assert httpx.get(f"{served.api}/livez").status_code == 200
        reason = "no connection to Kafka"
        served.wait_until(lambda: reason in httpx.get(f"{served.api}/readyz").text, "readiness says why")

        assert served.ends(signal.SIGTERM) == 0


def test_it_connects_within_10_s_of_kafkas_recovery_i34(tmp_path: Path, fresh: FaultyBroker) -> None:
    fresh.set_down()
    with serving(tmp_path, fresh.bootstrap_servers) as served:
        served.wait_until(lambda: served.readiness() == 503, "the API is up")
        fresh.set_up()
        recovered = time.monotonic()
        served.wait_until(lambda: served.readiness() == 200, "it is ready")

        assert time.monotonic() - recovered < 10


def test_missing_topics_are_all_named_with_the_command_that_creates_them(tmp_path: Path) -> None:
    there = {"saga.replies.v1", "shipping.commands.v1"}
    with FaultyBroker(dict.fromkeys(there, 1)) as broker:
        code, message = refused(tmp_path, broker.bootstrap_servers)
        again, _ = refused(tmp_path, broker.bootstrap_servers)

    assert (code, again) == (1, 1), "a client has made the topics unasked"
    missing = ", ".join(sorted(topics_of_orders(1).keys() - there))
    assert message == f"topics are missing: {missing}; create them by `saga topics apply`"


def test_a_missing_topic_of_events_is_reported_too(tmp_path: Path) -> None:
    topics = topics_of_orders(1)
    topics.pop("orders.events.v1")
    with FaultyBroker(topics) as broker:
        code, message = refused(tmp_path, broker.bootstrap_servers)

    assert code == 1
    assert message.startswith("topics are missing: orders.events.v1;")


def test_a_database_that_another_coordinator_has_is_one_reason(tmp_path: Path, fresh: FaultyBroker) -> None:
    with serving(tmp_path, fresh.bootstrap_servers) as served:
        served.wait_until(lambda: served.readiness() is not None, "the API is up")
        (tmp_path / "second").mkdir()
        code, message = refused(tmp_path / "second", fresh.bootstrap_servers)

    assert code == 1
    assert message.startswith("another coordinator has")
    assert "SAGA_STORE" in message


def test_a_port_that_is_taken_is_one_reason(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, message = refused(tmp_path, "127.0.0.1:1", SAGA_API__BIND=address)

    assert code == 1
    assert f"SAGA_API__BIND={address}" in message


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ({"SAGA_CATALOG": "no_such_module:catalog"}, 1,
         "SAGA_CATALOG=no_such_module:catalog: there is no module no_such_module"),
        ({"SAGA_STORE": "sqlite:////proc/saga.db"}, 1, ""),
        ({"SAGA_KAFKA__BATCH": "0"}, 2, "SAGA_KAFKA__BATCH=0: must be greater than or equal to 1"),
        ({"OTEL_BSP_MAX_QUEUE_SIZE": "x", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, 2,
         "OTEL_BSP_MAX_QUEUE_SIZE='x' is not a positive whole number"),
    ],
)  # fmt: skip
def test_what_keeps_it_from_starting_is_one_line_and_its_exit_code(
    tmp_path: Path, settings: dict[str, str], code: int, message: str
) -> None:
    ended, line = refused(tmp_path, "127.0.0.1:1", **settings)

    assert (ended, line[: len(message)]) == (code, message)
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


def test_a_live_instance_without_its_definition_keeps_it_from_starting_i30(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, placed("o-1"), placed("o-2"))
    (tmp_path / "third_version.py").write_text(
        "from dataclasses import replace\n"
        "from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment\n"
        "catalog = (replace(order_fulfilment, version=3),)\n"
    )
    monkeypatch.setenv("SAGA_CATALOG", "third_version:catalog")

    code, message = refused(tmp_path, "127.0.0.1:1")

    assert code == 1
    assert message.startswith(
        "saga order-fulfilment version 1 has 2 live instances ('o-1', 'o-2') but is not in the catalog: add it"
    )


@pytest.mark.parametrize("settings", [{"SAGA_KAFKA__BATCH": "0"}, {"SAGA_CATALOG": "no_such_module:catalog"}])
def test_on_a_console_the_reason_is_a_sentence(tmp_path: Path, settings: dict[str, str]) -> None:
    with serving(tmp_path, "127.0.0.1:1", SAGA_LOG__FORMAT="console", **settings) as served:
        served.process.wait(LIMIT)

    (line,) = served.log.read_text().splitlines()
    assert line.startswith(f"saga: {next(iter(settings))}")
