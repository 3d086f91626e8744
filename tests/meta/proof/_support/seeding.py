"""Puts a fault into a copy of the sources, and runs there what should find it."""

import ast
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.meta.proof._support.forks import Forks
from tests.meta.proof._support.patterns import replace, replace_text
from tests.support.project_tree import ROOT, modules, parsed, shown

PRELOADED = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
"""A fork has imported the plugins of pytest before pytest starts; none of them checks anything by `assert`."""


class Edit(NamedTuple):
    """Where `pattern` fits exactly once in a function, a class or the value of a constant, `replacement` is put.

    `function` is its qualified name; the file does not matter. `patterns.py` describes the language; with `text` the
    two are pieces of a string literal, such as a statement of SQL.
    """

    function: str
    pattern: str
    replacement: str
    text: bool = False


class Seed(NamedTuple):
    """A fault that somebody could write: an edit, and `more` edits that belong to the same fault."""

    bug: str
    function: str
    pattern: str
    replacement: str
    more: tuple[Edit, ...] = ()
    text: bool = False

    @property
    def slug(self) -> str:
        """A name for a folder; a colon in it would end an entry of PYTHONPATH."""
        return re.sub(r"\W+", "-", self.bug)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What is replaced by what."""
        return (Edit(self.function, self.pattern, self.replacement, self.text), *self.more)


def seeded(seed: Seed) -> dict[str, str]:
    """Return the files that a seed changes, with the fault in them. Raises `AssertionError` if it does not fit."""
    trees: dict[str, ast.Module] = {}
    for edit in seed.edits:
        counts = {}
        for file in _files_by_name().get(edit.function, ()):
            tree = trees.get(file) or parsed(ROOT / file)
            counts[file] = sum(_apply(edit, scope) for name, scope in definitions(tree) if name == edit.function)
            if counts[file]:
                trees[file] = tree
        assert counts, f"{seed.bug}: nothing is called {edit.function}: anchor the seed elsewhere"
        count = sum(counts.values())
        assert count == 1, f"{seed.bug}: {edit.pattern!r} fits {count} times in {edit.function}: anchor it elsewhere"
    return {file: ast.unparse(ast.fix_missing_locations(tree)) for file, tree in trees.items()}


def seeded_copy(seed: Seed | None, project: Path, names: Iterable[str]) -> Path:
    """Link these folders and the settings of the tests into a folder, and put the fault there in the file's place.

    Compiled files are there too: they are valid for sources of the same age, so that a run compiles only the fault.
    """
    for name in ("src", *names):
        shutil.copytree(ROOT / name, project / name, copy_function=_link, symlinks=True)
    _link(ROOT / "pyproject.toml", project / "pyproject.toml")
    for file, source in seeded(seed).items() if seed else ():
        (project / file).unlink()
        (project / file).write_text(source, encoding="utf-8")
    return project


def failed_test(forks: Forks, project: Path, *tests: str) -> str | None:
    """Run tests in this folder up to the first that fails, and return its qualified name."""
    done = forks.run(project, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *PRELOADED, *tests)
    if done.code == 0:
        return None
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("FAILED tests/", "ERROR tests/"))]
    assert lines, done.stdout + done.stderr
    return lines[0][1].partition("[")[0].partition("::")[2].replace("::", ".")


def definitions(parent: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield functions, classes and constants, each with its qualified name."""
    for node in ast.iter_child_nodes(parent):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name, node
            case ast.ClassDef(name=name):
                yield prefix + name, node
                yield from definitions(node, f"{prefix}{name}.")
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name, node
            case _:
                pass


def files_by_name(files: Sequence[Path]) -> dict[str, list[str]]:
    """Return in which of these files something stands under a qualified name."""
    found: dict[str, list[str]] = {}
    for file in files:
        for name in dict.fromkeys(name for name, _ in definitions(parsed(file))):
            found.setdefault(name, []).append(shown(file))
    return found


@cache
def _files_by_name() -> dict[str, list[str]]:
    return files_by_name(modules())


def _link(source: str | Path, place: str | Path) -> None:
    """Link a file: it costs a tenth of a copy. What writes to it in place, writes to the original, too.

    A folder on another device gets a copy.
    """
    try:
        os.link(source, place)
    except OSError:
        shutil.copy2(source, place)


def _apply(edit: Edit, scope: ast.AST) -> int:
    return (replace_text if edit.text else replace)(scope, edit.pattern, edit.replacement)
