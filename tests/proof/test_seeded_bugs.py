"""The tests are proved: each of many faults, sown into a copy of the machine, is found by the matrix or by a test."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from tests.architecture.tree import ROOT
from tests.proof.driver import what_comes_of
from tests.proof.seeds import SEEDS, Seed

PAGE = ROOT / "docs" / "proof.md"
LIMIT = 100.0
"""Seconds for one run: what needs longer is not found."""


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.bug.replace(" ", "-"))
def test_a_seed_stands_exactly_once_in_the_machine(seed: Seed) -> None:
    count = source(ROOT, seed).read_text(encoding="utf-8").count(seed.old)
    assert count == 1, f"{seed.old!r} stands {count} times in {seed.file}: anchor the seed elsewhere"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_seeded_bug_is_caught_and_the_page_says_by_what(tmp_path: Path) -> None:
    assert len(SEEDS) >= 25
    sound = copied(tmp_path / "sound")
    assert (first_violation(sound), failed_test(sound)) == (None, None), "the machine without a seed is found wrong"

    with ThreadPoolExecutor(2) as pool:
        caught = list(pool.map(lambda seed: caught_by(seed, tmp_path), SEEDS))

    table = [f"| {seed.bug} | `{seed.file}` | {by} |" for seed, by in zip(SEEDS, caught, strict=True)]
    assert [seed.bug for seed, by in zip(SEEDS, caught, strict=True) if by is None] == [], "nothing finds these"
    told = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:]
    assert told == table, f"write what is so into {PAGE.name}:\n" + "\n".join(table)


def caught_by(seed: Seed, folder: Path) -> str | None:
    """Sow one bug, and say what finds it: a law by the matrix, or else a test. None: nothing does."""
    project = copied(folder / seed.bug.replace(" ", "-"))
    file = source(project, seed)
    file.write_text(file.read_text(encoding="utf-8").replace(seed.old, seed.new), encoding="utf-8")
    violation = first_violation(project)
    if violation is not None:
        assert violation["fails"], f"{seed.bug}: this should fail on the machine with the bug:\n{violation['script']}"
        sound = what_comes_of(violation["script"])
        assert sound is None, f"{seed.bug}: {sound}, though the machine is sound:\n{violation['script']}"
        return f"matrix: {violation['law'].replace('_', ' ')}"
    test = failed_test(project)
    return None if test is None else f"`{test}`"


def first_violation(project: Path) -> dict[str, str] | None:
    """Try every saga on the machine in this folder; return what the driver tells of the first law that is broken."""
    done = run(project, "tests/proof/driver.py")
    assert done.returncode == 0, done.stderr
    return cast("dict[str, str] | None", json.loads(done.stdout))


def failed_test(project: Path) -> str | None:
    """Run the machine's own tests in this folder up to the first that fails, and return its name."""
    done = run(project, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", "tests/machine")
    if done.returncode == 0:
        return None
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("FAILED ")]
    assert failed, done.stdout + done.stderr
    return failed[0].partition("[")[0]


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT,
    )


def copied(project: Path) -> Path:
    """Copy what the machine and its tests need into a folder of its own."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("sagas", "contracts", "tests/machine", "tests/matrix", "tests/proof"):
        shutil.copytree(ROOT / name, project / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", project)
    return project


def source(project: Path, seed: Seed) -> Path:
    return project / "sagas" / "machine" / seed.file
