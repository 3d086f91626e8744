"""The instruments are proved: faults put into the service are found by simulated worlds, or else by a test.

The test that the page names is tried first, and must find nothing in the sound service; a fault that it does not find
is looked for everywhere.
"""

import json
from pathlib import Path

import pytest

from tests.meta.proof._support.page import node_id, row, rows_of
from tests.meta.proof._support.seeding import Seed, failed_test, run, seeded, seeded_copy
from tests.meta.proof._support.service_seeds import SEEDS as SIMULATED
from tests.meta.proof._support.store_seeds import SEEDS as BENEATH

HEADING = "Bugs seeded into the service"
NEEDED = ("contracts", "sagas", "handlers", "service", "tests")
SEEDS = (*SIMULATED, *BENEATH)
MAX_WORLDS = 200
ENDS = {"NotOver": "something does not end", "Spinning": "it tries without end", "Stuck": "nothing happens any more"}
TESTS = (
    ("tests/conformance", "tests/integration/test_publisher_alone.py"),
    ("tests/resilience/worlds", "-m", "not slow"),
    ("tests/resilience/power",),
    ("tests/unit/handlers", "--ignore-glob=*/test_fuzz_*"),
    ("tests/integration",),
)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.slug)
def test_a_seed_fits_exactly_once_in_the_service(seed: Seed) -> None:
    assert len(seeded(seed)) == 1


def test_the_page_lists_the_seeds_of_the_service() -> None:
    assert len(SEEDS) >= 30
    rows = rows_of(HEADING).values()
    assert [each[:2] for each in rows] == [row(seed, "")[:2] for seed in SEEDS]
    assert [node_id(each.test) for each in rows if each.test]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_finds_a_seeded_bug_finds_nothing_in_the_sound_service(tmp_path: Path) -> None:
    sound = seeded_copy(None, tmp_path / "sound", NEEDED)
    tests = sorted({node_id(each.test) for each in rows_of(HEADING).values() if each.test})
    assert failed_test(sound, *tests) is None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.slug)
def test_a_bug_seeded_into_the_service_is_caught(seed: Seed, tmp_path: Path) -> None:
    assert caught_by(seed, tmp_path) is not None, "nothing finds it"


def caught_by(seed: Seed, folder: Path) -> str | None:
    """Return what finds the bug: a check in so many worlds, or else a test. None: nothing does."""
    project = seeded_copy(seed, folder / seed.slug, NEEDED)
    expected = rows_of(HEADING)[seed.bug]
    if expected.test and failed_test(project, node_id(expected.test)):
        return expected.by
    if seed in SIMULATED and (found := in_worlds(project)):
        return found
    for tests in TESTS:
        if failed := failed_test(project, *tests):
            return f"`{failed}`"
    return None


def in_worlds(project: Path) -> str | None:
    """Live worlds on the project in this folder, and return the first check that fails."""
    done = run(project, "tests/meta/proof/_support/worlds_driver.py", str(MAX_WORLDS))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if found is None:
        return None
    return f"worlds, {found['seeds']}: {ENDS.get(found['check'], found['check']).replace('_', ' ')}"
