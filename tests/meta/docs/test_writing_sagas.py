"""The language guide is one program whose tests pass, and it lists every message of the linter."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from saga_coordinator.sagas.language.nodes import (
    Alternatives,
    Branch,
    Delay,
    ForEach,
    Parallel,
    Receive,
    Series,
    Step,
    walk,
)
from tests.meta.docs._support.pages import program
from tests.meta.docs._support.programs import saga, under_mypy, under_pytest
from tests.support.project_tree import ROOT

PAGE = ROOT / "docs" / "writing-sagas.md"
PROGRAM = program(PAGE)
TESTS = [
    each for each in ast.parse(PROGRAM).body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
]
SCENARIOS = [each.name for each in TESTS if not each.args.args]
"""The tests without fixtures."""

LINTER = sorted((ROOT / "sagas" / "language" / "lint").glob("*.py"))
A_PLACE = re.compile(r"(\w+ )?…: (\w+|…)( \w+)?|…: … is answered with")
"""The beginning of a message, which only names the place."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the program of the page."""
    place = tmp_path_factory.mktemp("writing")
    (place / "writing_sagas.py").write_text(PROGRAM, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def guide(folder: Path) -> Iterator[ModuleType]:
    """Import the program of the page."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))
        yield import_module("writing_sagas")
    sys.modules.pop("writing_sagas")


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_of_the_page_passes(guide: ModuleType, name: str) -> None:
    scenario: Callable[[], None] = getattr(guide, name)
    scenario()


def test_every_chapter_of_the_page_has_a_scenario() -> None:
    *chapters, last = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    assert last.startswith("15. Test every fault")
    assert [each.splitlines()[0] for each in chapters if "def test_" not in each] == []


def test_the_saga_of_the_page_has_every_node_of_the_language(guide: ModuleType) -> None:
    nodes = {type(node) for node in walk(guide.environment.steps)}
    assert nodes == {Step, ForEach, Receive, Delay, Series, Parallel, Branch, Alternatives}


@pytest.mark.slow
def test_the_page_runs_under_pytest(folder: Path) -> None:
    ran = under_pytest(folder, "writing_sagas.py")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{PROGRAM.count('def test_')} passed" in ran.stdout


@pytest.mark.slow
def test_the_type_checker_accepts_the_page(folder: Path) -> None:
    ran = under_mypy(folder, "writing_sagas.py")
    assert ran.returncode == 0, ran.stdout


@pytest.mark.slow
def test_the_catalog_of_the_page_is_sound(folder: Path) -> None:
    ran = saga(folder, "lint", "writing_sagas:catalog")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [line.split(",")[0] for line in ran.stdout.splitlines()] == [
        "ok: environment v1",
        "ok: environment v2",
        "ok: certificate v1",
    ]


def test_the_page_lists_every_message_of_the_linter_and_no_other() -> None:
    table = PAGE.read_text(encoding="utf-8").split("<!-- linter -->")[1].split("<!-- /linter -->")[0]
    listed = re.findall(r"^- `(.+)`$", table, re.MULTILINE)
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) == {each for module in LINTER for each in messages(module)}


def messages(module: Path) -> Iterator[str]:
    """Yield the messages of a linter module, with … for inserted values; each ends with a remedy."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    ignored = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    ignored |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in ignored:
            text = written(node)
            if re.search(r"[:;] [\w…]| must ", text) and not A_PLACE.fullmatch(text):
                yield text


def written(node: ast.expr) -> str:
    """Return the text of a string, with … for each value in it."""
    if isinstance(node, ast.JoinedStr):
        return re.sub(r"(…[. ]?)+…", "…", "".join(written(each) for each in node.values))
    return str(node.value) if isinstance(node, ast.Constant) else "…"
