"""Failpoints: nothing without the variable; what it says is checked; a place is reached as often as it is asked for."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.failpoints import BESIDE_ORDERS, SHORT_FORM, STATEMENTS, VARIABLE
from tests.support.kafka.faulty_broker import FaultyBroker
from tests.support.project_tree import ROOT, SOURCES

COUNT_TO = """
import asyncio, sys, aiosqlite
from tests.support.failpoints import install
print(install(), aiosqlite.Connection.execute.__module__)
async def main():
    async with aiosqlite.connect(sys.argv[1], isolation_level=None) as it:
        for number in range(5):
            await it.execute("BEGIN IMMEDIATE")
            await it.execute("COMMIT")
            print(number, flush=True)
asyncio.run(main())
"""


RELAY_TO = """
import asyncio, sys, tests.support.failpoints as failpoints
from pathlib import Path
from saga_coordinator.handlers.records import Changes, OutboxMessage
from saga_coordinator.service.kafka.publisher import KafkaPublisher
from saga_coordinator.service.settings import KafkaSettings
from tests.unit.handlers._support.coordinator import open_coordinator, relaying
failpoints.install()
async def main():
    publisher = KafkaPublisher(KafkaSettings(bootstrap_servers=sys.argv[2]), [])
    async with open_coordinator(Path(sys.argv[1]), publisher=publisher) as it, relaying(it.relay):
        for number in range(3):
            rows = [OutboxMessage(f"{number}-{at}", 0, "t", at, b"k", (), b"v") for at in (0, 1)]
            it.relay.push(await it.store.transact(lambda tx: tx.save(Changes(outbox=rows))))
            await it.relay.wait_until_drained()
            print(number, flush=True)
asyncio.run(main())
"""

COUNT_BATCHES = """
import asyncio, sys
from pathlib import Path
from tests.support.failpoints import install
from tests.conformance._support.stores import begun, known, starts
from saga_coordinator.handlers.records import DecidedBatch, LeaseMove
from saga_coordinator.service.storage.sqlite.store import SqliteStore
print(install())
async def main():
    store = SqliteStore(Path(sys.argv[1]), known)
    await store.open()
    try:
        await store.acquire("t", 0, "me")
        for number in range(5):
            move = LeaseMove("t", 0, 1, number or None, number + 1)
            await store.commit(DecidedBatch([move], starts(begun(str(number))), {"address"}))
            print(number, flush=True)
    finally:
        await store.close()
asyncio.run(main())
"""


def counted(folder: Path, points: str, program: str = COUNT_TO) -> subprocess.CompletedProcess[str]:
    """Five transactions, each printing its number after the commit."""
    command = [sys.executable, "-c", program, str(folder / "a.db")]
    environment = {VARIABLE: points, "PYTHONPATH": SOURCES}
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)


def test_without_the_variable_the_libraries_are_as_they_were(tmp_path: Path) -> None:
    ran = counted(tmp_path, "")
    assert ran.stdout.splitlines()[0] == "() aiosqlite.core"
    assert ran.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(("point", "last"), [("commit.before=kill@3", "1"), ("begin.after=kill", "")])
def test_the_process_dies_at_the_place_the_time_that_is_asked_for(tmp_path: Path, point: str, last: str) -> None:
    ran = counted(tmp_path, point)
    assert ran.returncode == -signal.SIGKILL
    assert ran.stdout.splitlines()[1:][-1:] == ([last] if last else [])


@pytest.mark.slow
@pytest.mark.parametrize("place", [*SHORT_FORM, "instance-insert"])
def test_each_place_of_the_short_form_is_reached_once_a_batch(tmp_path: Path, place: str) -> None:
    for side in ("before", "after"):
        folder = tmp_path / side
        folder.mkdir()
        ran = counted(folder, f"{place}.{side}=kill@3", COUNT_BATCHES)
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        assert ran.stdout.splitlines()[1:] == ["0", "1"]


@pytest.mark.slow
def test_a_failure_is_raised_where_it_is_asked_for(tmp_path: Path) -> None:
    ran = counted(tmp_path, "commit.after=fail@2")
    assert "on purpose, at commit.after" in ran.stderr
    assert ran.stdout.splitlines()[1:] == ["0"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("point", "last"),
    [
        ("send.before=kill@5", ["0", "1"]),
        ("send.after=kill@4", ["0"]),
        ("ack.before=kill@3", ["0"]),
        ("ack.after=kill@6", ["0", "1"]),
    ],
)
def test_a_batch_of_a_lane_is_a_place_when_it_is_sent_and_when_it_is_acknowledged(
    tmp_path: Path, point: str, last: list[str]
) -> None:
    environment = {VARIABLE: point, "PYTHONPATH": f"{SOURCES}:{ROOT}"}
    with FaultyBroker({"t": 2}) as broker:
        command = [sys.executable, "-c", RELAY_TO, str(tmp_path / "a.db"), broker.bootstrap_servers]
        ran = subprocess.run(
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert ran.stdout.split() == last


@pytest.mark.parametrize(
    "points", ["commit=kill", "nowhere.before=kill", "commit.before=explode", "commit.before=kill@0"]
)
def test_what_cannot_be_understood_is_refused(tmp_path: Path, points: str) -> None:
    ran = counted(tmp_path, points)
    assert ran.returncode == 1
    assert VARIABLE in ran.stderr
    assert "places are" in ran.stderr


def test_every_statement_of_the_store_that_writes_is_a_place() -> None:
    """A table that a migration adds, and that no place names, would never be killed at."""
    files = (ROOT / "service/storage/sqlite").glob("*.py")
    sources = " ".join(file.read_text(encoding="utf-8") for file in files)
    found = set(re.findall(r"((?:INSERT INTO|UPDATE|DELETE FROM) [a-z_]+)", sources))
    named = {statement for statement in found if any(re.search(place, statement) for place in STATEMENTS.values())}
    alone = {"UPDATE identity", "INSERT INTO position_audit"}  # beside the leases, in the same trip to the thread
    alone |= {"INSERT INTO doubt", "DELETE FROM doubt"}  # of a recovery, which is repeated after a kill
    assert found - named == {"UPDATE lease", *alone}, "that one begins with WITH move"
    assert len(found) > 15
    assert set(BESIDE_ORDERS) <= STATEMENTS.keys()
