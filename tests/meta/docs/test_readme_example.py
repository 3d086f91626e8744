"""The saga, the test and the participant of the README work."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer

from saga_coordinator.handlers.routing import AnySaga, Routes
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.acceptance._support.processes import Program, Serve
from tests.acceptance._support.until import until
from tests.meta.docs._support.pages import README, files_of
from tests.meta.docs._support.programs import saga, under_mypy, under_pytest

HIRED = {"employee_id": "e-7", "name": "Ada"}
OUTCOMES = "saga.employee-onboarding.outcomes.v1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the files of the README."""
    place = tmp_path_factory.mktemp("readme")
    for name, text in files_of(README).items():
        (place / name).write_text(text, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def sagas(folder: Path) -> Iterator[tuple[AnySaga, ...]]:
    """Import the catalog of the README."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))
        yield import_module("onboarding").catalog
    sys.modules.pop("onboarding")


def test_the_readme_has_a_saga_a_test_and_a_participant(folder: Path) -> None:
    assert {each.name for each in folder.glob("*.py")} == {"onboarding.py", "test_onboarding.py", "participant.py"}


@pytest.mark.slow
def test_the_test_of_the_saga_passes(folder: Path) -> None:
    ran = under_pytest(folder, "test_onboarding.py")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


@pytest.mark.slow
def test_the_type_checker_accepts_the_saga_and_its_test(folder: Path) -> None:
    ran = under_mypy(folder, "onboarding.py", "test_onboarding.py")
    assert ran.returncode == 0, ran.stdout


@pytest.mark.slow
def test_a_saga_is_found_in_the_working_directory(folder: Path) -> None:
    ran = saga(folder, "lint", "onboarding:catalog")
    assert (ran.returncode, ran.stdout) == (0, "ok: employee-onboarding v1, 3 steps\n")


@pytest.mark.slow
def test_the_saga_runs_with_the_participant_from_its_event_to_its_outcome(
    folder: Path, tmp_path: Path, sagas: tuple[AnySaga, ...]
) -> None:
    routes = Routes(sagas)
    with EmbeddedBroker(dict.fromkeys(routes.topics_in | routes.topics_out, 2)) as broker:
        servers = broker.bootstrap_servers
        office = Program((sys.executable, str(folder / "participant.py"), servers), tmp_path / "office.log", {})
        catalog = {"SAGA_CATALOG": "onboarding:catalog", "PYTHONPATH": str(folder)}
        with office, Serve(tmp_path, servers, **catalog) as service:
            office.start()
            service.start()
            publish(servers, "hr.events.v1", HIRED, ce_type="hr.employee-hired.v1", ce_id="hired-1")
            assert outcome(servers) == ("hr.employee-onboarded.v1", {"employee_id": "e-7", "login": "ada"})
            assert service.stop() == 0, service.log
        assert [line.split()[1] for line in office.log.splitlines() if line.startswith("doing")] == [
            "accounts.create-account.v1",
            "hr.sign-contract.v1",
            "equipment.send-laptop.v1",
        ]


@pytest.mark.slow
def test_the_participant_repeats_its_reply_to_a_copy_and_refuses_a_command_after_its_compensation(
    folder: Path, tmp_path: Path
) -> None:
    topics = ("accounts.commands.v1", "hr.commands.v1", "equipment.commands.v1", "saga.replies.v1")
    shared = {"ce_correlationid": "i-1", "ce_replyto": "saga.replies.v1", "traceparent": "00-1-2-01"}
    with EmbeddedBroker(dict.fromkeys(topics, 1)) as broker:
        servers = broker.bootstrap_servers
        with Program((sys.executable, str(folder / "participant.py"), servers), tmp_path / "office.log", {}) as office:
            office.start()
            create, undo = {"ce_type": "accounts.create-account.v1"}, {"ce_type": "accounts.delete-account.v1"}
            for command in (
                {**create, "ce_id": "c-1"},
                {**create, "ce_id": "c-1"},
                {**undo, "ce_id": "u-2", "ce_compensates": "c-2"},
                {**create, "ce_id": "c-2"},
            ):
                publish(servers, "accounts.commands.v1", {"name": "Ada"}, **shared, **command)
            first, copy, undone, late = read(servers, "saga.replies.v1", 4)
        assert first == copy
        assert (undone[0]["ce_type"], late[0]["ce_type"]) == ("saga.done.v1", "saga.failure.v1")
        for (headers, _), command_id in zip((first, undone, late), ("c-1", "u-2", "c-2"), strict=True):
            assert headers["ce_causationid"] == command_id
            assert {name: headers[name] for name in ("ce_correlationid", "traceparent")} == {
                "ce_correlationid": "i-1",
                "traceparent": "00-1-2-01",
            }
        assert office.log.count("doing") == 2


# --- support for the tests above


def publish(servers: str, topic: str, value: Mapping[str, object], **headers: str) -> None:
    """Publish a message as the README describes."""
    producer = Producer({"bootstrap.servers": servers, "acks": "all"})
    all_headers = {"ce_specversion": "1.0", "ce_source": "/hr", "content-type": "application/json", **headers}
    producer.produce(topic, json.dumps(value), b"e-7", headers=list(all_headers.items()), partition=0)
    assert producer.flush(10) == 0


def outcome(servers: str) -> tuple[str, dict[str, Any]]:
    """Return the first outcome of the saga."""
    [(headers, value)] = read(servers, OUTCOMES, 1)
    return headers["ce_type"], value


def read(servers: str, topic: str, count: int) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Return headers and value of the first messages of a topic."""
    options = {"bootstrap.servers": servers, "group.id": "reader", "auto.offset.reset": "earliest"}
    found: list[tuple[dict[str, str], dict[str, Any]]] = []
    with closing(Consumer({**options, "enable.auto.commit": False, "fetch.wait.max.ms": 20})) as consumer:
        consumer.subscribe([topic])

        def enough() -> bool:
            record = consumer.poll(0.2)
            if record is not None and record.error() is None:
                headers = {name: text(raw) for name, raw in dict(record.headers() or ()).items()}
                found.append((headers, json.loads(record.value() or b"{}")))
            return len(found) >= count

        until(enough, f"{count} messages on {topic}")
    return found


def text(raw: str | bytes | None) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw or ""
