"""The page that teaches the language is one program whose stories hold, and it names every rule of the linter."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from saga_coordinator.sagas.machine import Alternatives, Branch, Delay, ForEach, Parallel, Receive, Series, Step, walk
from tests.meta.architecture.tree import ROOT
from tests.meta.docs.pages import program
from tests.meta.docs.programs import saga, under_mypy, under_pytest

PAGE = ROOT / "docs" / "writing-sagas.md"
PROGRAM = program(PAGE)
TESTS = [
    each for each in ast.parse(PROGRAM).body if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
]
STORIES = [each.name for each in TESTS if not each.args.args]
"""The tests that need no fixture."""

LINTER = sorted((ROOT / "sagas" / "language" / "lint").glob("*.py"))
A_PLACE = re.compile(r"(\w+ )?…: (\w+|…)( \w+)?|…: … is answered with")
"""What only says where something is wrong: a message begins with it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program of the page."""
    place = tmp_path_factory.mktemp("writing")
    (place / "writing_sagas.py").write_text(PROGRAM, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def told(folder: Path) -> Iterator[ModuleType]:
    """The program of the page, as a module."""
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(folder))
        yield import_module("writing_sagas")
    sys.modules.pop("writing_sagas")


@pytest.mark.parametrize("story", STORIES)
def test_a_story_of_the_page_holds(told: ModuleType, story: str) -> None:
    tell: Callable[[], None] = getattr(told, story)
    tell()


def test_the_page_has_a_story_in_every_chapter_that_has_a_word() -> None:
    *chapters, last = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    assert last.startswith("15. Test every fault")
    assert [each.splitlines()[0] for each in chapters if "def test_" not in each] == []


def test_the_saga_of_the_page_has_every_node_of_the_language(told: ModuleType) -> None:
    words = {type(node) for node in walk(told.environment.steps)}
    assert words == {Step, ForEach, Receive, Delay, Series, Parallel, Branch, Alternatives}


@pytest.mark.slow
def test_the_page_is_a_file_of_tests_as_it_stands(folder: Path) -> None:
    ran = under_pytest(folder, "writing_sagas.py")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{PROGRAM.count('def test_')} passed" in ran.stdout


@pytest.mark.slow
def test_the_program_of_the_page_holds_before_the_type_checker(folder: Path) -> None:
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


def test_every_message_of_the_linter_stands_on_the_page_and_no_other() -> None:
    table = PAGE.read_text(encoding="utf-8").split("<!-- linter -->")[1].split("<!-- /linter -->")[0]
    listed = re.findall(r"^- `(.+)`$", table, re.MULTILINE)
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) == {each for module in LINTER for each in messages(module)}


def messages(module: Path) -> Iterator[str]:
    """The messages that a module of the linter can give, with … for what it puts in: they end with a remedy."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    silent = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    silent |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr | ast.Constant) and id(node) not in silent:
            text = written(node)
            if re.search(r"[:;] [\w…]| must ", text) and not A_PLACE.fullmatch(text):
                yield text


def written(node: ast.expr) -> str:
    """The text of a string, with … for each value in it."""
    if isinstance(node, ast.JoinedStr):
        return re.sub(r"(…[. ]?)+…", "…", "".join(written(each) for each in node.values))
    return str(node.value) if isinstance(node, ast.Constant) else "…"
