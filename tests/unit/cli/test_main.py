"""The command line itself: help, version, exit codes, colours, completion, a quick start, a reader that has gone."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from saga_coordinator.service.cli.main import VERBS
from tests.unit.cli._support.said import Saga
from tests.unit.cli._support.stories import placed, run_stories

SAGA = Path(sys.executable).with_name("saga")
MAIN = "saga_coordinator.service.cli.main"
HEAVY = ("pydantic", "aiokafka", "rich", "asyncio", "sqlite3", "opentelemetry", "confluent_kafka", "fastapi")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_every_verb(saga: Saga, option: str) -> None:
    shown = saga.does(option).out

    assert all(f"\n  {verb} " in shown for verb in VERBS)
    assert "..." not in shown.split("Commands:")[1]


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_begins_as_in_the_list(saga: Saga, verb: str) -> None:
    usage, first, *_ = saga.does(verb, "-h").out.split("\n\n")

    assert usage.startswith("Usage: root " + verb)
    assert " ".join(first.split()) == VERBS[verb]


@pytest.mark.parametrize(
    "name", ["topics plan", "topics apply", "contracts export", "demo participants", "demo orders"]
)
def test_every_verb_of_a_group_has_help(saga: Saga, name: str) -> None:
    assert f"Usage: root {name} " in saga.does(*name.split(), "-h").out


@pytest.mark.parametrize("arguments", [[], ["topics"], ["nothing"], ["ls", "--nothing"], ["show"]])
def test_a_wrong_command_line_ends_with_2(saga: Saga, arguments: list[str]) -> None:
    assert saga(*arguments).code == 2


@pytest.mark.parametrize("arguments", [["--version"], ["version"]])
def test_the_version_is_that_of_the_package(saga: Saga, arguments: list[str]) -> None:
    assert saga.does(*arguments).out == f"saga-coordinator {version('saga-coordinator')}\n"


@pytest.mark.parametrize(
    "arguments",
    [["demo", "--orders", "0"], ["demo", "orders", "--rate", "0"], ["demo", "participants", "--behaviour", "[]"],
     ["demo", "orders", "--properties", "7"]],
)  # fmt: skip
def test_wrong_options_of_demo_end_with_2(saga: Saga, arguments: list[str]) -> None:
    assert saga(*arguments).code == 2


@pytest.mark.parametrize("verb", [("demo",), ("demo", "participants"), ("demo", "orders")])
def test_without_the_extra_the_demo_says_what_to_install(verb: tuple[str, ...]) -> None:
    without = f"import sys; sys.modules['confluent_kafka'] = None; from {MAIN} import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", without, *verb], capture_output=True, text=True, check=False, timeout=30
    )

    assert ended.returncode == 1
    assert "saga-coordinator[demo]" in ended.stderr
    assert "make setup" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("module", "unused"),
    [(MAIN, HEAVY), ("saga_coordinator.service.cli.serve", ("asyncpg", "confluent_kafka", "google.protobuf"))],
    ids=["help", "serve, with a file and no collector"],
)
def test_nothing_heavy_is_imported_that_is_not_used(module: str, unused: tuple[str, ...]) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys, {module}\nprint([m for m in {unused} if m in sys.modules])"],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip

    assert shown.stdout == "[]\n"


def test_colours_are_for_terminals_only_and_never_with_no_color(
    saga: Saga, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_stories(store, placed("o-1"))
    assert "\x1b[" not in saga.does("ls").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[36m" in saga.does("ls").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in saga.does("ls").out


def test_a_reader_that_goes_away_is_no_error(store: Path) -> None:
    run_stories(store, *(placed(f"o-{number}") for number in range(50)))
    with subprocess.Popen(
        [SAGA, "ls", "--limit", "50", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()

    assert b"Traceback" not in complaint


def test_completion_is_offered() -> None:
    shown = subprocess.run(
        [SAGA], env=os.environ | {"_SAGA_COMPLETE": "complete_bash", "COMP_WORDS": "saga to", "COMP_CWORD": "1"},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip

    assert shown.stdout.split() == ["topics"]


@pytest.mark.parametrize("arguments", [["lint"], ["graph"], ["ls"], ["why", "o-1"], ["contracts", "check"]])
def test_without_a_catalog_it_says_that_the_sagas_are_those_of_the_demo(
    saga: Saga, store: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    run_stories(store, placed("o-1"))
    assert "demo" not in saga(*arguments).err

    monkeypatch.delenv("SAGA_CATALOG")

    assert "SAGA_CATALOG is not set: these are the sagas of the demo" in saga(*arguments).err.splitlines()


@pytest.mark.parametrize(("word", "verb"), [("list", "lint"), ("expain", "explain"), ("topic", "topics")])
def test_a_misspelt_verb_is_answered_with_the_nearest(saga: Saga, word: str, verb: str) -> None:
    said = saga(word)

    assert said.code == 2
    assert f"No such command '{word}'. Did you mean '{verb}'" in said.err


@pytest.mark.parametrize("arguments", [["show", b"M\xfcller"], ["pause", "o-1", "--reason", b"f\xfcr"]])
def test_an_argument_in_another_encoding_is_a_wrong_command_line(arguments: list[str | bytes]) -> None:
    ran = subprocess.run([SAGA, *arguments], check=False, capture_output=True, text=True, timeout=60)

    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("saga: the argument '")
    assert "\\udcfc" in ran.stderr
    assert "is not text in utf-8" in ran.stderr


def test_what_an_encoding_does_not_have_is_replaced(saga: Saga, store: Path) -> None:
    run_stories(store, placed("o-Łódź"))
    assert "o-Łódź" in saga.does("ls").out

    latin = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    ran = subprocess.run([SAGA, "ls"], check=False, capture_output=True, timeout=60, env=latin)

    assert ran.returncode == 0, ran.stderr
    assert "o-?ód?" in ran.stdout.decode("latin-1")


def test_a_setting_in_another_encoding_is_refused_by_its_name() -> None:
    other = {**os.environb, b"SAGA_CATALOG": b"f\xfcr"}
    ran = subprocess.run([SAGA, "ls"], check=False, capture_output=True, timeout=60, env=other)

    assert ran.returncode == 2
    assert b"SAGA_CATALOG=" in ran.stderr
    assert b"Traceback" not in ran.stderr
