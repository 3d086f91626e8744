"""`saga serve` ends when a sync has failed, says why, and goes on after its next start (I32)."""

from pathlib import Path

import pytest
from confluent_kafka import Producer

from saga_coordinator.handlers.records import Record
from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.resilience.power._support.accounts import rows
from tests.resilience.power._support.sqlite_vfs import library
from tests.support.project_tree import SOURCES
from tests.unit.cli._support.stories import topics_of_orders
from tests.unit.cli.test_serve import LIMIT, Served, failure, serving
from tests.unit.handlers._support.order_log import Log

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        library() is None, reason="the SQLite of this Python is built in, and lets nobody put a layer beneath it"
    ),
]

DATABASE, DISK_FAILS = "saga.db", "disk-fails"
CATALOG = f"""
from pathlib import Path
from saga_coordinator.sagas.catalog import catalog
from tests.resilience.power._support.recording_disk import recording

disk = recording(Path(), lambda event: None, lambda name: Path("{DISK_FAILS}").exists())
disk.__enter__()
"""
ON_FAILING_DISK = {"SAGA_CATALOG": "failing:catalog", "PYTHONPATH": SOURCES}


def test_a_failed_sync_ends_it_with_the_reason_and_the_next_start_loses_nothing_i32(tmp_path: Path) -> None:
    log = Log()
    (tmp_path / "failing.py").write_text(CATALOG)
    with EmbeddedBroker(topics_of_orders(1)) as broker:
        with serving(tmp_path, broker.bootstrap_servers, **ON_FAILING_DISK) as served:
            produce(broker, log.placed("o-1"))
            served.wait_until(lambda: started(tmp_path, served) == ["o-1"], "an order is taken in")
            (tmp_path / DISK_FAILS).touch()
            produce(broker, log.placed("o-2"))
            code = served.process.wait(LIMIT)
        message = failure(served.log)
        assert (code, "Traceback" in served.log.read_text()) == (1, False)
        assert f"{DATABASE}: disk I/O error; what was written did not reach the disk" in message

        (tmp_path / DISK_FAILS).unlink()
        with serving(tmp_path, broker.bootstrap_servers, **ON_FAILING_DISK) as served:
            served.wait_until(lambda: started(tmp_path, served) == ["o-1", "o-2"], "both orders are taken in")


def started(folder: Path, served: Served) -> list[str]:
    """The orders whose instances there are, once it is ready."""
    if served.readiness() != 200:
        return []
    return [key for (key,) in rows(folder / DATABASE, "SELECT correlation FROM instance ORDER BY number")]


def produce(broker: EmbeddedBroker, record: Record) -> None:
    """Append a record to its topic."""
    producer = Producer({"bootstrap.servers": broker.bootstrap_servers})
    producer.produce(record.place.topic, record.value, record.key, partition=0, headers=list(record.headers))
    assert producer.flush(10) == 0
