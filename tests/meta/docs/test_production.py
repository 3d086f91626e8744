"""The project of docs/production.md works as the page says, with the wheel installed, from its first file on."""

import os
import re
import sqlite3
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from tests.acceptance._support.processes import free_port
from tests.meta.docs._support.pages import Block, blocks
from tests.meta.docs._support.programs import under_mypy
from tests.meta.docs._support.terminal import Command, Terminal, commands
from tests.support.kafka.java import JavaKafka
from tests.support.project_tree import ROOT

PAGE = ROOT / "docs" / "production.md"
DOCKERFILE = ROOT / "docs" / "examples" / "Dockerfile"
DEPLOYMENT = "$ export SAGA_STORE="
"""The command with which the reader leaves the embedded broker behind."""

FILE = re.compile(r"# ([\w/]+\.\w+)(, at its end)?\n")
TOOLS = ("kcat", "kafka-console-producer.sh")
TOOL = Path(__file__).parent / "_support" / "kafka_tools.py"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # some thirty commands, each a process


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """An empty folder for the project."""
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def variables(python: Path, tmp_path: Path) -> dict[str, str]:
    """The PATH of the environment with the wheel, Kafka's tools on it, and a port of its own."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in TOOLS:
        (tools / name).write_text(f'#!/bin/sh\nexec {sys.executable} {TOOL} {name} "$@"\n', encoding="utf-8")
        (tools / name).chmod(0o755)
    path = os.pathsep.join((str(python.parent), str(tools), os.environ["PATH"]))
    return {"PATH": path, "PYTHONUNBUFFERED": "1", "SAGA_API__BIND": f"127.0.0.1:{free_port()}"}


def test_the_project_works_on_the_embedded_broker(project: Path, variables: dict[str, str]) -> None:
    with Terminal(project, variables) as terminal:
        for block in before_the_deployment():
            follow(block, terminal)
        for program in tuple(terminal.running):
            if program.startswith("saga"):
                terminal.stop(program)


@pytest.mark.kafka
def test_the_project_is_deployed_and_gets_a_second_version(
    project: Path, variables: dict[str, str], own_kafka: JavaKafka
) -> None:
    replaced = {"broker:9092": own_kafka.bootstrap_servers, "/var/lib/saga/": f"{project}/"}
    with Terminal(project, variables, replaced) as terminal:
        for block in before_the_deployment():
            write(block, project)
        terminal.type(Command("SAGA_CATALOG=subscriptions:catalog saga contracts export", ""))
        for block in deployment():
            follow(block, terminal)


def test_the_participant_repeats_its_reply_and_refuses_a_command_after_its_compensation(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in before_the_deployment():
        write(block, project)
    monkeypatch.syspath_prepend(str(project))
    participant = import_module("participant")
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(participant.TABLES)
        value = b'{"subscription_id": "s-1", "plan": "team"}'

        def reply(kind: str, **headers: str) -> tuple[str, dict[str, object]]:
            answer: tuple[str, dict[str, object]] = participant.handle(db, {"ce_type": kind, **headers}, value)
            return answer

        first, copy = (reply("licences.reserve-seat.v1", ce_id="c-1") for _ in range(2))
        undone = reply("licences.release-seat.v1", ce_id="u-2", ce_compensates="c-2")
        late = reply("licences.reserve-seat.v1", ce_id="c-2")
        seats = db.execute("SELECT count(*) FROM seat").fetchone()

    assert first == copy == ("licences.seat-reserved.v1", {"seat": "1"})
    assert (undone[0], late[0], late[1]["code"]) == ("saga.done.v1", "saga.failure.v1", "undone")
    assert seats == (0,), "the compensation released the seat of c-1, and the late command reserved none"


def test_the_type_checker_accepts_the_saga_its_tests_and_its_participant(project: Path) -> None:
    for block in blocks(PAGE):
        write(block, project)
    ran = under_mypy(project, "subscriptions", "tests/test_subscription.py", "participant.py", "order.py")
    assert ran.returncode == 0, ran.stdout


def test_the_project_depends_on_the_wheel_of_this_tree(project: Path, dist: Path) -> None:
    for block in before_the_deployment():
        write(block, project)
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    groups = tomllib.loads(text)["dependency-groups"]
    [ours] = [each for each in map(Requirement, groups["dev"]) if each.name == "saga-coordinator"]
    [wheel] = dist.glob("*.whl")
    name, version, *_ = parse_wheel_filename(wheel.name)
    assert (ours.name, ours.extras) == (name, {"demo"})
    assert version in ours.specifier


def test_the_image_contains_the_catalog_of_the_page(project: Path) -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    [shown] = [block.text for block in blocks(PAGE) if block.language == "dockerfile"]
    assert shown == text
    for block in blocks(PAGE):
        write(block, project)
    instructions = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    base, copied = (next(each for each in instructions if each[0] == name) for name in ("FROM", "COPY"))
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert base[1] == f"saga-coordinator:{version}", "the image that the first command on the page builds"
    assert (project / copied[1]).is_dir()
    assert f"{copied[1]} {copied[2]}" == "subscriptions/ subscriptions/"
    assert ["ENV", "SAGA_CATALOG=subscriptions:catalog"] in instructions
    assert 'RUN ["saga", "lint"]' in text
    assert [each for each in instructions if each[0] in {"USER", "ENTRYPOINT", "CMD"}] == [], "the base image says it"


# --- support for the tests above


def before_the_deployment() -> Iterator[Block]:
    for block in blocks(PAGE):
        if DEPLOYMENT in block.text and block.language == "console":
            return
        yield block


def deployment() -> list[Block]:
    return blocks(PAGE)[len(list(before_the_deployment())) :]


def follow(block: Block, terminal: Terminal) -> None:
    """Do what a block of the page says."""
    write(block, terminal.folder)
    if block.language == "console":
        for command in commands(block.text):
            terminal.type(command)


def write(block: Block, folder: Path) -> None:
    """Write the file that a block is, or add the block to its end."""
    if named := FILE.match(block.text):
        path = folder / named[1]
        path.parent.mkdir(exist_ok=True)
        with path.open("a" if named[2] else "w", encoding="utf-8") as file:
            file.write(block.text)
