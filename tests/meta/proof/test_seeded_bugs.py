"""The tests are proved: each of many faults, sown into a copy of the machine, is found by the matrix or by a test."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from tests.meta.architecture.tree import ROOT
from tests.meta.proof.driver import what_comes_of
from tests.meta.proof.seeds import SEEDS
from tests.meta.proof.sowing import Seed, check_anchors, copied, failed_test, run, sow

PAGE = ROOT / "docs" / "proof.md"
NEEDED = (
    "sagas",
    "contracts",
    "tests/unit/machine",
    "tests/unit/testing",
    "tests/meta/proof",
    "tests/meta/architecture",
)
TESTS = "tests/unit/machine"


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.slug)
def test_a_seed_stands_exactly_once_in_the_machine(seed: Seed) -> None:
    check_anchors(seed, source(ROOT, seed))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_seeded_bug_is_caught_and_the_page_says_by_what(tmp_path: Path) -> None:
    assert len(SEEDS) >= 25
    sound = copied(tmp_path / "sound", NEEDED)
    assert (first_violation(sound), failed_test(sound, TESTS)) == (None, None), (
        "the machine without a seed is found wrong"
    )

    with ThreadPoolExecutor(2) as pool:
        caught = list(pool.map(lambda seed: caught_by(seed, tmp_path), SEEDS))

    table = [f"| {seed.bug} | `{seed.file}` | {by} |" for seed, by in zip(SEEDS, caught, strict=True)]
    assert [seed.bug for seed, by in zip(SEEDS, caught, strict=True) if by is None] == [], "nothing finds these"
    page = PAGE.read_text(encoding="utf-8").split("## Seeded bugs", 1)[1].split("## ", 1)[0]
    told = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert told == table, f"write what is so into {PAGE.name}:\n" + "\n".join(table)


def caught_by(seed: Seed, folder: Path) -> str | None:
    """Sow one bug, and say what finds it: an invariant by the matrix, or else a test. None: nothing does."""
    project = copied(folder / seed.slug, NEEDED)
    sow(seed, source(project, seed))
    violation = first_violation(project)
    if violation is not None:
        assert violation["fails"], f"{seed.bug}: this should fail on the machine with the bug:\n{violation['script']}"
        sound = what_comes_of(violation["script"])
        assert sound is None, f"{seed.bug}: {sound}, though the machine is sound:\n{violation['script']}"
        return f"matrix: {violation['invariant'].replace('_', ' ')}"
    test = failed_test(project, TESTS)
    return None if test is None else f"`{test}`"


def first_violation(project: Path) -> dict[str, str] | None:
    """Try every saga on the machine in this folder; return what the driver says of the first violation."""
    done = run(project, "tests/meta/proof/driver.py")
    assert done.returncode == 0, done.stderr
    return cast("dict[str, str] | None", json.loads(done.stdout))


def source(project: Path, seed: Seed) -> Path:
    return project / seed.file
