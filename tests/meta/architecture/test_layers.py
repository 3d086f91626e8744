"""The four layers import downwards only, and the two lower ones are pure."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project_tree import LAYERS, PURE_LAYERS, ROOT, modules, parsed, shown

DOWNWARDS = "Imports go down only"
PURE = "sagas and contracts are pure"
PORTS = "handlers know ports"
MACHINE = "The machine knows no saga"
SERVICE = "The service from the ground up"
CIRCLES = "No circles"
SQLITE = "SQLite is named in its own folder"
POSTGRES = "PostgreSQL is named in its own folder"
DRIVERS = "The drivers of SQLite"
ASYNCPG = "The driver of PostgreSQL"
KAFKA = "The client of Kafka"
VIEWS = "The command line and HTTP read views"
KIT = "A participant needs contracts"
CONTRACTS = (DOWNWARDS, PURE, PORTS, MACHINE, SERVICE, CIRCLES, SQLITE, POSTGRES, DRIVERS, ASYNCPG, KAFKA, VIEWS, KIT)
PACKAGES = (
    *(
        "sagas/machine",
        "sagas/catalog",
        "handlers/circle",
        "service/app",
        "service/cli",
        "service/demo",
        "service/http",
    ),
    *("service/kafka", "service/simulation", "service/storage", "service/storage/postgres", "service/storage/sqlite"),
    *("service/participant", "service/views"),
)
FILES = {
    "handlers/circle/two.py": "import saga_coordinator.handlers.circle.one\n",
    "service/app/database.py": (
        "import saga_coordinator.service.storage.postgres.store\nimport saga_coordinator.service.storage.sqlite.store\n"
    ),
    "service/kafka/client.py": "import aiokafka\n",
    "service/participant/kafka.py": "import aiokafka\n",
    "service/participant/sqlite.py": "import sqlite3\n",
    "service/storage/queries.py": "",
    "service/storage/postgres/store.py": "import asyncpg\n",
    "service/storage/sqlite/store.py": "import sqlite3\nimport aiosqlite\n",
}
"""What keeps the contracts, in each project that breaks one."""


def test_every_import_keeps_the_contracts_of_the_layers() -> None:
    code, report = lint_imports(ROOT)
    assert code == 0, f"Move the import, or put a port in handlers and its adapter in service:\n{report}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "source", "broken"),
    [
        ("contracts/upward.py", "import saga_coordinator.sagas", {DOWNWARDS}),
        ("sagas/upward.py", "import saga_coordinator.handlers", {DOWNWARDS}),
        ("handlers/upward.py", "import saga_coordinator.service", {DOWNWARDS}),
        ("sagas/machine/clock.py", "import time", {PURE}),
        ("sagas/machine/chance.py", "import random", {PURE}),
        ("sagas/traced.py", "import opentelemetry.trace", {PURE}),
        ("contracts/loop.py", "import asyncio", {PURE}),
        ("contracts/log.py", "import structlog", {PURE}),
        ("handlers/adapter.py", "import aiokafka", {PORTS, KAFKA}),
        ("handlers/query.py", "import sqlite3", {PORTS, DRIVERS}),
        ("sagas/machine/knowing.py", "import saga_coordinator.sagas.catalog", {MACHINE}),
        ("service/kafka/upward.py", "import saga_coordinator.service.http", {SERVICE}),
        ("service/storage/sideways.py", "import saga_coordinator.service.kafka", {SERVICE}),
        ("service/http/sideways.py", "import saga_coordinator.service.simulation", {SERVICE}),
        ("service/views/upward.py", "import saga_coordinator.service.cli", {SERVICE}),
        ("service/stray.py", "", {SERVICE}),
        ("handlers/circle/one.py", "import saga_coordinator.handlers.circle.two", {CIRCLES}),
        ("service/demo/database.py", "import saga_coordinator.service.storage.sqlite.store", {SQLITE}),
        ("service/app/doctor.py", "import saga_coordinator.service.storage.sqlite.store", {SQLITE}),
        ("service/app/doctor.py", "import saga_coordinator.service.storage.postgres.store", {POSTGRES}),
        ("service/app/store.py", "import aiosqlite", {DRIVERS}),
        ("service/storage/postgres/file.py", "import sqlite3", {DRIVERS}),
        ("service/storage/server.py", "import asyncpg", {ASYNCPG}),
        ("service/app/broker.py", "import aiokafka.errors", {KAFKA}),
        ("service/participant/knowing.py", "import saga_coordinator.sagas", {KIT}),
        ("service/participant/needing.py", "import httpx", {KIT}),
        ("service/participant/file.py", "import sqlite3", {DRIVERS}),
        ("service/participant/sideways.py", "import saga_coordinator.service.storage", {SERVICE}),
        ("service/cli/rows.py", "import saga_coordinator.service.storage.queries", {VIEWS}),
        ("service/http/rows.py", "import saga_coordinator.service.storage.queries", {VIEWS}),
    ],
)
def test_an_import_against_the_contracts_is_caught(tmp_path: Path, module: str, source: str, broken: set[str]) -> None:
    top = tmp_path / "saga_coordinator"
    for package in ("", *LAYERS, *PACKAGES):
        (top / package).mkdir()
        (top / package / "__init__.py").touch()
    for name, text in FILES.items():
        (top / name).write_text(text, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (top / module).write_text(source + "\n", encoding="utf-8")

    code, report = lint_imports(tmp_path)

    assert code == 1, report
    found = [line for line in report.splitlines() if line.endswith(" BROKEN")]
    assert {name for name in CONTRACTS if any(line.startswith(name) for line in found)} == broken, report
    assert len(found) == len(broken), report


def test_handlers_use_the_tracing_interface_but_not_its_implementation() -> None:
    offenders = [
        f"{shown(module)}:{line} imports {name}"
        for module in modules("handlers")
        for line, name in imported(parsed(module))
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))
    ]
    assert offenders == [], "Give the handler a port instead; service/telemetry holds the implementation."


def test_the_pure_layers_know_no_coroutine() -> None:
    coroutines = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
    offenders = [
        f"{shown(module)}:{node.lineno}"
        for module in modules(*PURE_LAYERS)
        for node in ast.walk(parsed(module))
        if isinstance(node, coroutines)
    ]
    assert offenders == [], "sagas and contracts only decide: await in handlers or service."


@pytest.mark.parametrize("source", ["datetime.datetime.now(datetime.UTC)", "uuid.uuid4()", "time.time()"])
@pytest.mark.parametrize(("layer", "allowed"), [("sagas", False), ("contracts", False), ("service", True)])
def test_clock_and_fresh_ids_are_banned_from_the_pure_layers_only(source: str, layer: str, *, allowed: bool) -> None:
    program = f"import {source.split('.', maxsplit=1)[0]}\n\n{source}\n"
    checked = subprocess.run(
        [tool("ruff"), "check", "--quiet", "--select=TID251", f"--stdin-filename={layer}/example.py", "-"],
        cwd=ROOT,
        input=program,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode == 0) is allowed, checked.stdout + checked.stderr


def lint_imports(project: Path) -> tuple[int, str]:
    """Exit code and report of import-linter on the project in this folder."""
    done = subprocess.run(
        [tool("lint-imports"), "--no-cache"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": f"{project / 'src'}:{project}", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def imported(tree: ast.Module) -> list[tuple[int, str]]:
    """Line and full name of everything that the module imports."""
    names: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return names


def tool(name: str) -> str:
    """The command of this name in the environment that runs the tests."""
    return str(Path(sys.executable).with_name(name))
