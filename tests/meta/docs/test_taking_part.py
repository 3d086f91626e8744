"""The participant of the page runs as its reader starts it, and the type checker accepts it."""

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from saga_coordinator.service.kafka.embedded_broker import EmbeddedBroker
from tests.integration._support.conversation import TIMEOUT, replies_of, send
from tests.meta.docs._support.pages import files_of
from tests.meta.docs._support.programs import under_mypy
from tests.support.project_tree import ROOT, SOURCES
from tests.unit.participant._support.warehouse import REPLIES, TOPIC, release, reserve

PAGE = ROOT / "docs" / "taking-part.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in files_of(PAGE).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_type_checker_accepts_the_participant(folder: Path) -> None:
    ran = under_mypy(folder, "inventory.py")
    assert ran.returncode == 0, ran.stdout


@pytest.mark.slow
async def test_the_participant_reserves_and_releases(folder: Path) -> None:
    with EmbeddedBroker({TOPIC: 2, REPLIES: 2}) as broker:
        servers = broker.bootstrap_servers
        environment = {**os.environ, "PYTHONPATH": SOURCES, "KAFKA": servers}
        child = await asyncio.create_subprocess_exec(sys.executable, "inventory.py", cwd=folder, env=environment)
        try:
            async with replies_of(servers) as replies:
                await send(servers, reserve("c-1"), reserve("c-1"), reserve("c-2"), release("u-1", "c-1"))
                assert set(await replies(3)) == {"c-1", "c-2", "u-1"}
            child.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(child.wait(), TIMEOUT) == 0
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
    with closing(sqlite3.connect(folder / "inventory.db")) as database:
        assert database.execute("SELECT * FROM stock").fetchall() == [("chair", 8)]
