"""Sows a fault into a copy of the sources, and runs there what should find it."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.meta.architecture.tree import ROOT

LIMIT = 300.0
"""Seconds for one run: what needs longer is not found."""


class Seed(NamedTuple):
    """`old` stands exactly once in the file; with `new` in its place the program is wrong.

    `more` are replacements that belong to the same fault.
    """

    bug: str
    file: str
    old: str
    new: str
    more: tuple[tuple[str, str], ...] = ()

    @property
    def slug(self) -> str:
        """A name for a folder; a colon in it would end an entry of PYTHONPATH."""
        return re.sub(r"\W+", "-", self.bug)

    @property
    def replacements(self) -> tuple[tuple[str, str], ...]:
        """What is replaced by what."""
        return ((self.old, self.new), *self.more)


def copied(project: Path, names: Iterable[str]) -> Path:
    """Copy these folders, and the settings of the tests, into a folder of its own."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src", project / "src", symlinks=True, ignore=ignore)
    for name in names:
        shutil.copytree(ROOT / name, project / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", project)
    return project


def check_anchors(seed: Seed, file: Path) -> None:
    """See that a seed can be sown. Raises `AssertionError`."""
    text = file.read_text(encoding="utf-8")
    for old, _ in seed.replacements:
        count = text.count(old)
        assert count == 1, f"{old!r} stands {count} times in {seed.file}: anchor the seed elsewhere"


def sow(seed: Seed, file: Path) -> None:
    """Put the fault into a copy."""
    text = file.read_text(encoding="utf-8")
    for old, new in seed.replacements:
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


def failed_test(project: Path, *tests: str) -> str | None:
    """Run tests in this folder up to the first that fails, and return its name."""
    done = run(project, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *tests)
    if done.returncode == 0:
        return None
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("FAILED tests/", "ERROR tests/"))]
    assert lines, done.stdout + done.stderr
    return lines[0][1].partition("[")[0]


def run(project: Path, *arguments: str, limit: float = LIMIT) -> subprocess.CompletedProcess[str]:
    """Run Python in this folder, upon its sources and no others."""
    environment = {**os.environ, "PYTHONPATH": f"{project / 'src'}:{project}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=limit,
    )
