"""The tests are proved: each of many faults, put into a copy of the machine, is found by the matrix or by a test."""

import json
from pathlib import Path
from typing import cast

import pytest

from tests.meta.proof._support.driver import what_comes_of
from tests.meta.proof._support.forks import Forks
from tests.meta.proof._support.machine_seeds import SEEDS
from tests.meta.proof._support.page import node_id, row, rows_of
from tests.meta.proof._support.seeding import Seed, failed_test, seeded, seeded_copy
from tests.support.project_tree import ROOT

HEADING = "Seeded bugs"
NEEDED = (
    "contracts",
    "sagas",
    "handlers",
    "service",
    "tests/support",
    "tests/unit/machine",
    "tests/unit/testing",
    "tests/meta",
)
TESTS = "tests/unit/machine"


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.slug)
def test_a_seed_fits_exactly_once_in_the_machine(seed: Seed) -> None:
    assert len(seeded(seed)) == 1


def test_the_page_lists_the_seeds_of_the_machine() -> None:
    assert len(SEEDS) >= 25
    rows = rows_of(HEADING).values()
    assert [each[:2] for each in rows] == [row(seed, "")[:2] for seed in SEEDS]
    sources = "".join(file.read_text("utf-8") for file in (ROOT / "sagas" / "testing").rglob("*.py"))
    invariants = [each.by.removeprefix("matrix: ") for each in rows if not each.test]
    assert [name for name in invariants if name.replace(" ", "_") not in sources] == []
    assert [node_id(each.test) for each in rows if each.test]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_machine_without_a_seed_is_sound(tmp_path: Path, forks: Forks) -> None:
    sound = seeded_copy(None, tmp_path / "sound", NEEDED)
    assert (first_violation(forks, sound), failed_test(forks, sound, TESTS)) == (None, None)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.slug)
def test_a_seeded_bug_is_caught_and_the_page_says_by_what(seed: Seed, tmp_path: Path, forks: Forks) -> None:
    by = caught_by(forks, seed, tmp_path)
    assert by is not None, "nothing finds it"
    assert rows_of(HEADING)[seed.bug] == row(seed, by), "write this into docs/proof.md"


def caught_by(forks: Forks, seed: Seed, folder: Path) -> str | None:
    """Return what finds the bug: an invariant by the matrix, or else a test. None: nothing does."""
    project = seeded_copy(seed, folder / seed.slug, NEEDED)
    expected = rows_of(HEADING)[seed.bug]
    if expected.test and failed_test(forks, project, node_id(expected.test)):
        return expected.by
    if violation := first_violation(forks, project):
        assert violation["fails"], f"{seed.bug}: this should fail on the machine with the bug:\n{violation['script']}"
        sound = what_comes_of(violation["script"])
        assert sound is None, f"{seed.bug}: {sound}, though the machine is sound:\n{violation['script']}"
        return f"matrix: {violation['invariant'].replace('_', ' ')}"
    test = failed_test(forks, project, TESTS)
    return None if test is None else f"`{test}`"


def first_violation(forks: Forks, project: Path) -> dict[str, str] | None:
    """Try every saga on the machine in this folder; return the driver's report of the first violation."""
    done = forks.run(project, "tests/meta/proof/_support/driver.py")
    assert done.code == 0, done.stderr
    return cast("dict[str, str] | None", json.loads(done.stdout))
