"""The instruments are proved: faults put into the service are found by simulated worlds, or else by a test.

The world or the test that the page names is tried first; the test must find nothing in the sound service. A fault that
it does not find is looked for everywhere.
"""

import json
from pathlib import Path

import pytest

from tests.meta.proof._support.forks import Forks
from tests.meta.proof._support.page import node_id, row, rows_of
from tests.meta.proof._support.seeding import Seed, failed_test, seeded, seeded_copy
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
def test_what_finds_a_seeded_bug_finds_nothing_in_the_sound_service(tmp_path: Path, forks: Forks) -> None:
    sound = seeded_copy(None, tmp_path / "sound", NEEDED)
    tests = sorted({node_id(each.test) for each in rows_of(HEADING).values() if each.test})
    assert failed_test(forks, sound, *tests) is None


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: seed.slug)
def test_a_bug_seeded_into_the_service_is_caught(seed: Seed, tmp_path: Path, forks: Forks) -> None:
    by = caught_by(forks, seed, tmp_path)
    assert by is not None, "nothing finds it"
    is_by_test = row(seed, by).test is not None
    assert is_by_test == (rows_of(HEADING)[seed.bug].test is not None), f"write this into docs/proof.md: {by}"


def caught_by(forks: Forks, seed: Seed, folder: Path) -> str | None:
    """Return what finds the bug: a check in so many worlds, or else a test. None: nothing does."""
    project = seeded_copy(seed, folder / seed.slug, NEEDED)
    expected = rows_of(HEADING)[seed.bug]
    if expected.test and failed_test(forks, project, node_id(expected.test)):
        return expected.by
    if seed in SIMULATED and (found := in_worlds(forks, project, expected.world)):
        return found
    for tests in TESTS:
        if failed := failed_test(forks, project, *tests):
            return f"`{failed}`"
    return None


def in_worlds(forks: Forks, project: Path, first: int | None) -> str | None:
    """Live worlds on the project in this folder, `first` that of this seed, and return the first check that fails."""
    seeds = [MAX_WORLDS, *([] if first is None else [first])]
    done = forks.run(project, "tests/meta/proof/_support/worlds_driver.py", *map(str, seeds))
    assert done.code == 0, done.stderr
    found = json.loads(done.stdout)
    if found is None:
        return None
    return f"worlds, {found['seeds']}: {ENDS.get(found['check'], found['check']).replace('_', ' ')}"
