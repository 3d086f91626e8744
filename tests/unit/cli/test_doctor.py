"""`saga doctor`: every failure with its remedy, and nothing is touched by looking."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from saga_coordinator.service.storage.sqlite import examination
from tests.support.kafka.java import JavaKafka
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import placed, run_stories
from tests.unit.handlers._support.coordinator import open_coordinator

Checks = dict[str, dict[str, object]]


class Collector(BaseHTTPRequestHandler):
    """A tracing endpoint with scripted responses, which records what it received."""

    answer: ClassVar[int] = 200
    got: ClassVar[list[tuple[str, str | None, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((self.path, self.headers["authorization"], body))
        self.send_response(self.answer)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name that the library gives it
        """Keep quiet."""


@contextmanager
def collector(answer: int) -> Iterator[str]:
    """A collector on a port of its own, as the address for OTEL_EXPORTER_OTLP_ENDPOINT."""
    Collector.answer = answer
    Collector.got.clear()
    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def reached(broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> EmbeddedBroker:
    """A broker that the settings name."""
    monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap_servers)
    return broker


def looked(saga: Saga, code: int) -> Checks:
    """What the doctor found, by check; it ended as it should."""
    said = saga("doctor", "--json")
    assert said.code == code, said
    assert said.json["ok"] is (code == 0)
    found: Checks = {each["check"]: each for each in said.json["checks"]}
    assert all(each["ok"] or each["remedy"] for each in found.values())
    return found


@pytest.mark.usefixtures("reached")
def test_where_all_is_well_it_ends_with_0_and_names_every_topic(saga: Saga) -> None:
    found = looked(saga, 0)

    assert found["definitions"]["found"] == "order-fulfilment v1"
    assert found["codecs"]["found"] == "gzip, snappy, lz4 and zstd can be read"
    assert "Kafka" in str(found["broker"]["found"])
    assert found["topic saga.replies.v1"]["found"] == "4 partitions, replies in"
    assert sum(name.startswith("topic ") for name in found) == 10
    assert str(found["rights"]["found"]).startswith("this broker does not report them")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is not set" in str(found["tracing"]["found"])
    assert "✔" in saga.does("doctor").out


def test_a_missing_topic_is_reported_with_the_command_that_creates_it(
    saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedBroker({"orders.events.v1": 1}) as broker:
        monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", broker.bootstrap_servers)
        found = looked(saga, 1)

    assert found["topic orders.events.v1"]["ok"] is True
    assert found["topic saga.replies.v1"]["remedy"] == "create it: saga topics apply"


@pytest.mark.kafka
def test_what_should_be_changed_of_a_topic_is_a_failure_only_where_the_topic_is_its_own(
    saga: Saga, own_kafka: JavaKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", own_kafka.bootstrap_servers)
    own_kafka.create_topics({"orders.events.v1": 4, "shipping.commands.v1": 4})
    saga.does("topics", "apply")

    found = looked(saga, 0)

    for topic in ("orders.events.v1", "shipping.commands.v1"):
        assert str(found[f"topic {topic}"]["remedy"]).startswith("retention.ms is 7 days")
    assert "!  topic orders.events.v1" in saga.does("doctor").out
    assert (
        found["rights"]["found"]
        == "User:saga-coordinator has all that `saga topics acls` lists, as far as the broker reports them"
    )
    monkeypatch.setenv("SAGA_NAME", "shop")
    own_kafka.create_topics({"shop.replies.v1": 4})
    saga.does("topics", "apply")
    assert [name for name, each in looked(saga, 1).items() if not each["ok"]] == ["topic shop.replies.v1"]


def test_one_failure_hides_no_other(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SAGA_CATALOG", "no_such_module:catalog")
    monkeypatch.setenv("SAGA_KAFKA__REQUEST_TIMEOUT", "0.5")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")

    found = looked(saga, 1)

    assert {name for name, each in found.items() if not each["ok"]} == {"definitions", "broker", "tracing"}
    assert "SAGA_KAFKA__BOOTSTRAP_SERVERS" in str(found["broker"]["remedy"])
    assert "the service runs without it too" in str(found["tracing"]["remedy"])


@pytest.mark.usefixtures("reached")
def test_live_instances_without_a_definition_are_reported(
    saga: Saga, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, placed("o-1"))
    assert looked(saga, 0)["live instances"]["found"] == "1 of order-fulfilment v1"
    (tmp_path / "second_version.py").write_text(
        "from dataclasses import replace\n"
        "from saga_coordinator.sagas.catalog.order_fulfilment import order_fulfilment\n"
        "catalog = (replace(order_fulfilment, version=2),)\n"
    )
    monkeypatch.setenv("SAGA_CATALOG", "second_version:catalog")

    found = looked(saga, 1)["live instances"]

    assert found["found"] == "1 of order-fulfilment v1; without a definition: order-fulfilment v1"
    assert "add these versions to the catalog again" in str(found["remedy"])


@pytest.mark.usefixtures("reached")
def test_a_coordinator_that_runs_is_seen_and_not_disturbed(saga: Saga, store: Path) -> None:
    async def look_twice() -> list[object]:
        async with open_coordinator(store):
            running = await asyncio.to_thread(looked, saga, 0)
        ended = await asyncio.to_thread(looked, saga, 0)
        return [found["coordinator"]["found"] for found in (running, ended)]

    running, ended = asyncio.run(look_twice())

    assert running == f"one runs on this database: it holds {store}.lock"
    assert ended == "none runs on this database"


@pytest.mark.usefixtures("reached")
def test_a_file_that_is_no_database_fails_with_a_remedy(saga: Saga, store: Path) -> None:
    store.write_bytes(b"no database " * 100)

    assert "file is not a database" in str(looked(saga, 1)["schema"]["found"])


@pytest.mark.usefixtures("reached")
def test_looking_makes_no_database(saga: Saga, store: Path) -> None:
    looked(saga, 0)

    assert list(store.parent.glob("saga.db*")) == []


@pytest.mark.usefixtures("reached")
def test_the_tracing_endpoint_is_asked_as_the_exporter_asks_it(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20canary")
    with collector(200) as address:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        found = looked(saga, 0)["tracing"]

    assert found["found"] == f"{address}/v1/traces answers 200 OK"
    assert Collector.got == [("/v1/traces", "Bearer canary", b"")]


@pytest.mark.usefixtures("reached")
def test_the_tracing_endpoint_is_asked_through_a_proxy_only_on_another_machine(
    saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:1")
    with collector(200) as address:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        assert "answers 200 OK" in str(looked(saga, 0)["tracing"]["found"])
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.invalid:4318")
    assert "SOCKS" in str(looked(saga, 1)["tracing"]["found"])


@pytest.mark.usefixtures("reached")
def test_a_tracing_endpoint_that_refuses_is_reported_with_its_response(
    saga: Saga, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector(404) as address:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        found = looked(saga, 1)["tracing"]

    assert "answers 404 Not Found" in str(found["found"])


@pytest.mark.usefixtures("reached")
def test_an_unsupported_protocol_is_reported(saga: Saga, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector(200) as address:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")

        said = saga("doctor")

    assert said.code == 1
    assert "OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not supported" in said.out


@pytest.mark.usefixtures("reached")
def test_a_damaged_database_is_reported_with_its_file_and_the_remedy(saga: Saga, store: Path) -> None:
    run_stories(store, *(placed(f"o-{number}") for number in range(20)))
    assert looked(saga, 0)["content"]["found"] == "no damage found"
    with store.open("r+b") as damaged:
        damaged.seek(store.stat().st_size // 2)
        damaged.write(b"\xa5" * 20_000)

    found = looked(saga, 1)["content"]

    assert str(found["found"]).startswith(f"{store}: ")
    assert found["remedy"] == "`saga db check` says what is damaged, and `saga db restore FILE` brings a backup back"


def test_of_a_large_database_only_so_much_is_read_as_time_allows(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_stories(store, *(placed(f"o-{number}") for number in range(20)))
    monkeypatch.setattr(examination, "STEPS_BETWEEN_CHECKS", 1)

    found = examination.check_content(store, seconds=-1)

    assert (found.ok, "`saga db check` reads all of it" in found.detail) == (True, True)
