"""The instruments are proved: faults sown into the service are found by simulated worlds, or else by a test.

What the page names is tried first, and must find nothing in the sound service; a fault that it does not find is looked
for everywhere.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.meta.architecture.tree import ROOT
from tests.meta.proof.service_seeds import SEEDS as SIMULATED
from tests.meta.proof.sowing import Seed, check_anchors, copied, failed_test, run, sow
from tests.meta.proof.store_seeds import SEEDS as BENEATH

PAGE = ROOT / "docs" / "proof.md"
NEEDED = ("contracts", "sagas", "handlers", "service", "tests")
MOST_WORLDS = 200
ENDS = {"NotOver": "something does not end", "Spinning": "it tries for ever", "Stuck": "nothing happens any more"}
TESTS = (
    ("tests/conformance", "tests/integration/test_publisher_alone.py"),
    ("tests/resilience/worlds", "-m", "not slow"),
    ("tests/resilience/power",),
    ("tests/unit/handlers", "--ignore-glob=*/test_fuzz_*"),
    ("tests/integration",),
)


@pytest.mark.parametrize("seed", [*SIMULATED, *BENEATH], ids=lambda seed: seed.slug)
def test_a_seed_stands_exactly_once_in_the_service(seed: Seed) -> None:
    check_anchors(seed, ROOT / seed.file)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_bug_sown_into_the_service_is_caught_and_the_page_says_by_what(tmp_path: Path) -> None:
    seeds = [*SIMULATED, *BENEATH]
    assert len(seeds) >= 30
    rows = rows_of_page()
    told = {bug.removeprefix("| "): by.removesuffix(" |") for bug, _, by in rows}
    sound = copied(tmp_path / "sound", NEEDED)
    assert failed_test(sound, *sorted(set(filter(None, map(named_test, told.values()))))) is None, "without a fault"
    with ThreadPoolExecutor(2) as pool:
        caught = list(pool.map(lambda seed: caught_by(seed, tmp_path, told), seeds))
    assert [seed.bug for seed, by in zip(seeds, caught, strict=True) if by is None] == [], "nothing finds these"
    table = "\n".join(f"| {seed.bug} | `{seed.file}` | {by} |" for seed, by in zip(seeds, caught, strict=True))
    assert [row[:2] for row in rows] == [[f"| {seed.bug}", f"`{seed.file}`"] for seed in seeds], (
        f"write what is so into {PAGE.name}:\n{table}"
    )


def rows_of_page() -> list[list[str]]:
    """Return the page's table: bug, file, what finds it."""
    page = PAGE.read_text(encoding="utf-8").split("## Bugs sown into the service", 1)[1].split("\n## ", 1)[0]
    return [line.split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]


def named_test(by: str) -> str | None:
    """Return the test that the page names, if it is one."""
    return by.strip("`") if by.startswith("`") else None


def caught_by(seed: Seed, folder: Path, told: Mapping[str, str]) -> str | None:
    """Sow one bug, and say what finds it: a check in so many worlds, or else a test. None: nothing does."""
    project = copied(folder / seed.slug, NEEDED)
    sow(seed, project / seed.file)
    by = told.get(seed.bug, "")
    if (named := named_test(by)) and failed_test(project, named):
        return by
    if seed in SIMULATED and (found := in_worlds(project)):
        return found
    for tests in TESTS:
        if failed := failed_test(project, *tests):
            return f"`{failed}`"
    return None


def in_worlds(project: Path) -> str | None:
    """Live worlds on the project in this folder, and tell the first check that fails."""
    done = run(project, "tests/meta/proof/worlds_driver.py", str(MOST_WORLDS))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if found is None:
        return None
    return f"worlds, {found['seeds']}: {ENDS.get(found['check'], found['check']).replace('_', ' ')}"
